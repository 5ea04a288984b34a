// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_KERNEL_IR_KERNELOPS_TD
#define QUANT_MLIR_DIALECT_KERNEL_IR_KERNELOPS_TD

include "mlir/IR/DialectBase.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "quant-mlir/Dialect/LM/IR/LMDialect.td"
include "quant-mlir/Dialect/QT/IR/QTTypes.td"

def Kernel_Dialect : Dialect {
  let name = "kernel";
  let summary = "One op per kernel, on buffers, before it becomes loops";
  let description = [{
    The inside of code generation. `--convert-to-kernel` turns `lm` and `qt` ops
    on tensors into these, which read and write buffers; the memory effects of
    their operands are all that the passes in between need to know. They plan
    the workspace, decide where threads have to wait for each other
    (`kernel.barrier`) and finally expand each op into a function of loops over
    vectors, once for all ops that are alike.

    Weights are read from one buffer of bytes at an offset, so that the layers of
    a model share their kernels.
  }];
  let cppNamespace = "::quantmlir::kernel";
  let dependentDialects = [
    "::quantmlir::lm::LMDialect", "::quantmlir::qt::QTDialect",
    "::mlir::memref::MemRefDialect"
  ];
  let extraClassDeclaration = [{
    /// On a function argument: what the runtime passes there ("weights",
    /// "cache", "workspace", "thread_id", "thread_count", "barrier"; absent for
    /// the model's own inputs).
    static constexpr llvm::StringLiteral roleAttrName = "kernel.role";
    /// On a function: the bytes of workspace it needs.
    static constexpr llvm::StringLiteral workspaceAttrName = "kernel.workspace_bytes";
    /// On a function: the bound of its dynamic dimensions (tokens per call).
    static constexpr llvm::StringLiteral batchAttrName = "kernel.batch";
  }];
}

def KernelOpInterface : OpInterface<"KernelOpInterface"> {
  let cppNamespace = "::quantmlir::kernel";
  let description = [{
    A kernel: it reads and writes buffers, as its operands' memory effects say,
    and is run by all threads together.
  }];
  let methods = [
    InterfaceMethod<[{
        True if work is split by rows (dimension 0 of every written buffer) and
        row r is made from rows r of the buffers that other row-local kernels
        write. Such kernels need not wait for each other.
      }], "bool", "isRowLocal", (ins), [{}], [{ return false; }]>,
  ];
}

defvar mostTileRows = 64;

def MatmulOpInterface : OpInterface<"MatmulOpInterface"> {
  let cppNamespace = "::quantmlir::kernel";
  let description = [{
    A product with a packed weight. How many of its rows share what a tile of
    registers has decoded is a choice, `rows`, which `--cpu-choose-tiles`
    writes down.
  }];
  let methods = [
    InterfaceMethod<"The weight.", "::quantmlir::qt::QuantTensorType", "getType">,
    InterfaceMethod<"Where the rows of each weight start, or null for one weight.",
                    "::mlir::TypedValue<::mlir::MemRefType>", "getExperts">,
    InterfaceMethod<"Where the result goes.", "::mlir::TypedValue<::mlir::MemRefType>", "getOut">,
    InterfaceMethod<"The rows of a tile, once they are chosen.",
                    "std::optional<uint64_t>", "getRows">,
    InterfaceMethod<"", "void", "setRows", (ins "std::optional<uint64_t>":$rows)>,
  ];
  let extraClassDeclaration = !strconcat([{
    /// The most rows that a tile can be told to have.
    static constexpr int64_t mostRows = }], !cast<string>(mostTileRows), ";");
}

def TileRowsAttr
    : ConfinedAttr<I64Attr, [IntMinValue<1>, IntMaxValue<mostTileRows>]>;

class Kernel_Op<string mnemonic, list<Trait> traits = []>
    : Op<Kernel_Dialect, mnemonic,
         traits # [DeclareOpInterfaceMethods<KernelOpInterface>]>;

class RowLocalKernel_Op<string mnemonic, list<Trait> traits = []>
    : Op<Kernel_Dialect, mnemonic,
         traits # [DeclareOpInterfaceMethods<KernelOpInterface, ["isRowLocal"]>]> {
  let extraClassDefinition = [{
    bool $cppClass::isRowLocal() { return true; }
  }];
}

