// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ReadModel.h"
#include "mlir/Parser/Parser.h"
#include "quant-mlir/Import/ImportModel.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;

llvm::Expected<OwningOpRef<ModuleOp>>
quantmlir::readModel(StringRef path, MLIRContext *context) {
  if (llvm::sys::fs::is_directory(path))
    return importHF(path, context);
  if (path.ends_with(".mlir")) {
    OwningOpRef<ModuleOp> module =
        parseSourceFile<ModuleOp>(path, ParserConfig(context));
    if (!module)
      return llvm::createStringError(path + ": not a valid module");
    return std::move(module);
  }
  if (path.ends_with_insensitive(".onnx"))
    return importONNX(path, context);
  return importGGUF(path, context);
}
