// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Calibrate/StagedModel.h"
#include "Accumulator.h"
#include "LiveValues.h"
#include "StageProgram.h"
#include "StageWeights.h"
#include "quant-mlir/Target/JIT.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantmlir;

namespace {

struct FreeModel {
  void operator()(qm_model *model) const { qm_model_free(model); }
};
struct FreeSession {
  void operator()(qm_session *session) const { qm_session_free(session); }
};

llvm::Error runtimeError() { return llvm::createStringError(qm_last_error()); }

/// One text while it passes through the stages.
struct Text {
  const Window *tokens;
  std::vector<int64_t> wide; ///< the tokens, if the model wants i64
  LiveValues live;
};

} // namespace

struct StagedModel::Implementation {
  explicit Implementation(StageProgram built)
      : program(std::move(built)), weights(program) {}

  llvm::Error compile(ModuleOp module);
  llvm::Error check(llvm::ArrayRef<Window> windows) const;
  std::vector<Text> start(llvm::ArrayRef<Window> windows);
  qm_tensor tokens(Text &text, const StageValue &value);
  llvm::Error call(size_t stage, size_t window, Text &text, Accumulator *sums,
                   Output output);
  void dropDead(size_t stage, Text &text);

  StageProgram program;
  StageWeights weights;
  StagedModelOptions options;
  int64_t batch = 0;
  int64_t vocabulary = 0;
  /// The last stage that reads a live value.
  llvm::DenseMap<int64_t, size_t> lastUse;
  // In this order: a session needs its model, and both the code.
  std::unique_ptr<JITModel> code;
  std::unique_ptr<qm_model, FreeModel> model;
  std::unique_ptr<qm_session, FreeSession> session;
};

llvm::Error StagedModel::Implementation::compile(ModuleOp module) {
  for (auto [number, stage] : llvm::enumerate(program.stages))
    for (const StageValue &input : stage.inputs)
      if (input.kind == StageValue::Kind::Live)
        lastUse[input.live] = number;

  auto jit = JITModel::create(module, {options.target, batch});
  if (!jit)
    return jit.takeError();
  code = std::move(*jit);
  if (llvm::Error error = weights.reserve())
    return error;
  qm_model *opened = nullptr;
  if (qm_model_open_memory(code->descriptor(), weights.data(), weights.bytes(),
                           &opened))
    return runtimeError();
  model.reset(opened);
  qm_session_options how = {};
  how.threads = options.threads;
  qm_session *created = nullptr;
  if (qm_session_create(opened, &how, &created))
    return runtimeError();
  session.reset(created);
  return llvm::Error::success();
}

llvm::Error
StagedModel::Implementation::check(llvm::ArrayRef<Window> windows) const {
  if (windows.empty())
    return llvm::createStringError("there are no texts to run");
  int64_t length = ShapedType::kDynamic;
  for (const StageValue &input : program.stages.front().inputs)
    if (input.kind == StageValue::Kind::Tokens)
      length = input.type.getShape().back();
  for (auto [number, window] : llvm::enumerate(windows)) {
    auto fail = [&, number = number](const llvm::Twine &why) {
      return llvm::createStringError("text " + llvm::Twine(number) +
                                     " of the calibration tokens " + why);
    };
    if (window.empty())
      return fail("is empty");
    if (int64_t(window.size()) > options.windowLength)
      return fail("has " + llvm::Twine(window.size()) + " tokens, more than " +
                  llvm::Twine(options.windowLength));
    if (!ShapedType::isDynamic(length) && int64_t(window.size()) != length)
      return fail("has " + llvm::Twine(window.size()) +
                  " tokens; the model takes exactly " + llvm::Twine(length));
    for (int32_t token : window)
      if (token < 0 || (vocabulary > 0 && token >= vocabulary))
        return fail("has token " + llvm::Twine(token) +
                    ", outside the vocabulary of " + llvm::Twine(vocabulary));
  }
  return llvm::Error::success();
}

std::vector<Text>
StagedModel::Implementation::start(llvm::ArrayRef<Window> windows) {
  std::vector<Text> texts(windows.size());
  for (auto [text, window] : llvm::zip_equal(texts, windows)) {
    text.tokens = &window;
    text.wide.assign(window.begin(), window.end());
  }
  return texts;
}

qm_tensor StagedModel::Implementation::tokens(Text &text,
                                              const StageValue &value) {
  bool isWide = value.type.getElementType().isInteger(64);
  qm_tensor tensor = {};
  tensor.data = isWide ? static_cast<void *>(text.wide.data())
                       : const_cast<int32_t *>(text.tokens->data());
  tensor.dtype = isWide ? QM_I64 : QM_I32;
  tensor.rank = value.type.getRank();
  for (int32_t dim = 0; dim < tensor.rank; ++dim)
    tensor.dims[dim] = 1;
  tensor.dims[tensor.rank - 1] = text.tokens->size();
  return tensor;
}