class Reads<TypeConstraint type> : Arg<type, "", [MemRead]>;
class Writes<TypeConstraint type> : Arg<type, "", [MemWrite]>;

def CacheBuffer : MemRefOf<[AnyFloat, I8]>;
def F32Buffer : MemRefOf<[F32]>;
def I32Buffer : MemRefOf<[I32]>;
def ByteBuffer : MemRefRankOf<[I8], [1]>;
def IdBuffer : MemRefOf<[AnySignlessInteger]>;

def Kernel_BarrierOp : Op<Kernel_Dialect, "barrier", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Waits until all threads have come here";
  let description = [{
    ```mlir
    kernel.barrier
    ```
  }];
  let assemblyFormat = "attr-dict";
}

/// What makes rows of an activation. It is local to rows unless one scale is
/// computed from all of them, which every thread then does for itself.
class ActivationKernel_Op<string mnemonic>
    : Op<Kernel_Dialect, mnemonic,
         [AttrSizedOperandSegments,
          DeclareOpInterfaceMethods<KernelOpInterface, ["isRowLocal"]>]> {
  let extraClassDefinition = [{
    bool $cppClass::isRowLocal() { return !getPerTensor(); }
  }];
}

def Kernel_QuantizeOp : ActivationKernel_Op<"quantize"> {
  let summary = "Rounds rows of floats to int8 with a scale per group";
  let description = [{
    `scales[m][g] = absmax / 127` of `group` values of row m, codes are rounded to
    the nearest integer, halves to even, and packed four to an i32 word, element
    k in byte k % 4 of word k / 4; words past the row are zero. `sums[m][s]` is
    the sum of the codes of `sumGroup` values.

    `by` multiplies every row by a vector first. `scale` [1] replaces the scales;
    codes then saturate at -127 and 127. With `perTensor` one absmax of all rows
    makes them.

    ```mlir
    kernel.quantize %x into %codes, %scales, %sums {group = 32, sumGroup = 32}
        : memref<?x576xf32>, memref<?x144xi32>, memref<?x18xf32>, memref<?x18xi32>
    ```
  }];
  let arguments = (ins Reads<F32Buffer>:$x, Reads<Optional<F32Buffer>>:$multiplier,
                       Reads<Optional<F32Buffer>>:$scale, Writes<I32Buffer>:$codes,
                       Writes<F32Buffer>:$scales, Writes<I32Buffer>:$sums,
                       I64Attr:$group, I64Attr:$sumGroup, UnitAttr:$perTensor);
  let assemblyFormat = [{
    $x (`by` $multiplier^)? (`scale` $scale^)? `into` $codes `,` $scales `,` $sums
    attr-dict `:` type(operands)
  }];
}

def Kernel_RoundOp : ActivationKernel_Op<"round"> {
  let summary = "Rounds rows of floats to 8 bits with a scale per group";
  let description = [{
    `out = scale * rounded(x / scale)`, as f32: to the nearest number of `type`
    (f8E4M3FN, f8E5M2, bf16 or i8 from -127 to 127), halves to even, saturating.
    `scale = absmax / largest` of `group` values of a row; 1 for bf16. `by`,
    `scale` and `perTensor` as `kernel.quantize`.

    ```mlir
    kernel.round %x into %y {type = f8E4M3FN, group = 128}
        : memref<?x576xf32>, memref<?x576xf32>
    ```
  }];
  let arguments = (ins Reads<F32Buffer>:$x, Reads<Optional<F32Buffer>>:$multiplier,
                       Reads<Optional<F32Buffer>>:$scale, Writes<F32Buffer>:$out,
                       TypeAttr:$type, I64Attr:$group, UnitAttr:$perTensor);
  let assemblyFormat = [{
    $x (`by` $multiplier^)? (`scale` $scale^)? `into` $out attr-dict `:`
    type(operands)
  }];
}

