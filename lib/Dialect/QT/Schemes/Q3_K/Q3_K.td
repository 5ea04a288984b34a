// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "quant-mlir/Dialect/QT/IR/QTAttrBase.td"

def QT_Q3_KAttr : QT_SchemeAttr<"Q3_K", "q3_K"> {
  let summary = "GGUF's Q3_K: blocks of 256 values in 110 bytes";
  let description = [{
    value = scale * (code - 4), for each 16 values scale = d * (6 bits - 32); 32
    bytes with the top bits of the codes, 64 bytes with the two low ones as in
    q2_K, 12 bytes with the 16 scales, then f16 d.
    Rows are whole numbers of blocks. One storage part: the blocks, i8
    [N, K / 256, 110], as they stand in a GGUF file.
  }];
  let assemblyFormat = "";
}
