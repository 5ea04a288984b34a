// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "quant-mlir/Dialect/QT/IR/QTAttrBase.td"

def QT_Q5_KAttr : QT_SchemeAttr<"Q5_K", "q5_K"> {
  let summary = "GGUF's Q5_K: blocks of 256 values in 176 bytes";
  let description = [{
    Scales and minimums are q4_K's; 32 bytes with the top bits of the codes, bit g
    of byte l that of value l of group g, then low nibbles like q4_K's codes.
    Rows are whole numbers of blocks. One storage part: the blocks, i8
    [N, K / 256, 176], as they stand in a GGUF file.
  }];
  let assemblyFormat = "";
}
