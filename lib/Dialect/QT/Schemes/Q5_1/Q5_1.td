// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "quant-mlir/Dialect/QT/IR/QTAttrBase.td"

def QT_Q5_1Attr : QT_SchemeAttr<"Q5_1", "q5_1"> {
  let summary = "GGUF's Q5_1: blocks of 32 values in 24 bytes";
  let description = [{
    value = scale * code + minimum; f16 scale, f16 minimum, then codes as in q5_0.
    Rows are whole numbers of blocks. One storage part: the blocks, i8
    [N, K / 32, 24], as they stand in a GGUF file.
  }];
  let assemblyFormat = "";
}
