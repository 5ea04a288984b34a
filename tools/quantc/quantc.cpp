// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/IR/AsmState.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Import/ImportModel.h"
#include "quant-mlir/Pipelines/Pipelines.h"
#include "quant-mlir/Target/Compile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/WithColor.h"

using namespace mlir;
using namespace quantmlir;
namespace cl = llvm::cl;

static cl::OptionCategory category("quantc options");
static cl::opt<std::string>
    input(cl::Positional, cl::Required, cl::value_desc("MODEL"),
          cl::desc("a .gguf file, a Hugging Face folder or an .mlir file"),
          cl::cat(category));
static cl::opt<std::string> folder("o", cl::Required, cl::value_desc("DIR"),
                                   cl::desc("folder to write"),
                                   cl::cat(category));
static cl::opt<std::string> recipe("recipe", cl::init("as-stored"),
                                   cl::value_desc("NAME|FILE"),
                                   cl::desc("how to quantize"),
                                   cl::cat(category));
static cl::opt<std::string> target("target", cl::init("cpu:native"),
                                   cl::desc("what to compile for"),
                                   cl::cat(category));
static cl::opt<std::string> name("name", cl::init(""),
                                 cl::desc("name of the files and C functions"),
                                 cl::cat(category));
static cl::opt<int64_t> batch("batch", cl::init(128),
                              cl::desc("most tokens per call"),
                              cl::cat(category));

static llvm::Expected<OwningOpRef<ModuleOp>> readModel(MLIRContext *context) {
  if (llvm::sys::fs::is_directory(input))
    return importHF(input, context);
  if (StringRef(input).ends_with(".mlir")) {
    OwningOpRef<ModuleOp> module =
        parseSourceFile<ModuleOp>(input, ParserConfig(context));
    if (!module)
      return llvm::createStringError(input + ": not a valid module");
    return std::move(module);
  }
  return importGGUF(input, context);
}

/// An identifier made of the input's file name.
static std::string defaultName() {
  std::string result;
  for (char c : llvm::sys::path::stem(StringRef(input).rtrim('/')))
    result += llvm::isAlnum(c) ? llvm::toLower(c) : '_';
  return result.empty() || llvm::isDigit(result[0]) ? "model_" + result
                                                    : result;
}

static llvm::Error run(const char *program) {
  DialectRegistry registry;
  registerAllDialects(registry);
  MLIRContext context(registry);
  llvm::Expected<OwningOpRef<ModuleOp>> module = readModel(&context);
  if (!module)
    return module.takeError();

  CompileOptions options;
  options.folder = folder;
  options.recipe = recipe;
  options.target = target;
  options.batch = batch;
  options.name = name.empty() ? defaultName() : name;
  for (char c : options.name)
    if (!llvm::isAlnum(c) && c != '_')
      return llvm::createStringError("--name " + options.name +
                                     " is not an identifier");
  // bin/quantc and lib/libquant_runtime.a stand beside each other.
  llvm::SmallString<256> runtime(llvm::sys::path::parent_path(
      llvm::sys::path::parent_path(llvm::sys::fs::getMainExecutable(
          program, reinterpret_cast<void *>(&defaultName)))));
  llvm::sys::path::append(runtime, "lib");
  options.runtimeFolder = runtime.str();

  if (std::error_code code = llvm::sys::fs::create_directories(folder))
    return llvm::createStringError(folder + ": cannot be made: " +
                                   code.message());
  // Requantized weights live only until they are packed.
  llvm::SmallString<256> requantized(folder);
  llvm::sys::path::append(requantized, options.name + ".requantized.tmp");
  llvm::FileRemover remover(requantized);
  PassManager pm(&context);
  pm.addPass(qt::createQuantizePass({recipe, requantized.str().str()}));
  if (failed(pm.run(**module)))
    return llvm::createStringError("quantizing with recipe '" + recipe +
                                   "' failed");
  return compileModel(**module, options);
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  if (!cl::ParseCommandLineOptions(argc, argv,
                                   "quant-mlir compiler: a model becomes an "
                                   "object, a header and packed weights\n",
                                   &llvm::errs()))
    return 2;
  if (llvm::Error error = run(argv[0])) {
    llvm::WithColor::error(llvm::errs(), "quantc")
        << llvm::toString(std::move(error)) << "\n";
    return 1;
  }
  return 0;
}
