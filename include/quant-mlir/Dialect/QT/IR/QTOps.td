// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_IR_QTOPS_TD
#define QUANT_MLIR_DIALECT_QT_IR_QTOPS_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "quant-mlir/Dialect/QT/IR/QTAttrs.td"
include "quant-mlir/Dialect/QT/IR/QTTypes.td"

// `custom<WholeType>(type($x))` prints `!qt.tensor<...>` where `type($x)` would
// drop the name.
class QT_Op<string mnemonic, list<Trait> traits = []>
    : Op<QT_Dialect, mnemonic, traits>;

def QT_FloatTensor : RankedTensorOf<[AnyFloat]>;
def QT_WeightValue : AnyTypeOf<[QT_FloatTensor, QT_TensorType]>;

def QT_WeightOp : QT_Op<"weight", [Symbol]> {
  let summary = "A weight that stays in its file";
  let description = [{
    Declares a weight by its type and its place: the file and the name that it
    has there, the symbol's name unless `as` says otherwise. The file is opened
    when a pass or the packer needs the numbers. A scheme with several storage
    parts appends each part's suffix to the name (`NAME.codes`, `NAME.scales`).
    A relative path is relative to the working directory.

    `at` is written by packing: the byte offset in the packed file's data
    section, a multiple of 64.

    ```mlir
    qt.weight @blk.0.attn_q.weight : !qt.tensor<576x576xf32, #qt.q4_1> in "smollm2.gguf"
    qt.weight @norm : tensor<576xf32> in "model.safetensors" as "model.norm.weight"
    ```

    - C1: the type is a statically shaped float tensor or `!qt.tensor`.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$type, StrAttr:$file,
                       OptionalAttr<StrAttr>:$tensor,
                       OptionalAttr<I64Attr>:$offset);
  let assemblyFormat = [{
    $sym_name `:` $type `in` $file (`as` $tensor^)? (`at` $offset^)? attr-dict
  }];
  let builders = [
    OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::Type":$type,
                   "::llvm::StringRef":$file,
                   CArg<"::llvm::StringRef", "{}">:$tensor)>,
  ];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The name in the file.
    ::llvm::StringRef getTensorName() {
      return getTensor() ? *getTensor() : getSymName();
    }
  }];
}

