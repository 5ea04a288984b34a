// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "quant-mlir/Dialect/QT/IR/QTAttrBase.td"

def QT_Q5_0Attr : QT_SchemeAttr<"Q5_0", "q5_0"> {
  let summary = "GGUF's Q5_0: blocks of 32 values in 22 bytes";
  let description = [{
    value = scale * (code - 16); f16 scale, the top bits of the codes (bit j of a
    u32), then 16 bytes with their low nibbles in q4_0's order.
    Rows are whole numbers of blocks. One storage part: the blocks, i8
    [N, K / 32, 22], as they stand in a GGUF file.
  }];
  let assemblyFormat = "";
}
