// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Target/Compile.h"
#include "Target.h"
#include "mlir/Pass/PassManager.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"
#include "quant-mlir/Import/WeightFile.h"
#include "quant-mlir/Pipelines/Pipelines.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace quantmlir;

static std::string stringAttr(ModuleOp module, StringRef name) {
  auto attr = module->getAttrOfType<StringAttr>(name);
  return attr ? attr.str() : "";
}

static int64_t integerAttr(ModuleOp module, StringRef name) {
  auto attr = module->getAttrOfType<IntegerAttr>(name);
  return attr ? attr.getInt() : 0;
}

static ModelInfo describeModel(ModuleOp module, const CompileOptions &options) {
  using lm::LMDialect;
  ModelInfo model;
  model.name = options.name;
  model.modelName = stringAttr(module, LMDialect::nameAttrName);
  model.architecture = stringAttr(module, LMDialect::architectureAttrName);
  model.source = stringAttr(module, LMDialect::sourceAttrName);
  model.vocabulary = integerAttr(module, LMDialect::vocabSizeAttrName);
  model.hidden = integerAttr(module, LMDialect::hiddenSizeAttrName);
  model.context = integerAttr(module, LMDialect::contextLengthAttrName);
  model.batch = options.batch;
  bool hasCache = false;
  module.walk([&](lm::AttentionOp op) { hasCache |= !!op.getCache(); });
  model.task = hasCache                     ? "causal-lm"
               : model.architecture.empty() ? "graph"
                                            : "encoder";
  return model;
}

/// A sentence goes through an encoder in one call, so the bound of a call is
/// what the model can take.
static int64_t chooseBatch(ModuleOp module, const CompileOptions &options) {
  ModelInfo model = describeModel(module, options);
  if (model.task != "encoder" || model.context <= 0)
    return options.batch;
  return llvm::alignTo(std::min<int64_t>(model.context, 4096), 16);
}

llvm::Error quantmlir::writeLibrary(const CompileOptions &options,
                                    const cpu::CPUTarget &target,
                                    StringRef object, StringRef header) {
  auto runtimeHeader =
      llvm::MemoryBuffer::getFile(options.runtimeFolder + "/quant_runtime.h");
  if (!runtimeHeader)
    return fileError(options.runtimeFolder + "/quant_runtime.h",
                     runtimeHeader.getError().message());
  std::pair<std::string, StringRef> outputs[] = {
      {options.name + ".o", object},
      {"quant_runtime.h", (*runtimeHeader)->getBuffer()},
      {options.name + ".h", header}};
  for (auto &[file, content] : outputs) {
    llvm::SmallString<256> path(options.folder);
    llvm::sys::path::append(path, file);
    if (llvm::Error error = writeFile(path, content))
      return error;
  }
  // Other architectures are for their own linkers.
  llvm::Triple host(llvm::sys::getProcessTriple());
  if (llvm::Triple(target.triple).getArch() != host.getArch())
    return llvm::Error::success();
  return linkLibraries(options);
}

llvm::Expected<cpu::CPUTargets> quantmlir::parseHostTargets(StringRef spec) {
  if (!cuda::isGPUTarget(spec))
    return cpu::parseCPUTargets(spec);
  llvm::Expected<cuda::GPUTarget> gpu = cuda::parseGPUTarget(spec);
  if (!gpu)
    return gpu.takeError();
  return cpu::parseCPUTargets("cpu:native");
}

bool quantmlir::isIdentifier(StringRef text) {
  return !text.empty() && !llvm::isDigit(text.front()) &&
         llvm::all_of(text,
                      [](char c) { return llvm::isAlnum(c) || c == '_'; });
}

llvm::Error quantmlir::compileModel(ModuleOp module,
                                    const CompileOptions &given) {
  CompileOptions options = given;
  llvm::Expected<cpu::CPUTargets> targets = parseHostTargets(options.target);
  if (!targets)
    return targets.takeError();
  if (std::error_code code = llvm::sys::fs::create_directories(options.folder))
    return fileError(options.folder, "cannot be made: " + code.message());
  auto path = [&](const llvm::Twine &name) {
    llvm::SmallString<256> result(options.folder);
    llvm::sys::path::append(result, name);
    return result.str().str();
  };

  options.batch = chooseBatch(module, options);
  ModelInfo model = describeModel(module, options);
  model.targets = *targets;
  if (cuda::isGPUTarget(options.target))
    model.gpu.target = options.target;
  PackOptions pack;
  pack.target = options.target;
  PassManager pm(module.getContext());
  buildPackPipeline(pm, pack);
  if (failed(pm.run(module)))
    return llvm::createStringError("stage 'pack' failed");
  llvm::Expected<PackedWeights> weights =
      writePackedWeights(module, path(options.name + ".weights.safetensors"));
  if (!weights)
    return weights.takeError();
  model.weightsBytes = weights->fileBytes;
  model.weightsHash = weights->headerHash;

  CodegenCPUOptions codegen;
  codegen.batch = options.batch;
  codegen.choices = options.choices;
  llvm::Expected<std::string> object =
      compileToObject(module, model, codegen, options.tune);
  if (!object)
    return object.takeError();

  llvm::Expected<std::string> tokenizer =
      writeTokenizer(model.source, options.folder);
  if (!tokenizer)
    return tokenizer.takeError();
  std::string manifest;
  llvm::raw_string_ostream(manifest) << llvm::formatv(
      "{0:2}\n",
      llvm::json::Value(makeManifest(model, *weights, options, *tokenizer)));
  if (llvm::Error error = writeFile(path(options.name + ".json"), manifest))
    return error;
  return writeLibrary(options, targets->front(), *object,
                      makeHeader(model, options.target));
}
