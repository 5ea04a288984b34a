// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "quant-mlir/Dialect/QT/IR/QTAttrBase.td"

def QT_IntAttr : QT_SchemeAttr<"Int", "int", ["emitQuantize", "makeGrid",
                                         "getRowsPerScale", "storeCodes"]> {
  let summary = "Uniform integers of 2 to 8 bits";
  let description = [{
    `#qt.int<BITS, GRANULARITY[, scale = TYPE][, zero = iBITS]>`

    GRANULARITY says which values share a scale: `tensor` (all; for an
    activation computed when the program runs or given to `qt.quantize`),
    `channel` (a row of a weight), `token` (a row of an activation, computed when the program runs) or
    `group = G` (G values along a row; the last group of a row may be shorter).
    `scale` is f32 (the default), f16 or bf16.

    Without `zero` codes are signed and value = scale * code. With it codes are
    unsigned and value = scale * (code - zero), the zero point being an integer
    of the same width.

    Storage parts: `codes` i8 [N, K], one code a byte; `scales` [N, groups];
    with zero points `zeros` i8 (unsigned) [N, groups].

    ```mlir
    #qt.int<8, channel>
    #qt.int<4, group = 128, scale = f16, zero = i4>
    #qt.int<8, token>
    ```
  }];
  let parameters = (ins "unsigned":$bits,
                        "::quantmlir::IntFormat::Granularity":$granularity,
                        "int64_t":$group, "::mlir::FloatType":$scaleType,
                        "bool":$asymmetric);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}