def QT_LoadOp : QT_Op<"load", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The value of a weight";
  let description = [{
    ```mlir
    %w = qt.load @blk.0.attn_q.weight : !qt.tensor<576x576xf32, #qt.q4_1>
    ```

    - C1: the symbol names a `qt.weight` of the same type.
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs QT_WeightValue:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}

def QT_AssembleOp : QT_Op<"assemble", [Pure]> {
  let summary = "Makes a quantized tensor from its storage parts";
  let description = [{
    The operands are the scheme's storage parts, in the scheme's order. No number
    changes.

    ```mlir
    %w = qt.assemble %codes, %scales : tensor<16x64xi8>, tensor<16x2xf16>
           -> !qt.tensor<16x64xf32, #qt.int<4, group = 32, scale = f16>>
    ```

    - C1: number, element types and shapes of the operands are those that the
      scheme asks for.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$parts);
  let results = (outs QT_TensorType:$result);
  let assemblyFormat = "$parts attr-dict `:` type($parts) `->` custom<WholeType>(type($result))";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def QT_PartsOp : QT_Op<"parts", [Pure]> {
  let summary = "Takes a quantized tensor apart";
  let description = [{
    The inverse of `qt.assemble`.

    ```mlir
    %codes, %scales = qt.parts %w
        : !qt.tensor<16x64xf32, #qt.int<4, group = 32, scale = f16>>
          -> tensor<16x64xi8>, tensor<16x2xf16>
    ```

    - C1: as `qt.assemble` C1, for the results.
  }];
  let arguments = (ins QT_TensorType:$input);
  let results = (outs Variadic<AnyRankedTensor>:$parts);
  let assemblyFormat = "$input attr-dict `:` custom<WholeType>(type($input)) `->` type($parts)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def QT_QuantizeOp : QT_Op<"quantize", [Pure, AttrSizedOperandSegments]> {
  let summary = "Rounds a float tensor to a scheme's grid";
  let description = [{
    Scales (and zero points) are computed from the values themselves, as the
    scheme says; each value is rounded to the nearest code, halves to even.
    `scale` gives the one scale of a scheme of granularity `tensor` instead, as
    calibration found it: values beyond its reach become the last code.
    `by` multiplies every row by a vector first: smoothing that no norm in front
    could take in.

    ```mlir
    %q = qt.quantize %x : tensor<?x576xf32> -> !qt.tensor<?x576xf32, #qt.int<8, token>>
    %r = qt.quantize %x by %m scale %s : tensor<?x576xf32>, tensor<576xf32>, tensor<1xf32>
           -> !qt.tensor<?x576xf32, #qt.int<8, tensor>>
    ```

    Numerics: the error of a value is at most half a step of its group, but for
    values that a given scale cuts off.

    - C1: input and result have the same shape and element type.
    - C2: the multiplier is a tensor<Kxf32> for rows of K.
    - C3: the scale is a tensor<1xf32>, and the scheme has one scale for all.
  }];
  let arguments = (ins QT_FloatTensor:$input, Optional<QT_FloatTensor>:$multiplier,
                       Optional<QT_FloatTensor>:$scale);
  let results = (outs QT_TensorType:$result);
  let assemblyFormat = [{
    $input (`by` $multiplier^)? (`scale` $scale^)? attr-dict `:` type(operands)
    `->` custom<WholeType>(type($result))
  }];
  let builders = [
    OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$input), [{
      build($_builder, $_state, result, input, ::mlir::Value(), ::mlir::Value());
    }]>,
  ];
  let hasVerifier = 1;
}

def QT_SplitOutliersOp : QT_Op<"split_outliers",
    [Pure, AllTypesMatch<["input", "inliers", "outliers"]>]> {
  let summary = "Takes loud columns of an activation apart";
  let description = [{
    LLM.int8's decomposition (Dettmers and others, 2022). A column of which any
    value in this call reaches the threshold in magnitude goes to `outliers`
    whole, all others to `inliers`; the rest of both is zero, so that their sum
    is the input. With `per_token` every row is split on its own, so that a
    token's result does not depend on its neighbours. A product with outliers,
    which few columns are, is what CPU kernels do column by column.

    ```mlir
    %in, %out = qt.split_outliers %x {threshold = 6.0 : f64} : tensor<?x576xf32>
    ```

    Numerics: exact.

    - C1: the threshold is positive.
  }];
  let arguments = (ins QT_FloatTensor:$input,
                       DefaultValuedAttr<F64Attr, "6.0">:$threshold,
                       UnitAttr:$per_token);
  let results = (outs QT_FloatTensor:$inliers, QT_FloatTensor:$outliers);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def QT_DequantizeOp : QT_Op<"dequantize", [Pure]> {
  let summary = "The numbers that a quantized tensor stands for";
  let description = [{
    ```mlir
    %f = qt.dequantize %w : !qt.tensor<576x576xf32, #qt.q4_1> -> tensor<576x576xf32>
    ```

    Numerics: products and sums in f32, one rounding each, in the order of the
    scheme's formula.

    - C1: as `qt.quantize` C1.
  }];
  let arguments = (ins QT_TensorType:$input);
  let results = (outs QT_FloatTensor:$result);
  let assemblyFormat = "$input attr-dict `:` custom<WholeType>(type($input)) `->` type($result)";
  let hasVerifier = 1;
}

def QT_MatmulOp : QT_Op<"matmul", [Pure, AttrSizedOperandSegments]> {
  let summary = "y = x·Wᵀ + b with a quantized weight";
  let description = [{
    `x` is [..., K], float or quantized; `w` is [N, K]; the result is [..., N].
    With a quantized `x` whose scheme and the weight's have integer lanes the
    products are summed as integers up to the smaller of the two groups, exactly,
    and scaled in f32 after that. With a float `x`, or one of 8-bit floats, the
    weight is dequantized as it is read.

    ```mlir
    %y = qt.matmul %x, %w bias %b
        : !qt.tensor<?x576xf32, #qt.int<8, token>>, !qt.tensor<192x576xf32, #qt.int<8, channel>>,
          tensor<192xf32> -> tensor<?x192xf32>
    ```

    With `experts` [E + 1] the weight is E matrices [N, K], one below the other,
    and rows experts[e] to experts[e + 1] of x are multiplied with number e, as
    in `lm.linear`.

    Numerics: equal to the float product of the dequantized operands, but for
    the order of f32 additions. Where integer lanes stand for a codebook of
    fractions (NF4, FP4) a kernel multiplies them instead: a weight is then off
    by at most 1/254 of its group's largest.

    - C1: w has rank 2; x and w agree on K, the result is x's shape with N last.
    - C2: a bias has shape [N].
    - C3: experts have shape [E + 1], w E·N rows, and there is no bias.
  }];
  let arguments = (ins QT_WeightValue:$x, QT_TensorType:$w,
                       Optional<QT_FloatTensor>:$bias,
                       Optional<RankedTensorOf<[AnySignlessInteger]>>:$experts);
  let results = (outs QT_FloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $w (`bias` $bias^)? (`experts` $experts^)? attr-dict `:` type($x) `,`
    custom<WholeType>(type($w)) (`,` type($bias)^)?
    (`experts` type($experts)^)? `->` type($result)
  }];
  let extraClassDeclaration = [{
    /// The matrices that the weight is.
    int64_t getNumExperts() {
      return getExperts() ? getExperts().getType().getDimSize(0) - 1 : 1;
    }
  }];
  let hasVerifier = 1;
}

def QT_GatherOp : QT_Op<"gather", [Pure]> {
  let summary = "Looks rows up in a quantized table";
  let description = [{
    The rows of `table` [V, E] at `ids`, dequantized: an embedding. An id outside
    the table is undefined behaviour; the runtime checks ids before it calls.

    ```mlir
    %e = qt.gather %ids, %table
        : tensor<?xi32>, !qt.tensor<49152x576xf32, #qt.q8_0> -> tensor<?x576xf32>
    ```

    - C1: table has rank 2; the result is ids' shape with E appended.
  }];
  let arguments = (ins RankedTensorOf<[AnySignlessInteger]>:$ids, QT_TensorType:$table);
  let results = (outs QT_FloatTensor:$result);
  let assemblyFormat = [{
    $ids `,` $table attr-dict `:` type($ids) `,` custom<WholeType>(type($table))
    `->` type($result)
  }];
  let hasVerifier = 1;
}

def QT_ObserveOp : QT_Op<"observe", [Pure]> {
  let summary = "Statistics of an activation, for calibration";
  let description = [{
    What quantizers want to know of an activation x [..., K], over the M rows of
    this call. `statistics` says which of the results there are, always in this
    order:

    | statistic | result | |
    |---|---|---|
    | `range` | tensor<2xKxf32> | row 0: minimum, row 1: maximum of each channel |
    | `sum` | tensor<Kxf32> | sum of each channel |
    | `sum_abs` | tensor<Kxf32> | sum of the magnitudes of each channel |
    | `gram` | tensor<KxKxf32> | sum over rows of x[i]·x[j] for j <= i; above the diagonal unspecified |
    | `histogram` | tensor<2048xi32> | counts of magnitudes, 32 bins to an octave from 2^-40 on: `Quantize/Histogram.h` |

    `site` names the activation, `readers` are the weights that it is multiplied
    with. The op changes nothing and adds nothing up: whoever calls the program
    adds the results of its calls.

    ```mlir
    %range, %gram = qt.observe %x [range, gram] site "blk.0.attn_q.weight"
        : tensor<?x576xf32> -> tensor<2x576xf32>, tensor<576x576xf32>
    ```

    Numerics: sums in f32, in any order. NaN wins over every minimum and
    maximum.

    - C1: x has a static last dimension K.
    - C2: there is at least one statistic, and a result of the type above for
      each.
  }];
  let arguments = (ins QT_FloatTensor:$x, QT_StatisticsAttr:$statistics,
                       StrAttr:$site, DefaultValuedAttr<StrArrayAttr, "{}">:$readers);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $x custom<Statistics>($statistics) `site` $site attr-dict `:` type($x) `->`
    type($results)
  }];
  let builders = [
    OpBuilder<(ins "::mlir::Value":$x, "Statistics":$statistics,
                   "::llvm::StringRef":$site, "::mlir::ArrayAttr":$readers)>,
  ];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The size of the last dimension.
    int64_t getChannels() { return getX().getType().getShape().back(); }
    /// The result of one statistic, null if it was not asked for.
    ::mlir::Value getResultOf(Statistics statistic);
  }];
}

def QT_CrossGramOp : QT_Op<"cross_gram", [Pure]> {
  let summary = "Products of the channels of two activations, summed over rows";
  let description = [{
    `result[i, j] = sum over rows of lhs[i]·rhs[j]`, for lhs [..., N] and
    rhs [..., K] with equal leading dimensions. Calibration compares the
    activations of two models with it.

    ```mlir
    %g = qt.cross_gram %d, %x
        : tensor<?x576xf32>, tensor<?x1536xf32> -> tensor<576x1536xf32>
    ```

    Numerics: sums in f32, in any order.

    - C1: the last dimensions are static; the result is [N, K].
    - C2: the leading dimensions are compatible.
  }];
  let arguments = (ins QT_FloatTensor:$lhs, QT_FloatTensor:$rhs);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)
  }];
  let hasVerifier = 1;
}

#endif // QUANT_MLIR_DIALECT_QT_IR_QTOPS_TD
