// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "quant-mlir/Dialect/QT/IR/QTAttrBase.td"

def QT_Q8_0Attr : QT_SchemeAttr<"Q8_0", "q8_0"> {
  let summary = "GGUF's Q8_0: blocks of 32 values in 34 bytes";
  let description = [{
    value = scale * code; f16 scale, then 32 signed bytes.
    Rows are whole numbers of blocks. One storage part: the blocks, i8
    [N, K / 32, 34], as they stand in a GGUF file.
  }];
  let assemblyFormat = "";
}