def Kernel_EncodeOp : ActivationKernel_Op<"encode"> {
  let summary = "Rounds rows of floats to smaller ones, and scales";
  let description = [{
    What `kernel.round` does, with numbers and scales apart: `codes` are
    `rounded(x / scale)` as bf16, two to an i32 word, element k in half k % 2 of
    word k / 2; with `bytes` as `type` itself, four to a word. What is past the
    row is zero. `scales[m][g]` is there unless `type` is bf16 or f16, which is
    stored as it is, saturating.

    ```mlir
    kernel.encode %x into %codes scales %scales {type = f8E4M3FN, group = 128}
        : memref<?x576xf32>, memref<?x304xi32>, memref<?x5xf32>
    ```
  }];
  let arguments = (ins Reads<F32Buffer>:$x, Reads<Optional<F32Buffer>>:$multiplier,
                       Reads<Optional<F32Buffer>>:$scale, Writes<I32Buffer>:$codes,
                       Writes<Optional<F32Buffer>>:$scales, TypeAttr:$type,
                       I64Attr:$group, UnitAttr:$perTensor, UnitAttr:$bytes);
  let assemblyFormat = [{
    $x (`by` $multiplier^)? (`scale` $scale^)? `into` $codes (`scales` $scales^)?
    attr-dict `:` type(operands)
  }];
}

def Kernel_SplitOutliersOp : Kernel_Op<"split_outliers"> {
  let summary = "`qt.split_outliers` on buffers";
  let description = [{
    Besides the two halves, `columns` [K / 4] says of four columns each whether
    one of them has outliers: not 0 if so.

    Split over columns.
  }];
  let arguments = (ins Reads<F32Buffer>:$x, Writes<F32Buffer>:$inliers,
                       Writes<F32Buffer>:$outliers, Writes<I32Buffer>:$columns,
                       F64Attr:$threshold, UnitAttr:$perToken);
  let assemblyFormat = [{
    $x `into` $inliers `,` $outliers `,` $columns attr-dict `:` type(operands)
  }];
}

def Kernel_MatmulIntOp : Kernel_Op<"matmul_int", [AttrSizedOperandSegments, MatmulOpInterface]> {
  let summary = "int8 activations times packed integer weights";
  let description = [{
    `out[m][n] = sum_k x[m][k] * w[n][k] (+ bias[n]) (+ residual[m][n])` with x as
    `kernel.quantize` leaves it and w in panels at byte `offset` of `weights`.
    `group` is the number of values per activation scale, `rows` the number of
    rows that a register tile covers (written by `--cpu-choose-tiles`).

    With `experts` [E + 1] there are E weights of that type, one behind the
    other, and rows experts[e] to experts[e + 1] meet number e.

    Split over panels.
  }];
  let arguments = (ins Reads<I32Buffer>:$codes, Reads<F32Buffer>:$scales,
                       Reads<I32Buffer>:$sums, Reads<ByteBuffer>:$weights,
                       Index:$offset, Reads<Optional<F32Buffer>>:$bias,
                       Reads<Optional<F32Buffer>>:$residual,
                       Reads<Optional<I32Buffer>>:$experts,
                       Writes<F32Buffer>:$out, TypeAttrOf<QT_TensorType>:$type,
                       I64Attr:$group, OptionalAttr<TileRowsAttr>:$rows);
  let assemblyFormat = [{
    $codes `,` $scales `,` $sums `,` $weights `[` $offset `]` (`bias` $bias^)?
    (`residual` $residual^)? (`experts` $experts^)? `into` $out
    attr-dict `:` type(operands)
  }];
}

def Kernel_MatmulBF16Op : Kernel_Op<"matmul_bf16", [AttrSizedOperandSegments, MatmulOpInterface]> {
  let summary = "bf16 activations times packed float weights by bf16 dot products";
  let description = [{
    As `kernel.matmul_int`, with x as `kernel.encode` leaves it and a weight of
    bf16 or 8-bit floats in panels of depth 2. Products are exact and summed in
    f32.

    Split over panels.
  }];
  let arguments = (ins Reads<I32Buffer>:$codes, Reads<Optional<F32Buffer>>:$scales,
                       Reads<ByteBuffer>:$weights, Index:$offset,
                       Reads<Optional<F32Buffer>>:$bias,
                       Reads<Optional<F32Buffer>>:$residual,
                       Reads<Optional<I32Buffer>>:$experts,
                       Writes<F32Buffer>:$out, TypeAttrOf<QT_TensorType>:$type,
                       I64Attr:$group, OptionalAttr<TileRowsAttr>:$rows);
  let assemblyFormat = [{
    $codes (`scales` $scales^)? `,` $weights `[` $offset `]` (`bias` $bias^)?
    (`residual` $residual^)? (`experts` $experts^)? `into` $out
    attr-dict `:` type(operands)
  }];
}

