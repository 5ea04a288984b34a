// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include "quant-mlir/Dialect/QT/IR/QTAttrBase.td"

def QT_FloatSchemeAttr : QT_SchemeAttr<"FloatScheme", "float",
                                       ["decodeLane", "emitQuantize", "makeGrid",
                                        "getRowsPerScale", "storeCodes"]> {
  let summary = "Floats: plain ones of 16 and 32 bits, scaled ones of 8 and 4";
  let description = [{
    `#qt.float<f32>`, `#qt.float<f16>`, `#qt.float<bf16>`: every value rounded to
    the type, to nearest even. One storage part.

    `#qt.float<TYPE, GRANULARITY[, scale = T]>` with TYPE `f8E4M3FN`, `f8E5M2` or
    `f4E2M1FN`: value = scale * code, rounded to nearest even, saturating.
    GRANULARITY says which values share a scale: `tensor`, `channel` (a row of a
    weight), `token` (a row of an activation), `group = G` (G values along a row)
    or `block = RxC` (R rows, C columns); what is last may be smaller. T is

    - f32 (the default), f16, bf16: scale = absmax / largest number of TYPE;
    - f8E8M0FNU: powers of two, the OCP MX formats. From 1.75 * 2^e on a block
      gets the scale of 2^(e+1);
    - f8E4M3FN: NVFP4's scales of scales. value = scale / global * code with one
      f32 for the tensor, global = 448 * largest / absmax.

    Codes and scales are those of compressed-tensors. As an activation's scheme
    (`token`, `tensor`, `group`, with f32 scales, or plain bf16) values are
    rounded when the program runs; CPU kernels keep them as f32, or as pairs of
    bf16 where the target multiplies such.

    E2M1 numbers are halves, so kernels multiply them as integers. 8-bit floats
    are decoded to f32 or bf16 in registers, exactly.

    Storage parts: `codes`, of TYPE (f4: i8, one a byte) [N, K]; `scales` [N, groups],
    [ceil(N / R), ceil(K / C)] or [1]; with f8E4M3FN scales `global` f32 [1].

    ```mlir
    #qt.float<f8E4M3FN, channel>
    #qt.float<f8E4M3FN, block = 128x128>
    #qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU>    // MXFP4
    #qt.float<f8E4M3FN, group = 32, scale = f8E8M0FNU>    // MXFP8
    #qt.float<f4E2M1FN, group = 16, scale = f8E4M3FN>     // NVFP4
    ```
  }];
  let parameters = (ins "::mlir::FloatType":$type,
                        "::quantmlir::ScaledFloatFormat::Granularity":$granularity,
                        "int64_t":$rows, "int64_t":$columns,
                        "::mlir::FloatType":$scaleType);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}
