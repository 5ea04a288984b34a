// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Target.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Pass/PassManager.h"
#include "quant-mlir/CodeGen/CPU/PanelLayout.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Import/WeightFile.h"
#include "quant-mlir/Pipelines/Pipelines.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Regex.h"

using namespace mlir;
using namespace quantmlir;
namespace json = llvm::json;

static int64_t constantOf(Value value) {
  APInt number;
  return matchPattern(value, m_ConstantInt(&number)) ? number.getSExtValue()
                                                     : 0;
}

/// A function's arguments: pointers, of which those to rows say how many bytes
/// one has. The number of rows, 64 bits, comes last.
static json::Array describeArguments(mlir::gpu::LaunchFuncOp launch) {
  json::Array arguments;
  if (auto list = launch->getAttrOfType<ArrayAttr>("kernel.operands"))
    for (auto operand : list.getAsRange<DictionaryAttr>()) {
      json::Object argument{
          {"name", operand.getAs<StringAttr>("name").getValue()}};
      if (auto bytes = operand.getAs<IntegerAttr>("row_bytes"))
        argument["row_bytes"] = bytes.getInt();
      arguments.push_back(std::move(argument));
    }
  return arguments;
}

/// How a GPU function is launched: as many blocks along x, and along y one for
/// each `rows_per_block`.
static json::Object describeLaunch(mlir::gpu::LaunchFuncOp launch) {
  auto rows = launch->getAttrOfType<IntegerAttr>("kernel.rows_per_block");
  return json::Object{{"arguments", describeArguments(launch)},
                      {"function", launch.getKernelName().getValue()},
                      {"blocks", constantOf(launch.getGridSizeX())},
                      {"threads", constantOf(launch.getBlockSizeX())},
                      {"rows_per_block", rows ? rows.getInt() : 1}};
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

/// What `ptxas -v` says of each function.
static json::Object readRegisters(StringRef log) {
  json::Object functions;
  llvm::Regex start("Compiling entry function '([^']*)'");
  llvm::Regex used("Used ([0-9]+) registers");
  llvm::Regex spills("([0-9]+) bytes spill stores, ([0-9]+) bytes spill loads");
  llvm::Regex shared("([0-9]+) bytes smem");
  std::string name;
  json::Object properties;
  auto number = [](StringRef text) {
    int64_t value = 0;
    text.getAsInteger(10, value);
    return value;
  };
  SmallVector<StringRef> lines, match;
  log.split(lines, '\n');
  for (StringRef line : lines) {
    if (start.match(line, &match)) {
      name = match[1].str();
      properties = json::Object();
    } else if (spills.match(line, &match)) {
      properties["spill_bytes"] = number(match[1]) + number(match[2]);
    } else if (used.match(line, &match)) {
      properties["registers"] = number(match[1]);
      properties["shared_bytes"] =
          shared.match(line, &match) ? number(match[1]) : 0;
      functions[name] = std::move(properties);
    }
  }
  return functions;
}

static json::Value describeKernel(func::FuncOp function,
                                  const FunctionInfo &info, Type weight) {
  json::Object kernel;
  kernel["workspace_bytes"] = info.workspaceBytes;
  if (auto type = dyn_cast_or_null<qt::QuantTensorType>(weight)) {
    std::string scheme;
    llvm::raw_string_ostream(scheme) << type.getScheme();
    kernel["weight"] =
        json::Object{{"n", type.getShape()[0]},
                     {"k", type.getShape()[1]},
                     {"scheme", scheme},
                     {"bytes", cpu::PanelLayout(type).totalBytes}};
  }
  kernel["steps"] = describeSteps(function);
  return kernel;
}

llvm::Error quantmlir::compileGPUKernels(ModuleOp module,
                                         const CompileOptions &options) {
  llvm::Expected<cuda::GPUTarget> target = cuda::parseGPUTarget(options.target);
  if (!target)
    return target.takeError();
  if (std::error_code code = llvm::sys::fs::create_directories(options.folder))
    return fileError(options.folder, "cannot be made: " + code.message());
  auto run = [&](StringRef stage,
                 llvm::function_ref<void(PassManager &)> build) {
    PassManager pm(module.getContext());
    build(pm);
    return succeeded(pm.run(module))
               ? llvm::Error::success()
               : llvm::createStringError("stage '" + stage + "' failed");
  };
  PackOptions pack;
  pack.target = options.target;
  if (llvm::Error error =
          run("pack", [&](PassManager &pm) { buildPackPipeline(pm, pack); }))
    return error;
  llvm::StringMap<Type> weights = placeWeights(module);
  CodegenCPUOptions codegen;
  codegen.batch = options.batch;
  codegen.resultsToArguments = true;
  SmallVector<FunctionInfo> functions;
  if (llvm::Error error = run("kernels", [&](PassManager &pm) {
        buildKernelPipeline(pm, codegen);
      }))
    return error;
  functions = describeFunctions(module);
  if (llvm::Error error = run("codegen-gpu", [&](PassManager &pm) {
        buildGPUExpansionPipeline(pm, options.target);
      }))
    return error;

  auto code = *module.getOps<mlir::gpu::GPUModuleOp>().begin();
  llvm::Expected<std::string> ptx = emitPTX(code, *target);
  if (!ptx)
    return ptx.takeError();
  llvm::Expected<Cubin> cubin = assemblePTX(*ptx, *target);
  if (!cubin)
    return cubin.takeError();

  json::Object kernels;
  for (const FunctionInfo &function : functions)
    kernels[function.name] =
        describeKernel(module.lookupSymbol<func::FuncOp>(function.name),
                       function, weights.lookup(function.name));
  json::Object list{{"target", options.target},
                    {"rows", options.batch},
                    {"kernels", std::move(kernels)}};
  if (!cubin->empty())
    list["functions"] = readRegisters(cubin->log);
  std::string text;
  llvm::raw_string_ostream(text)
      << llvm::formatv("{0:2}\n", json::Value(std::move(list)));
  std::pair<StringRef, StringRef> outputs[] = {
      {".ptx", *ptx}, {".cubin", cubin->code}, {".json", text}};
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
