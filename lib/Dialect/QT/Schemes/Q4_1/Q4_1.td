// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "quant-mlir/Dialect/QT/IR/QTAttrBase.td"

def QT_Q4_1Attr : QT_SchemeAttr<"Q4_1", "q4_1"> {
  let summary = "GGUF's Q4_1: blocks of 32 values in 20 bytes";
  let description = [{
    value = scale * code + minimum; f16 scale, f16 minimum, then 16 bytes of codes in q4_0's order.
    Rows are whole numbers of blocks. One storage part: the blocks, i8
    [N, K / 32, 20], as they stand in a GGUF file.
  }];
  let assemblyFormat = "";
}
