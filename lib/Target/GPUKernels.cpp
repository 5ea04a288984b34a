// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Target.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Pass/PassManager.h"
#include "quant-mlir/Import/WeightFile.h"
#include "quant-mlir/Pipelines/Pipelines.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace quantmlir;
namespace json = llvm::json;

static int64_t constantOf(Value value) {
  APInt number;
  return matchPattern(value, m_ConstantInt(&number)) ? number.getSExtValue()
                                                     : 0;
}

/// A function's arguments: pointers, of which those to rows say how many bytes
/// one has, and numbers, an `index` having 64 bits. The number of rows comes
/// last.
static json::Array describeArguments(mlir::gpu::LaunchFuncOp launch) {
  json::Array arguments;
  if (auto list = launch->getAttrOfType<ArrayAttr>("kernel.operands"))
    for (auto operand : list.getAsRange<DictionaryAttr>()) {
      json::Object argument{
          {"name", operand.getAs<StringAttr>("name").getValue()}};
      if (auto bytes = operand.getAs<IntegerAttr>("row_bytes"))
        argument["row_bytes"] = bytes.getInt();
      if (auto type = operand.getAs<TypeAttr>("number")) {
        std::string text;
        llvm::raw_string_ostream(text) << type.getValue();
        argument["number"] = text;
      }
      arguments.push_back(std::move(argument));
    }
  return arguments;
}

/// How a GPU function is launched: as many blocks along x, and along y one for
/// each `rows_per_block`.
static json::Object describeLaunch(mlir::gpu::LaunchFuncOp launch) {
  auto number = [&](StringRef name) {
    auto value = launch->getAttrOfType<IntegerAttr>(name);
    return value ? value.getInt() : 1;
  };
  Value memory = launch.getDynamicSharedMemorySize();
  json::Object described{{"arguments", describeArguments(launch)},
                         {"function", launch.getKernelName().getValue()},
                         {"blocks", constantOf(launch.getGridSizeX())},
                         {"threads", constantOf(launch.getBlockSizeX())},
                         {"rows_per_block", number("kernel.rows_per_block")},
                         {"most_rows", number("kernel.most_rows")},
                         {"shared_bytes", memory ? constantOf(memory) : 0}};
  if (launch->hasAttr("kernel.least_positions"))
    described["least_positions"] = number("kernel.least_positions");
  return described;
}

/// What a kernel of the list does: steps, each in several forms.
static json::Array describeSteps(func::FuncOp function) {
  json::Array steps;
  function.walk([&](func::CallOp call) {
    auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
        call, call.getCalleeAttr());
    json::Array forms;
    if (callee)
      callee.walk([&](mlir::gpu::LaunchFuncOp launch) {
        forms.push_back(describeLaunch(launch));
      });
    if (!forms.empty())
      steps.push_back(std::move(forms));
  });
  return steps;
}

/// NAME.ptx and NAME.cubin.
static llvm::Error writeCode(const CompileOptions &options,
                             const GPUCode &code) {
  std::pair<StringRef, StringRef> outputs[] = {{".ptx", code.ptx},
                                               {".cubin", code.cubin.code}};
  for (auto [suffix, content] : outputs) {
    if (content.empty())
      continue;
    llvm::SmallString<256> path(options.folder);
    llvm::sys::path::append(path, options.name + suffix);
    if (llvm::Error error = writeFile(path, content))
      return error;
  }
  return llvm::Error::success();
}

llvm::Error quantmlir::compileGPUKernels(ModuleOp module,
                                         const CompileOptions &options) {
  ModelInfo library;
  library.name = options.name;
  library.gpu.target = options.target;
  // Of the C functions.
  llvm::Expected<cpu::CPUTargets> host = parseHostTargets(options.target);
  if (!host)
    return host.takeError();
  if (std::error_code code = llvm::sys::fs::create_directories(options.folder))
    return fileError(options.folder, "cannot be made: " + code.message());
  PackOptions pack;
  pack.target = options.target;
  if (llvm::Error error = runStage(module, "pack", [&](PassManager &pm) {
        buildPackPipeline(pm, pack);
      }))
    return error;
  llvm::StringMap<Type> weights = placeWeights(module);
  CodegenCPUOptions codegen;
  codegen.batch = options.batch;
  codegen.resultsToArguments = true;
  if (llvm::Error error = runStage(module, "kernels", [&](PassManager &pm) {
        buildKernelPipeline(pm, codegen);
      }))
    return error;
  library.functions = describeFunctions(module);
  if (llvm::Error error = runStage(module, "codegen-gpu", [&](PassManager &pm) {
        buildGPUExpansionPipeline(pm, options.target);
      }))
    return error;
  llvm::StringMap<json::Array> steps;
  for (const FunctionInfo &function : library.functions)
    steps[function.name] =
        describeSteps(module.lookupSymbol<func::FuncOp>(function.name));

  llvm::LLVMContext context;
  auto lowered = lowerLaunches(module, library, context);
  if (!lowered)
    return lowered.takeError();
  dropUnusedWeights(library, weights);
  emitKernelEntries(**lowered, library);
  emitGPUCode(**lowered, library);
  llvm::Expected<std::string> object = emitObject(**lowered, *host);
  if (!object)
    return object.takeError();
  json::Object manifest = describeKernels(library, weights);
  for (auto &[name, kernel] : *manifest.getObject("kernels"))
    (*kernel.getAsObject())["steps"] = std::move(steps[name]);
  if (!library.gpu.cubin.empty())
    manifest["functions"] = library.gpu.cubin.describeFunctions();
  if (llvm::Error error = writeCode(options, library.gpu))
    return error;
  if (llvm::Error error = writeKernelManifest(options, std::move(manifest)))
    return error;
  return writeLibrary(options, host->front(), *object,
                      makeKernelHeader(library, options, weights));
}
