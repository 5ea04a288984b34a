// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/IR/DialectRegistry.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "quant-mlir/Dialect/Kernel/IR/Kernel.h"
#include "quant-mlir/Dialect/LM/Transforms/Passes.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  mlir::registerAllPasses();
  quantmlir::qt::registerQTPasses();
  quantmlir::lm::registerLMPasses();
  registry.insert<quantmlir::qt::QTDialect, quantmlir::lm::LMDialect,
                  quantmlir::kernel::KernelDialect>();
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argc, argv, "quant-mlir optimizer driver\n", registry));
}