def Kernel_MatmulFloat8Op : Kernel_Op<"matmul_float8", [AttrSizedOperandSegments, MatmulOpInterface]> {
  let summary = "8-bit float activations times packed 8-bit floats";
  let description = [{
    As `kernel.matmul_int`, with x as `kernel.encode` leaves it with `bytes` and
    `type = codes`, and a weight of 8-bit floats. Products are exact; how they
    are summed up to `group` is the machine's: in f32, or on tensor cores with
    what precision these have.

    Split over panels.

    ```mlir
    kernel.matmul_float8 %codes scales %scales, %weights[%offset] into %out
        {codes = f8E4M3FN, group = 128, type = !qt.tensor<64x256xf32, #qt.float<f8E4M3FN, channel>>}
        : memref<?x64xi32>, memref<?x2xf32>, memref<?xi8>, index, memref<?x64xf32>
    ```
  }];
  let arguments = (ins Reads<I32Buffer>:$x, Reads<F32Buffer>:$scales,
                       Reads<ByteBuffer>:$weights, Index:$offset,
                       Reads<Optional<F32Buffer>>:$bias,
                       Reads<Optional<F32Buffer>>:$residual,
                       Reads<Optional<I32Buffer>>:$experts,
                       Writes<F32Buffer>:$out, TypeAttr:$codes,
                       TypeAttrOf<QT_TensorType>:$type, I64Attr:$group,
                       OptionalAttr<TileRowsAttr>:$rows);
  let assemblyFormat = [{
    $x `scales` $scales `,` $weights `[` $offset `]` (`bias` $bias^)?
    (`residual` $residual^)? (`experts` $experts^)? `into` $out
    attr-dict `:` type(operands)
  }];
}

def Kernel_MatmulFloatOp : Kernel_Op<"matmul_float", [AttrSizedOperandSegments, MatmulOpInterface]> {
  let summary = "Float activations times packed weights of any scheme";
  let description = [{
    As `kernel.matmul_int`, with f32 activations, or, of GPUs, with what
    `kernel.encode` leaves of the type `codes`, f16 or bf16; weights are
    dequantized in registers. With `columns`, as `kernel.split_outliers` leaves
    them, words of the weight whose columns have no outliers are not even read.

    ```mlir
    kernel.matmul_float %codes, %weights[%offset] into %out
        {codes = f16, type = !qt.tensor<64x256xf32, #qt.int<4, group = 64>>}
        : memref<?x128xi32>, memref<?xi8>, index, memref<?x64xf32>
    ```
  }];
  let arguments = (ins Reads<MemRefOf<[F32, I32]>>:$x, Reads<Optional<I32Buffer>>:$columns,
                       Reads<ByteBuffer>:$weights,
                       Index:$offset, Reads<Optional<F32Buffer>>:$bias,
                       Reads<Optional<F32Buffer>>:$residual,
                       Reads<Optional<I32Buffer>>:$experts,
                       Writes<F32Buffer>:$out, TypeAttrOf<QT_TensorType>:$type,
                       OptionalAttr<TypeAttr>:$codes,
                       OptionalAttr<TileRowsAttr>:$rows);
  let assemblyFormat = [{
    $x (`columns` $columns^)? `,` $weights `[` $offset `]` (`bias` $bias^)?
    (`residual` $residual^)? (`experts` $experts^)? `into` $out
    attr-dict `:` type(operands)
  }];
  let hasVerifier = 1;
}

