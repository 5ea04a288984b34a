// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "quant-mlir/Dialect/QT/IR/QTAttrBase.td"

def QT_Q4_0Attr : QT_SchemeAttr<"Q4_0", "q4_0"> {
  let summary = "GGUF's Q4_0: blocks of 32 values in 18 bytes";
  let description = [{
    value = scale * (code - 8); f16 scale, then 16 bytes of codes, element j < 16 in the low nibble of byte j.
    Rows are whole numbers of blocks. One storage part: the blocks, i8
    [N, K / 32, 18], as they stand in a GGUF file.
  }];
  let assemblyFormat = "";
}
