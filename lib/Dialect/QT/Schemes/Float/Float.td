// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "quant-mlir/Dialect/QT/IR/QTAttrBase.td"

def QT_FloatSchemeAttr : QT_SchemeAttr<"FloatScheme", "float", ["emitQuantize"]> {
  let summary = "Plain floats, possibly narrower than the logical type";
  let description = [{
    `#qt.float<f32>`, `#qt.float<f16>`, `#qt.float<bf16>`: every value rounded to
    the type, to nearest even. One storage part.
  }];
  let parameters = (ins "::mlir::FloatType":$type);
  let assemblyFormat = "`<` $type `>`";
  let genVerifyDecl = 1;
}
