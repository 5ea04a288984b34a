// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "quant-mlir/Dialect/QT/IR/QTAttrBase.td"

def QT_CodebookAttr : QT_SchemeAttr<"CodebookScheme", "codebook",
                                    ["decodeLane", "makeGrid", "storeCodes"]> {
  let summary = "4-bit codebooks: NF4 and FP4 of bitsandbytes";
  let description = [{
    `#qt.codebook<TABLE, group = G[, nested = B]>`

    value = absmax * table[code], with an f32 absmax for G values of a row (the
    last group of a row may be shorter). TABLE is `nf4`, 16 quantiles of a normal
    distribution, or `fp4`, the floats 0, 1/192, 1/6, 1/4, 1/3, 1/2, 2/3, 1 and
    their negatives. Codes and absmax are bitsandbytes', bit by bit. (It counts
    blocks over the flattened tensor: the same where G divides the row.)

    `nested = B` is its double quantization: absmax is stored in 8 bits,
    absmax = map[code] * scale of a block of B + offset, the blocks of scales
    running over the whole tensor.

    Integer kernels multiply table entries rounded to 1/127 (nf4) or 1/120 (fp4):
    a weight is off by at most absmax / 254. Everything else is exact:
    `qt.dequantize`, lookups, products with float activations.

    Storage parts: `codes` i8 [N, K], one a byte; `scales` f32 [N, groups]; nested
    `scales` i8, `nested_scales` f32 [ceil(N * groups / B)], `nested_map` f32 [256]
    and `nested_offset` f32 [1].

    ```mlir
    #qt.codebook<nf4, group = 64>
    #qt.codebook<fp4, group = 128, nested = 256>
    ```
  }];
  let parameters = (ins "::quantmlir::Codebook":$table, "int64_t":$group,
                        "int64_t":$nested);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}
