// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "quant-mlir/Dialect/QT/IR/QTAttrBase.td"

def QT_IQ4_NLAttr : QT_SchemeAttr<"IQ4_NL", "iq4_nl", ["decodeLane"]> {
  let summary = "GGUF's IQ4_NL: blocks of 32 values in 18 bytes";
  let description = [{
    value = scale * table[code]; f16 scale, then 16 bytes of codes in q4_0's order.
    The table has 16 integers from -127 to 113, which lie closer around 0.
    Rows are whole numbers of blocks. One storage part: the blocks, i8
    [N, K / 32, 18], as they stand in a GGUF file.
  }];
  let assemblyFormat = "";
}
