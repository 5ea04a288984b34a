// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "quant-mlir/Dialect/QT/IR/QTAttrBase.td"

def QT_Q2_KAttr : QT_SchemeAttr<"Q2_K", "q2_K"> {
  let summary = "GGUF's Q2_K: blocks of 256 values in 84 bytes";
  let description = [{
    value = scale * code - minimum, for each 16 values scale = d * 4 bits and
    minimum = dmin * 4 bits; 16 bytes with these pairs, the codes, those of 128
    values in 32 bytes, then f16 d, f16 dmin.
    Rows are whole numbers of blocks. One storage part: the blocks, i8
    [N, K / 256, 84], as they stand in a GGUF file.
  }];
  let assemblyFormat = "";
}