def Kernel_GatherOp : RowLocalKernel_Op<"gather"> {
  let summary = "Rows of a packed table";
  let description = [{
    `out[m] = table[ids[m]]`, dequantized, with the table in panels at byte
    `offset` of `weights`.
  }];
  let arguments = (ins Reads<IdBuffer>:$ids, Reads<ByteBuffer>:$weights,
                       Index:$offset, Writes<F32Buffer>:$out,
                       TypeAttrOf<QT_TensorType>:$type);
  let assemblyFormat = [{
    $ids `,` $weights `[` $offset `]` `into` $out attr-dict `:` type(operands)
  }];
}

def Kernel_RMSNormOp : RowLocalKernel_Op<"rms_norm"> {
  let summary = "`lm.rms_norm` on buffers";
  let arguments = (ins Reads<F32Buffer>:$x, Reads<F32Buffer>:$gain,
                       Writes<F32Buffer>:$out, F64Attr:$eps);
  let assemblyFormat = [{
    $x `,` $gain `into` $out attr-dict `:` type(operands)
  }];
}

def Kernel_LayerNormOp : RowLocalKernel_Op<"layer_norm"> {
  let summary = "`lm.layer_norm` on buffers";
  let arguments = (ins Reads<F32Buffer>:$x, Reads<F32Buffer>:$gain,
                       Reads<Optional<F32Buffer>>:$bias, Writes<F32Buffer>:$out,
                       F64Attr:$eps);
  let assemblyFormat = [{
    $x `,` $gain (`bias` $bias^)? `into` $out attr-dict `:` type(operands)
  }];
}

def Kernel_RopeOp : RowLocalKernel_Op<"rope"> {
  let summary = "`lm.rope` on buffers";
  let arguments = (ins Reads<F32Buffer>:$x, Index:$position,
                       Writes<F32Buffer>:$out, I64Attr:$headSize,
                       I64Attr:$rotarySize, F64Attr:$base,
                       LM_RopeStyleAttr:$style,
                       OptionalAttr<DenseF64ArrayAttr>:$divisors);
  let assemblyFormat = [{
    $x `at` $position `into` $out attr-dict `:` type($x) `into` type($out)
  }];
}

def Kernel_CacheWriteOp : Kernel_Op<"cache_write"> {
  let summary = "Appends keys and values to a layer of a cache";
  let description = [{
    `cache` is [layers, 2, heads, positions, head_size]. Plane 1 holds values in
    that order; plane 0 holds keys in blocks of 16 positions, [positions / 16,
    head_size, 16], so that a vector holds one element of 16 keys. What follows
    the last position in its block is zeroed when the block is begun.

    A cache of i8 is [layers, 2, heads, positions, head_size + 4]. Each block of
    16 positions has codes, keys as [head_size / 2, 16, 2] and values as [8,
    head_size, 2], and then 16 f32 scales: pairs lie together that the dot
    products of 16-bit numbers add up.

    Split over heads.
  }];
  let arguments = (ins Reads<F32Buffer>:$key, Reads<F32Buffer>:$value,
                       Writes<CacheBuffer>:$cache, Index:$layer,
                       Index:$position);
  let assemblyFormat = [{
    $key `,` $value `into` $cache `[` $layer `]` `at` $position attr-dict `:`
    type($key) `,` type($value) `into` type($cache)
  }];
}

def Kernel_AttentionOp : Kernel_Op<"attention", [AttrSizedOperandSegments]> {
  let summary = "Attention of new tokens over a cache";
  let description = [{
    `lm.attention` over positions 0 to `position + tokens` of a layer of `cache`,
    with the softmax computed online in chunks of positions.

    Split over tiles of tokens and heads that read the same keys. Few tokens over
    many positions, as when text is generated, would be few tiles, each with much
    to read. With `partials` they are split over segments of the positions,
    instead, and `kernel.merge_attention`, which must follow, makes `out` of the
    parts: [segments, kv_heads, rows, head_size + 16], a row being weighted sums
    of values, the largest score and the sum of weights.
  }];
  let arguments = (ins Reads<F32Buffer>:$query, Reads<CacheBuffer>:$cache,
                       Index:$layer, Index:$position,
                       Reads<Optional<F32Buffer>>:$mask,
                       Writes<Optional<F32Buffer>>:$partials,
                       Writes<F32Buffer>:$out,
                       I64Attr:$heads, F64Attr:$scale, UnitAttr:$causal,
                       OptionalAttr<I64Attr>:$window,
                       OptionalAttr<F64Attr>:$softcap);
  let assemblyFormat = [{
    $query `,` $cache `[` $layer `]` `at` $position (`mask` $mask^)?
    (`partials` $partials^)? `into` $out attr-dict `:` type(operands)
  }];
}

