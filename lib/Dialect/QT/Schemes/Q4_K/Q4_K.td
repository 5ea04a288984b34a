// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "quant-mlir/Dialect/QT/IR/QTAttrBase.td"

def QT_Q4_KAttr : QT_SchemeAttr<"Q4_K", "q4_K"> {
  let summary = "GGUF's Q4_K: blocks of 256 values in 144 bytes";
  let description = [{
    value = scale * code - minimum, for each 32 values scale = d * 6 bits and
    minimum = dmin * 6 bits; f16 d, f16 dmin, 12 bytes with the eight pairs of 6
    bits, then the codes, those of 64 values in 32 bytes: the first half of them
    in the low nibbles.
    Rows are whole numbers of blocks. One storage part: the blocks, i8
    [N, K / 256, 144], as they stand in a GGUF file.
  }];
  let assemblyFormat = "";
}
