// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "StagedModelImplementation.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantmlir;

static llvm::Error runtimeError() {
  return llvm::createStringError(qm_last_error());
}

llvm::Error StagedModel::Implementation::compile(ModuleOp module) {
  for (auto [number, stage] : llvm::enumerate(program.stages))
    for (const StageValue &input : stage.inputs)
      if (input.kind == StageValue::Kind::Live)
        lastUse[input.live] = number;

  // Tokens have been checked; other integers between stages are not tokens.
  module->removeAttr(lm::LMDialect::vocabSizeAttrName);
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

llvm::Expected<llvm::SmallVector<qm_tensor>>
StagedModel::Implementation::runFunction(llvm::StringRef function,
                                         llvm::ArrayRef<qm_tensor> inputs,
                                         size_t results) {
  llvm::SmallVector<qm_tensor> made(results);
  if (qm_session_run(session.get(), function.str().c_str(), inputs.data(),
                     inputs.size(), made.data(), made.size()))
    return runtimeError();
  return made;
}

llvm::SmallVector<qm_tensor>
StagedModel::Implementation::gatherInputs(const Stage &stage, Text &text,
                                          LiveValues &live) {
  llvm::SmallVector<qm_tensor> inputs;
  for (const StageValue &input : stage.inputs)
    inputs.push_back(input.kind == StageValue::Kind::Tokens
                         ? tokens(text, input)
                         : live.get(input.live));
  return inputs;
}

void StagedModel::Implementation::dropDead(size_t number, LiveValues &live) {
  for (const StageValue &input : program.stages[number].inputs)
    if (input.kind == StageValue::Kind::Live && lastUse[input.live] == number)
      live.drop(input.live);
}

llvm::Error StagedModel::Implementation::call(size_t number, size_t window,
                                              Text &text, Accumulator *sums,
                                              Output output) {
  const Stage &stage = program.stages[number];
  auto results =
      runFunction(stage.function, gatherInputs(stage, text, text.live),
                  stage.results.size());
  if (!results)
    return results.takeError();
  dropDead(number, text.live);

  bool first = true;
  for (auto [value, result] : llvm::zip_equal(stage.results, *results)) {
    switch (value.kind) {
    case StageValue::Kind::Live:
      text.live.put(value.live, result);
      break;
    case StageValue::Kind::Statistic:
      if (sums)
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

llvm::Error StagedModel::Implementation::callExact(size_t number, Text &text) {
  const Stage &stage = program.stages[number];
  llvm::SmallVector<int64_t> made;
  for (const StageValue &value : stage.results)
    if (value.kind == StageValue::Kind::Live)
      made.push_back(value.live);
  auto results = runFunction(
      stage.plainFunction, gatherInputs(stage, text, text.exact), made.size());
  if (!results)
    return results.takeError();
  dropDead(number, text.exact);
  for (auto [live, result] : llvm::zip_equal(made, *results))
    text.exact.put(live, result);
  return llvm::Error::success();
}

std::optional<SiteDrift>
StagedModel::Implementation::startDrift(size_t number) const {
  const Stage &stage = program.stages[number];
  if (!options.statistics.drift || !stage.activation)
    return std::nullopt;
  int64_t k = program.sites[number].channels;
  SiteDrift drift{DriftSums(k, k), std::nullopt};
  if (stage.residual)
    drift.residual.emplace(stage.residual->type.getShape().back(), k);
  return drift;
}

llvm::Error StagedModel::Implementation::addDrift(const Stage &stage,
                                                  Text &text,
                                                  SiteDrift &drift) {
  const qm_tensor &x = text.live.get(stage.activation->live);
  auto add = [&](const Stage::Drift &of, DriftSums &sums) -> llvm::Error {
    auto results = runFunction(
        of.function, {text.exact.get(of.live), text.live.get(of.live), x}, 2);
    if (!results)
      return results.takeError();
    sums.add(static_cast<const float *>((*results)[0].data),
             static_cast<const float *>((*results)[1].data));
    return llvm::Error::success();
  };
  if (llvm::Error error = add(*stage.activation, drift.activation))
    return error;
  return drift.residual ? add(*stage.residual, *drift.residual)
                        : llvm::Error::success();
}

llvm::Error StagedModel::Implementation::runStage(
    size_t number, llvm::MutableArrayRef<Text> texts, AfterSite afterSite,
    Output output, llvm::function_ref<void()> step) {
  const Stage &stage = program.stages[number];
  bool hasSite = number < program.sites.size();
  std::optional<SiteDrift> drift;
  if (hasSite)
    drift = startDrift(number);
  if (drift) {
    if (llvm::Error error =
            weights.prepare(number, StageWeights::Version::Original))
      return error;
    for (Text &text : texts) {
      if (llvm::Error error = callExact(number, text))
        return error;
      step();
    }
  }

  if (llvm::Error error = weights.prepare(number))
    return error;
  std::optional<Accumulator> sums;
  if (hasSite)
    sums.emplace(program.sites[number], options.statistics);
  for (auto [window, text] : llvm::enumerate(texts)) {
    if (sums)
      sums->addTokens(stage.rows.value_or(text.tokens->size()));
    if (llvm::Error error =
            call(number, window, text, sums ? &*sums : nullptr, output))
      return error;
    if (drift)
      if (llvm::Error error = addDrift(stage, text, *drift))
        return error;
    step();
  }
  weights.release(number);
  if (!sums)
    return llvm::Error::success();

  int64_t tokens = sums->getTokens();
  ActivationStatistics statistics = sums->finish();
  if (drift) {
    ActivationDrift &found = statistics.drift.emplace();
    drift->activation.finish(tokens, found.cross, found.mean);
    if (drift->residual) {
      found.residualReader = stage.residualReader;
      drift->residual->finish(tokens, found.residualCross, found.residualMean);
    }
  }
  return afterSite(number, statistics);
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
  if (self.options.statistics.drift)
    total += int64_t(self.program.sites.size() * windows.size());
  auto step = [&] {
    if (progress)
      progress(++done, total);
  };
  for (size_t stage = 0; stage < count; ++stage)
    if (llvm::Error error =
            self.runStage(stage, texts, afterSite, output, step)) {
      self.weights.releaseAll();
      return error;
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
