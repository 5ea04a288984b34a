// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_IR_QTWEIGHEDSCHEME_TD
#define QUANT_MLIR_DIALECT_QT_IR_QTWEIGHEDSCHEME_TD

include "mlir/IR/OpBase.td"

def WeighedSchemeInterface : AttrInterface<"WeighedSchemeInterface"> {
  let cppNamespace = "::quantmlir::qt";
  let description = [{
    A number format that is also a `QuantSchemeInterface`, and whose rounding can
    let some columns count more than others. Formats with a `makeGrid` have no
    need of it: algorithms choose their codes.
  }];
  let methods = [
    InterfaceMethod<[{
        `quantizeMatrix`, where the squared error of each column counts as much
        as its `importance` says, [K]; all the same if that is empty.
      }], "::llvm::Error", "quantizeWeighed",
      (ins "::llvm::ArrayRef<float>":$values, "int64_t":$n, "int64_t":$k,
           "::llvm::ArrayRef<float>":$importance,
           "::llvm::MutableArrayRef<std::vector<uint8_t>>":$parts)>,
  ];
}

#endif // QUANT_MLIR_DIALECT_QT_IR_QTWEIGHEDSCHEME_TD
