// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "FirstError.h"
#include "ReadModel.h"
#include "Tool.h"
#include "mlir/IR/MLIRContext.h"
#include "quant-mlir/Export/ExportGGUF.h"
#include "quant-mlir/Export/ExportHF.h"
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
static cl::opt<std::string> onnx("import-onnx", cl::value_desc("FILE"),
                                 cl::desc("read an ONNX file"),
                                 cl::cat(category));
static cl::opt<bool>
    onnxOperators("onnx-operators",
                  cl::desc("list the ONNX operators that can be imported"),
                  cl::cat(category));
static cl::opt<std::string>
    exportGguf("export-gguf", cl::value_desc("FILE.mlir"),
               cl::desc("write a module as a GGUF file"), cl::cat(category));
static cl::opt<std::string>
    exportHf("export-hf", cl::value_desc("FILE.mlir"),
             cl::desc("write a quantized module, which was a Hugging Face "
                      "folder, as one"),
             cl::cat(category));
static cl::opt<std::string>
    format("format", cl::init("compressed-tensors"), cl::value_desc("NAME"),
           cl::desc("of --export-hf: compressed-tensors (the default), gptq or "
                    "gptq_v2"),
           cl::cat(category));
static cl::opt<std::string>
    output("o", cl::init("-"), cl::value_desc("FILE|DIR"),
           cl::desc("where to write the module, the GGUF file or the folder"),
           cl::cat(category));

static llvm::Error printModule(ModuleOp module) {
  llvm::Error error = llvm::writeToOutput(output, [&](llvm::raw_ostream &os) {
    module->print(os);
    os << "\n";
    return llvm::Error::success();
  });
  if (error)
    return llvm::createStringError(
        output + ": cannot be written: " + llvm::toString(std::move(error)));
  return llvm::Error::success();
}

static llvm::Error writeFolder(ModuleOp module) {
  llvm::Expected<OutputFolder> folder = OutputFolder::create(output);
  if (!folder)
    return folder.takeError();
  return exportHF(module, *CheckpointEncoder::create(format), *folder);
}

static llvm::Error run(StringRef input) {
  DialectRegistry registry;
  registerAllDialects(registry);
  MLIRContext context(registry);
  FirstError diagnostics(&context, input);
  llvm::Expected<OwningOpRef<ModuleOp>> module =
      !gguf.empty()   ? importGGUF(input, &context)
      : !hf.empty()   ? importHF(input, &context)
      : !onnx.empty() ? importONNX(input, &context)
                      : readModel(input, &context);
  if (!module)
    return diagnostics.explain(module.takeError());
  return diagnostics.explain(!exportGguf.empty() ? exportGGUF(**module, output)
                             : !exportHf.empty() ? writeFolder(**module)
                                                 : printModule(**module));
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  if (!parseOptions(argc, argv, "Reads models as MLIR, and writes them\n"))
    return 2;
  if (onnxOperators) {
    for (const std::string &name : listONNXOperators())
      llvm::outs() << name << "\n";
    return 0;
  }
  SmallVector<StringRef> inputs;
  for (const std::string *one :
       {&gguf.getValue(), &hf.getValue(), &onnx.getValue(),
        &exportGguf.getValue(), &exportHf.getValue()})
    if (!one->empty())
      inputs.push_back(*one);
  if (inputs.size() != 1)
    return usageError("quant-translate",
                      "one of --import-gguf, --import-hf, --import-onnx, "
                      "--export-gguf and --export-hf is needed");
  if (output == "-" && !exportGguf.empty())
    return usageError("quant-translate", "--export-gguf needs -o FILE.gguf");
  if (output == "-" && !exportHf.empty())
    return usageError("quant-translate", "--export-hf needs -o DIR");
  if (!CheckpointEncoder::create(format))
    return usageError("quant-translate", "--format '" + format +
                                             "' is none of " +
                                             CheckpointEncoder::names());
  return finish("quant-translate", run(inputs.front()));
}
