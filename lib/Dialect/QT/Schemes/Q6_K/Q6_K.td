// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "quant-mlir/Dialect/QT/IR/QTAttrBase.td"

def QT_Q6_KAttr : QT_SchemeAttr<"Q6_K", "q6_K"> {
  let summary = "GGUF's Q6_K: blocks of 256 values in 210 bytes";
  let description = [{
    value = scale * (code - 32), for each 16 values scale = d * a signed byte; for
    each 128 values low nibbles in 64 bytes, then for each 128 the two top bits in
    32 bytes, then the 16 bytes of the scales, then f16 d.
    Rows are whole numbers of blocks. One storage part: the blocks, i8
    [N, K / 256, 210], as they stand in a GGUF file.
  }];
  let assemblyFormat = "";
}
