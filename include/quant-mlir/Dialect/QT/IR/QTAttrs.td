// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_IR_QTATTRS_TD
#define QUANT_MLIR_DIALECT_QT_IR_QTATTRS_TD

include "mlir/IR/EnumAttr.td"
include "quant-mlir/Dialect/QT/IR/QTAttrBase.td"

def QT_PanelsAttr : QT_Attr<"Panels", "panels"> {
  let summary = "Weights in panels of rows, interleaved for vector registers";
  let description = [{
    The layout of a weight [N, K] for kernels. Rows are cut into panels of
    `lanes * vectors` rows, the last one padded. A panel is a sequence of K
    groups; a group holds its codes, then its scales, then its minimums, so that
    a kernel reads one stream. Codes of `lanes` rows share a register: lane `n`
    holds `depth` consecutive values of row `n` (4 bytes for integer dot
    products, 2 numbers for those of bf16, 1 otherwise). Codes narrower than a byte are split into bit
    planes of 4, 2 and 1 bits; see `CodeGen/Kernel/PanelLayout.h` for the map.

    `group` is the number of K values per group; K is padded to a multiple.
  }];
  let parameters = (ins "int64_t":$lanes, "int64_t":$vectors, "int64_t":$depth,
                        "int64_t":$group);
  let assemblyFormat = "`<` struct(params) `>`";
}

def QT_RowsAttr : QT_Attr<"Rows", "rows"> {
  let summary = "Activations in rows, with a scale and a sum per group";
  let description = [{
    The layout of a dynamically quantized activation [M, K]: int8 codes
    row-major with K padded by zeros to `stride` bytes, a float scale for every
    `group` values and the sum of the codes of every `sums` values (what a
    weight with an offset or a minimum multiplies). `sums = 0` stands for rounded
    values, kept as f32 rows of K: of 8-bit floats, or for `qt.dequantize`.
  }];
  let parameters = (ins "int64_t":$stride, "int64_t":$group, "int64_t":$sums);
  let assemblyFormat = "`<` struct(params) `>`";
}

def QT_PairsAttr : QT_Attr<"Pairs", "pairs"> {
  let summary = "Activations in rows of 16-bit floats, a scale per group";
  let description = [{
    The layout of an activation [M, K] for products of 16-bit floats: the numbers
    of a scheme of floats, as f16 if that is their type, else as bf16, which
    holds them exactly, before their scales, row-major with K padded by zeros to
    `stride` bytes; a float scale for every `group` values if the scheme has
    scales, else `group` is 0.
  }];
  let parameters = (ins "int64_t":$stride, "int64_t":$group);
  let assemblyFormat = "`<` struct(params) `>`";
}

def QT_BytesAttr : QT_Attr<"Bytes", "bytes"> {
  let summary = "Activations in rows of 8-bit floats, a scale per group";
  let description = [{
    The layout of an activation [M, K] for products of 8-bit floats: the numbers
    of its scheme, row-major with K padded by zeros to `stride` bytes, and a
    float scale for every `group` values.
  }];
  let parameters = (ins "int64_t":$stride, "int64_t":$group);
  let assemblyFormat = "`<` struct(params) `>`";
}

def QT_StatisticsAttr : I32BitEnumAttr<"Statistics", "What qt.observe computes", [
    I32BitEnumAttrCaseBit<"Range", 0, "range">,
    I32BitEnumAttrCaseBit<"Sum", 1, "sum">,
    I32BitEnumAttrCaseBit<"SumAbs", 2, "sum_abs">,
    I32BitEnumAttrCaseBit<"Gram", 3, "gram">,
    I32BitEnumAttrCaseBit<"Histogram", 4, "histogram">]> {
  let cppNamespace = "::quantmlir::qt";
}

#endif // QUANT_MLIR_DIALECT_QT_IR_QTATTRS_TD