llvm::Error StagedModel::Implementation::call(size_t number, size_t window,
                                              Text &text, Accumulator *sums,
                                              Output output) {
  const Stage &stage = program.stages[number];
  llvm::SmallVector<qm_tensor> inputs, results(stage.results.size());
  for (const StageValue &input : stage.inputs)
    inputs.push_back(input.kind == StageValue::Kind::Tokens
                         ? tokens(text, input)
                         : text.live.get(input.live));
  if (qm_session_run(session.get(), stage.function.c_str(), inputs.data(),
                     inputs.size(), results.data(), results.size()))
    return runtimeError();
  dropDead(number, text);

  bool first = true;
  for (auto [value, result] : llvm::zip_equal(stage.results, results)) {
    switch (value.kind) {
    case StageValue::Kind::Live:
      text.live.put(value.live, result);
      break;
    case StageValue::Kind::Statistic:
      sums->add(value.statistic, result.data);
      break;
    case StageValue::Kind::Output:
      if (!first)
        break;
      first = false;
      if (result.dtype != QM_F32 || result.rank == 0)
        return llvm::createStringError("the model's result is not f32");
      if (llvm::Error error = output(window,
                                     {static_cast<const float *>(result.data),
                                      size_t(tensorBytes(result) / 4)},
                                     result.dims[result.rank - 1]))
        return error;
      break;
    case StageValue::Kind::Tokens:
      break;
    }
  }
  if (!sums)
    return llvm::Error::success();
  return sums->check(window);
}

void StagedModel::Implementation::dropDead(size_t number, Text &text) {
  for (const StageValue &input : program.stages[number].inputs)
    if (input.kind == StageValue::Kind::Live && lastUse[input.live] == number)
      text.live.drop(input.live);
}

//===----------------------------------------------------------------------===//
// The interface
//===----------------------------------------------------------------------===//

StagedModel::StagedModel(std::unique_ptr<Implementation> implementation)
    : implementation(std::move(implementation)) {}
StagedModel::~StagedModel() = default;

llvm::Expected<std::unique_ptr<StagedModel>>
StagedModel::create(ModuleOp module, const StagedModelOptions &options) {
  if (options.windowLength < 1 || options.windowLength > 1 << 20)
    return llvm::createStringError("texts of " +
                                   llvm::Twine(options.windowLength) +
                                   " tokens cannot be run");
  OwningOpRef<ModuleOp> copy = module.clone();
  llvm::Expected<StageProgram> program = buildStages(*copy, options);
  if (!program)
    return program.takeError();
  auto implementation = std::make_unique<Implementation>(std::move(*program));
  implementation->options = options;
  implementation->batch = llvm::alignTo(options.windowLength, 16);
  if (auto size = module->getAttrOfType<IntegerAttr>("lm.vocab_size"))
    implementation->vocabulary = size.getInt();
  if (llvm::Error error = implementation->compile(*copy))
    return std::move(error);
  return std::unique_ptr<StagedModel>(
      new StagedModel(std::move(implementation)));
}

llvm::ArrayRef<SiteInfo> StagedModel::sites() const {
  return implementation->program.sites;
}

llvm::Error StagedModel::run(llvm::ArrayRef<Window> windows,
                             AfterSite afterSite, Output output,
                             Progress progress) {
  Implementation &self = *implementation;
  if (llvm::Error error = self.check(windows))
    return error;
  std::vector<Text> texts = self.start(windows);
  size_t count = self.program.stages.size() - (output ? 0 : 1);
  int64_t done = 0, total = int64_t(count * windows.size());
  for (size_t stage = 0; stage < count; ++stage) {
    if (llvm::Error error = self.weights.prepare(stage)) {
      self.weights.releaseAll();
      return error;
    }
    bool hasSite = stage < self.program.sites.size();
    std::optional<Accumulator> sums;
    if (hasSite)
      sums.emplace(self.program.sites[stage], self.options.statistics);
    for (auto [number, text] : llvm::enumerate(texts)) {
      if (hasSite)
        sums->addTokens(
            self.program.stages[stage].rows.value_or(text.tokens->size()));
      if (llvm::Error error = self.call(stage, number, text,
                                        hasSite ? &*sums : nullptr, output)) {
        self.weights.releaseAll();
        return error;
      }
      if (progress)
        progress(++done, total);
    }
    self.weights.release(stage);
    if (!hasSite)
      continue;
    ActivationStatistics statistics = sums->finish();
    if (llvm::Error error = afterSite(stage, statistics)) {
      self.weights.releaseAll();
      return error;
    }
  }
  self.weights.releaseAll();
  return llvm::Error::success();
}

llvm::Expected<std::vector<float>> StagedModel::readWeight(StringRef name) {
  return implementation->weights.read(name);
}

llvm::Error StagedModel::replaceWeight(StringRef name,
                                       std::vector<float> values) {
  return implementation->weights.replace(name, std::move(values));
}