def Kernel_MergeAttentionOp : Kernel_Op<"merge_attention"> {
  let summary = "The results of attention that was split over positions";
  let description = [{
    If `kernel.attention` with the same `partials`, `position` and `out` has
    split its work over segments: with L the largest score of all segments, each
    row of `out` is the sum of the segments' sums, each times exp(its largest
    score - L), over the sum of the weights, likewise. If not, nothing.

    Split over rows of `partials`.
  }];
  let arguments = (ins Reads<F32Buffer>:$partials, Index:$position,
                       Writes<F32Buffer>:$out, I64Attr:$heads);
  let assemblyFormat = [{
    $partials `at` $position `into` $out attr-dict `:` type($partials) `into`
    type($out)
  }];
}

//===----------------------------------------------------------------------===//
// Statistics of activations
//===----------------------------------------------------------------------===//

def Kernel_ObserveChannelsOp : Kernel_Op<"observe_channels", [AttrSizedOperandSegments]> {
  let summary = "Minimum, maximum, sum and sum of magnitudes of each column";
  let description = [{
    `range[0][k]`, `range[1][k]`, `sum[k]` and `sumAbs[k]` over the rows of `x`.

    Split over columns.
  }];
  let arguments = (ins Reads<F32Buffer>:$x, Writes<Optional<F32Buffer>>:$range,
                       Writes<Optional<F32Buffer>>:$sum,
                       Writes<Optional<F32Buffer>>:$sumAbs);
  let assemblyFormat = [{
    $x (`range` $range^)? (`sum` $sum^)? (`sum_abs` $sumAbs^)? attr-dict `:` type(operands)
  }];
}

def Kernel_HistogramOp : Kernel_Op<"histogram"> {
  let summary = "Counts of magnitudes in bins of their logarithm";
  let description = [{
    `parts[p]` counts the values of the p-th share of the rows, see
    `Quantize/Histogram.h` for the bins. The sum over p is the histogram: threads
    cannot share counters.

    Split over parts.
  }];
  let arguments = (ins Reads<F32Buffer>:$x, Writes<I32Buffer>:$parts);
  let assemblyFormat = "$x `into` $parts attr-dict `:` type($x) `into` type($parts)";
}

def Kernel_PackColumnsOp : Kernel_Op<"pack_columns"> {
  let summary = "Columns side by side, for kernel.gram";
  let description = [{
    `packed[p][m][c] = x[m][p * C + c]` with C the last dimension of `packed`,
    zero past the last column: a walk over rows then reads memory front to back,
    where a column of `x` would touch a page for each row.

    Split over p.
  }];
  let arguments = (ins Reads<F32Buffer>:$x, Writes<F32Buffer>:$packed);
  let assemblyFormat = "$x `into` $packed attr-dict `:` type($x) `into` type($packed)";
}

def Kernel_GramOp : Kernel_Op<"gram"> {
  let summary = "Products of columns with each other, summed over rows";
  let description = [{
    `out[i][j] = sum_m left[m][i] * right[m][j]`, with both as
    `kernel.pack_columns` leaves them. Without `right` it is `left`, too, and
    only j <= i counts: above the diagonal `out` is written in part.

    Split over blocks of columns.
  }];
  let arguments = (ins Reads<F32Buffer>:$left, Reads<Optional<F32Buffer>>:$right,
                       Writes<F32Buffer>:$out);
  let assemblyFormat = [{
    $left (`by` $right^)? `into` $out attr-dict `:` type($left)
    (`by` type($right)^)? `into` type($out)
  }];
}

#endif // QUANT_MLIR_DIALECT_KERNEL_IR_KERNELOPS_TD
