// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "StagedModelImplementation.h"
#include "llvm/Support/MathExtras.h"

using namespace quantmlir;
using llvm::StringRef;

/// A variant of the model that runs beside it.
struct quantmlir::Variant {
  size_t number;
  llvm::StringRef weight;
  /// The first that reads the weight; the texts are there from then on.
  size_t firstStage;
  std::vector<float> values;
  std::vector<Text> texts;
};

bool StagedModel::Implementation::reads(size_t stage, StringRef weight) const {
  return llvm::any_of(
      program.stages[stage].weights,
      [&](const Stage::Weight &read) { return read.name == weight; });
}

llvm::Expected<std::vector<Variant>>
StagedModel::Implementation::findVariants(llvm::ArrayRef<std::string> names) {
  std::vector<Variant> variants;
  for (auto [number, name] : llvm::enumerate(names)) {
    size_t first = 0;
    while (first < program.stages.size() && !reads(first, name))
      ++first;
    if (first == program.stages.size())
      return llvm::createStringError("the model has no weight '" + name + "'");
    variants.push_back({number, name, first, {}, {}});
  }
  return variants;
}

llvm::Error StagedModel::Implementation::runTexts(
    size_t stage, llvm::MutableArrayRef<Text> texts,
    std::optional<size_t> variant, VariantOutput output,
    llvm::function_ref<void()> step) {
  auto handOn = [&](size_t window, llvm::ArrayRef<float> values,
                    int64_t columns) {
    return output(variant, window, values, columns);
  };
  for (auto [window, text] : llvm::enumerate(texts)) {
    if (llvm::Error error = call(stage, window, text, nullptr, handOn))
      return error;
    step();
  }
  return llvm::Error::success();
}

llvm::Error
StagedModel::Implementation::runVariant(size_t stage, Variant &variant,
                                        Change change, VariantOutput output,
                                        llvm::function_ref<void()> step) {
  if (stage == variant.firstStage) {
    llvm::Expected<std::vector<float>> own = weights.read(variant.weight);
    if (!own)
      return own.takeError();
    llvm::Expected<std::vector<float>> changed =
        change(variant.weight, std::move(*own));
    if (!changed)
      return changed.takeError();
    variant.values = std::move(*changed);
  }
  if (llvm::Error error = weights.replace(variant.weight, variant.values))
    return error;
  if (program.weights[variant.weight.str()].lastStage == stage)
    variant.values = {};
  llvm::Error error = weights.prepare(stage);
  if (!error)
    error = runTexts(stage, variant.texts, variant.number, output, step);
  weights.restore(variant.weight);
  return error;
}

llvm::Error StagedModel::Implementation::runBeside(
    llvm::ArrayRef<Window> windows, llvm::MutableArrayRef<Variant> variants,
    Change change, VariantOutput output, llvm::function_ref<void()> step) {
  std::vector<Text> texts = start(windows);
  for (size_t stage = 0; stage < program.stages.size(); ++stage) {
    for (Variant &variant : variants)
      if (stage == variant.firstStage)
        variant.texts = texts;
    // First all that see the model's own weights.
    if (llvm::Error error = weights.prepare(stage))
      return error;
    if (llvm::Error error = runTexts(stage, texts, std::nullopt, output, step))
      return error;
    for (Variant &variant : variants)
      if (stage > variant.firstStage && !reads(stage, variant.weight))
        if (llvm::Error error =
                runTexts(stage, variant.texts, variant.number, output, step))
          return error;
    for (Variant &variant : variants)
      if (reads(stage, variant.weight))
        if (llvm::Error error =
                runVariant(stage, variant, change, output, step))
          return error;
    weights.release(stage);
  }
  return llvm::Error::success();
}

llvm::Error StagedModel::runVariants(llvm::ArrayRef<Window> windows,
                                     llvm::ArrayRef<std::string> weights,
                                     Change change, VariantOutput output,
                                     Progress progress, int64_t atOnce) {
  Implementation &self = *implementation;
  if (llvm::Error error = self.check(windows))
    return error;
  auto variants = self.findVariants(weights);
  if (!variants)
    return variants.takeError();
  int64_t stages = self.program.stages.size(), done = 0;
  int64_t runs = llvm::divideCeil(variants->size(), atOnce);
  int64_t total = runs * stages;
  for (const Variant &variant : *variants)
    total += stages - variant.firstStage;
  auto step = [&] {
    if (progress)
      progress(++done, total * windows.size());
  };
  llvm::MutableArrayRef<Variant> left = *variants;
  while (!left.empty()) {
    auto some = left.take_front(atOnce);
    llvm::Error error = self.runBeside(windows, some, change, output, step);
    self.weights.releaseAll();
    if (error)
      return error;
    for (Variant &variant : some)
      variant.texts.clear();
    left = left.drop_front(some.size());
  }
  return llvm::Error::success();
}
