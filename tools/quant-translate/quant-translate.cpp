// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "FirstError.h"
#include "ReadModel.h"
#include "Tool.h"
#include "mlir/IR/MLIRContext.h"
#include "quant-mlir/Export/ExportGGUF.h"
#include "quant-mlir/Import/ImportModel.h"
#include "quant-mlir/Pipelines/Pipelines.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace quantmlir;
namespace cl = llvm::cl;

static cl::OptionCategory category("quant-translate options");
static cl::opt<std::string> gguf("import-gguf", cl::value_desc("FILE"),
                                 cl::desc("read a GGUF file"),
                                 cl::cat(category));
static cl::opt<std::string> hf("import-hf", cl::value_desc("DIR"),
                               cl::desc("read a Hugging Face folder"),
                               cl::cat(category));
static cl::opt<std::string>
    exported("export-gguf", cl::value_desc("FILE.mlir"),
             cl::desc("write a module, which was a GGUF file, as one"),
             cl::cat(category));
static cl::opt<std::string>
    output("o", cl::init("-"), cl::value_desc("FILE"),
           cl::desc("where to write the module or the GGUF file"),
           cl::cat(category));

static llvm::Error run() {
  DialectRegistry registry;
  registerAllDialects(registry);
  MLIRContext context(registry);
  StringRef input = !gguf.empty() ? gguf : !hf.empty() ? hf : exported;
  FirstError diagnostics(&context, input);
  llvm::Expected<OwningOpRef<ModuleOp>> module =
      !gguf.empty() ? importGGUF(gguf, &context)
      : !hf.empty() ? importHF(hf, &context)
                    : readModel(exported, &context);
  if (!module)
    return diagnostics.explain(module.takeError());
  if (!exported.empty())
    return diagnostics.explain(exportGGUF(**module, output));
  llvm::Error error = llvm::writeToOutput(output, [&](llvm::raw_ostream &os) {
    (*module)->print(os);
    os << "\n";
    return llvm::Error::success();
  });
  if (error)
    return llvm::createStringError(
        output + ": cannot be written: " + llvm::toString(std::move(error)));
  return diagnostics.explain(llvm::Error::success());
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  if (!parseOptions(argc, argv, "Reads models as MLIR, and writes them\n"))
    return 2;
  if (!gguf.empty() + !hf.empty() + !exported.empty() != 1)
    return usageError("quant-translate", "one of --import-gguf, --import-hf "
                                         "and --export-gguf is needed");
  if (!exported.empty() && output == "-")
    return usageError("quant-translate", "--export-gguf needs -o FILE.gguf");
  return finish("quant-translate", run());
}
