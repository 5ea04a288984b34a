// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_LM_IR_LMOPS_TD
#define QUANT_MLIR_DIALECT_LM_IR_LMOPS_TD

include "mlir/IR/OpBase.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "quant-mlir/Dialect/LM/IR/LMDialect.td"
include "quant-mlir/Dialect/QT/IR/QTInterfaces.td"

class LM_Op<string mnemonic, list<Trait> traits = []>
    : Op<LM_Dialect, mnemonic, traits>;

def LM_FloatTensor : RankedTensorOf<[AnyFloat]>;
def LM_IdTensor : RankedTensorOf<[AnySignlessInteger]>;

def LM_LinearOp : LM_Op<"linear",
    [Pure, AttrSizedOperandSegments, DeclareOpInterfaceMethods<QuantizableOpInterface,
                                     ["getBiasOperand", "isRouted"]>,
     DeclareOpInterfaceMethods<ChannelScalableOpInterface>]> {
  let summary = "y = x·Wᵀ + b";
  let description = [{
    `x` is [..., K], `weight` [N, K], `bias` [N], the result [..., N].

    ```mlir
    %y = lm.linear %x, %w bias %b
        : tensor<?x576xf32>, tensor<192x576xf32>, tensor<192xf32> -> tensor<?x192xf32>
    ```

    With `experts` [E + 1], as `lm.route` makes them, the weight is E matrices
    [N, K], one below the other, and rows experts[e] to experts[e + 1] of x are
    multiplied with number e. Rows are counted through all leading dimensions.

    ```mlir
    %y = lm.linear %x, %w experts %experts
        : tensor<?x2x576xf32>, tensor<1536x576xf32> experts tensor<9xi32> -> tensor<?x2x192xf32>
    ```

    Quantizable: the weight, and the activation along K.

    - C1: weight has rank 2; x and weight agree on K; the result is x's shape
      with N last.
    - C2: a bias has shape [N].
    - C3: experts have shape [E + 1], the weight E·N rows, and there is no bias.
  }];
  let arguments = (ins LM_FloatTensor:$x, LM_FloatTensor:$weight,
                       Optional<LM_FloatTensor>:$bias,
                       Optional<LM_IdTensor>:$experts);
  let results = (outs LM_FloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $weight (`bias` $bias^)? (`experts` $experts^)? attr-dict `:`
    type($x) `,` type($weight) (`,` type($bias)^)?
    (`experts` type($experts)^)? `->` type($result)
  }];
  let builders = [
    OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$x,
                   "::mlir::Value":$weight, "::mlir::Value":$bias), [{
      build($_builder, $_state, result, x, weight, bias, /*experts=*/{});
    }]>,
  ];
  let hasVerifier = 1;
}

def LM_RouteOp : LM_Op<"route", [Pure]> {
  let summary = "Chooses experts for every token";
  let description = [{
    A mixture of experts sends each of T tokens to `top` of E experts.
    `scores` [T, E] become shares by a softmax over all experts; the `top`
    largest of each token are its choices, of equal ones the first. So that an
    expert's tokens lie side by side, choices are sorted by expert, then by
    token: choice number p of that order is row p of what experts work on,
    tensors [T, top, ...] whose rows are counted through.

    | result | | |
    |---|---|---|
    | `shares` | [T, top] | of each token's choices, largest first; with `normalize` they are divided by their sum |
    | `rows` | i32 [T, top] | where each token's choices went |
    | `tokens` | i32 [T, top] | the token of row p, for all p |
    | `experts` | i32 [E + 1] | rows experts[e] to experts[e + 1] belong to expert e |

    ```mlir
    %shares, %rows, %tokens, %experts = lm.route %scores top 2 normalize
        : tensor<?x8xf32> -> tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<9xi32>
    ```

    - C1: scores have rank 2 and a static E; top is between 1 and E; the results
      have the shapes above.
  }];
  let arguments = (ins LM_FloatTensor:$scores, I64Attr:$top,
                       UnitAttr:$normalize);
  let results = (outs LM_FloatTensor:$shares, RankedTensorOf<[I32]>:$rows,
                      RankedTensorOf<[I32]>:$tokens,
                      RankedTensorOf<[I32]>:$experts);
  let assemblyFormat = [{
    $scores `top` $top (`normalize` $normalize^)? attr-dict `:` type($scores)
    `->` type(results)
  }];
  let builders = [
    OpBuilder<(ins "::mlir::Value":$scores, "int64_t":$top,
                   "bool":$normalize)>,
  ];
  let hasVerifier = 1;
}

def LM_EmbeddingOp : LM_Op<"embedding",
    [Pure, DeclareOpInterfaceMethods<QuantizableOpInterface>]> {
  let summary = "Looks rows of a table up";
  let description = [{
    The rows of `table` [V, E] at `ids`. An id outside the table is undefined
    behaviour; the runtime checks ids before it calls.

    ```mlir
    %e = lm.embedding %ids, %table : tensor<?xi32>, tensor<49152x576xf32> -> tensor<?x576xf32>
    ```

    Quantizable: the table.

    - C1: table has rank 2; the result is ids' shape with E appended.
  }];
  let arguments = (ins LM_IdTensor:$ids, LM_FloatTensor:$table);
  let results = (outs LM_FloatTensor:$result);
  let assemblyFormat = [{
    $ids `,` $table attr-dict `:` type($ids) `,` type($table) `->` type($result)
  }];
  let hasVerifier = 1;
}

def LM_RMSNormOp : LM_Op<"rms_norm",
    [Pure, AllTypesMatch<["x", "result"]>,
     DeclareOpInterfaceMethods<ChannelScalableOpInterface>]> {
  let summary = "x / sqrt(mean(x²) + eps) * gain";
  let description = [{
    Along the last dimension E, whose `gain` [E] multiplies the result.

    ```mlir
    %y = lm.rms_norm %x, %gain {eps = 1.0e-5} : tensor<?x576xf32>, tensor<576xf32>
    ```

    - C1: gain has shape [E].
  }];
  let arguments = (ins LM_FloatTensor:$x, LM_FloatTensor:$gain, F64Attr:$eps);
  let results = (outs LM_FloatTensor:$result);
  let assemblyFormat = "$x `,` $gain attr-dict `:` type($x) `,` type($gain)";
  let hasVerifier = 1;
}

def LM_LayerNormOp : LM_Op<"layer_norm",
    [Pure, AllTypesMatch<["x", "result"]>,
     DeclareOpInterfaceMethods<ChannelScalableOpInterface>]> {
  let summary = "(x - mean(x)) / sqrt(var(x) + eps) * gain + bias";
  let description = [{
    Along the last dimension E; the variance is the mean of the squared
    differences.

    ```mlir
    %y = lm.layer_norm %x, %gain bias %b {eps = 1.0e-12}
        : tensor<?x384xf32>, tensor<384xf32>, tensor<384xf32>
    ```

    - C1: gain and bias have shape [E].
  }];
  let arguments = (ins LM_FloatTensor:$x, LM_FloatTensor:$gain,
                       Optional<LM_FloatTensor>:$bias, F64Attr:$eps);
  let results = (outs LM_FloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $gain (`bias` $bias^)? attr-dict `:` type($x) `,` type($gain)
    (`,` type($bias)^)?
  }];
  let hasVerifier = 1;
}

def LM_RopeOp : LM_Op<"rope", [Pure, AllTypesMatch<["x", "result"]>]> {
  let summary = "Rotary position embedding";
  let description = [{
    `x` is [..., tokens, heads * head_size]; token `t` stands at `position + t`.
    Pair `i` of the first `rotary_size` elements of each head (all of them if
    it is absent) turns by the angle (position + t) / base^(2i / rotary_size):

      (a, b) -> (a cos - b sin, a sin + b cos)

    `interleaved` pairs elements 2i and 2i+1 (GGUF's order of llama weights),
    `half` pairs i and i + rotary_size/2 (Hugging Face's). With `divisors`, by
    which models are stretched to longer texts, the angle of pair i is divided
    by divisors[i].

    ```mlir
    %y = lm.rope %x at %position {base = 1.0e+05, head_size = 64, style = #lm.rope_style<interleaved>}
        : tensor<?x576xf32>
    ```

    - C1: x has at least two dimensions, the last a multiple of head_size.
    - C2: rotary_size is even and at most head_size.
    - C3: divisors are positive, one for each pair.
  }];
  let arguments = (ins LM_FloatTensor:$x, Index:$position, I64Attr:$head_size,
                       F64Attr:$base, LM_RopeStyleAttr:$style,
                       OptionalAttr<I64Attr>:$rotary_size,
                       OptionalAttr<DenseF64ArrayAttr>:$divisors);
  let results = (outs LM_FloatTensor:$result);
  let assemblyFormat = "$x `at` $position attr-dict `:` type($x)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Elements of a head that are rotated.
    int64_t getRotated() { return getRotarySize().value_or(getHeadSize()); }
  }];
}

def LM_AttentionOp : LM_Op<"attention",
    [AttrSizedOperandSegments, AllTypesMatch<["query", "result"]>,
     DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
     DeclareOpInterfaceMethods<ChannelPassOpInterface, ["getSourceChannel"]>]> {
  let summary = "Softmax attention with grouped heads";
  let description = [{
    `query` is [..., tokens, heads * head_size], `key` and `value`
    [..., tokens, kv_heads * head_size]; head h reads the keys of head
    h / (heads / kv_heads). The result is softmax(q·kᵀ * scale + mask)·v, in the
    query's shape.

    With a cache, keys and values are first written to the cache's layer at
    `position` and on, and the query attends to everything from position 0 to
    the last one written. `causal` hides what comes after the query's own
    position, a `mask` [tokens, keys] is added to the scores, `window` hides
    what is `window` or more positions back, `softcap` c replaces a score s by
    c·tanh(s/c).

    ```mlir
    %y = lm.attention %q, %k, %v cache %cache[3] at %position {causal, heads = 9, kv_heads = 3, scale = 1.25e-01}
        : tensor<?x576xf32>, tensor<?x192xf32>, tensor<?x192xf32>, !lm.kv_cache<30 x 3 x 64 x f32>
    %z = lm.attention %q, %k, %v mask %m {heads = 12, kv_heads = 12, scale = 0.1767}
        : tensor<?x384xf32>, tensor<?x384xf32>, tensor<?x384xf32> mask tensor<?x?xf32>
    ```

    - C1: heads is a multiple of kv_heads; the last dimensions are heads *
      head_size and kv_heads * head_size for one head_size; key and value have
      the same shape.
    - C2: cache, layer and position come together; the cache has kv_heads,
      head_size, and more than `layer` layers.
    - C3: mask has rank 2.
  }];
  let arguments = (ins LM_FloatTensor:$query, LM_FloatTensor:$key,
                       LM_FloatTensor:$value, Optional<LM_KVCacheType>:$cache,
                       Optional<Index>:$position, Optional<LM_FloatTensor>:$mask,
                       OptionalAttr<I64Attr>:$layer, I64Attr:$heads,
                       I64Attr:$kv_heads, F64Attr:$scale, UnitAttr:$causal,
                       OptionalAttr<I64Attr>:$window,
                       OptionalAttr<F64Attr>:$softcap);
  let results = (outs LM_FloatTensor:$result);
  let assemblyFormat = [{
    $query `,` $key `,` $value (`cache` $cache^ `[` $layer `]` `at` $position)?
    (`mask` $mask^)? attr-dict `:` type($query) `,` type($key) `,` type($value)
    (`,` type($cache)^)? (`mask` type($mask)^)?
  }];
  let builders = [
    // Result type is the query's.
    OpBuilder<(ins "::mlir::Value":$query, "::mlir::Value":$key,
                   "::mlir::Value":$value, "int64_t":$heads,
                   "int64_t":$kvHeads, "double":$scale, "bool":$causal)>,
    OpBuilder<(ins "::mlir::Value":$query, "::mlir::Value":$key,
                   "::mlir::Value":$value, "::mlir::Value":$cache,
                   "int64_t":$layer, "::mlir::Value":$position, "int64_t":$heads,
                   "int64_t":$kvHeads, "double":$scale)>,
  ];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    int64_t getHeadSize() {
      return getQuery().getType().getShape().back() / getHeads();
    }
  }];
}

def LM_ActivationOp : LM_Op<"activation",
    [Pure, Elementwise, AllTypesMatch<["x", "result"]>,
     DeclareOpInterfaceMethods<ChannelPassOpInterface>]> {
  let summary = "An activation function, element by element";
  let description = [{
    - `silu`: x / (1 + exp(-x))
    - `gelu`: x/2 · (1 + erf(x/√2))
    - `gelu_tanh`: x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³)))
    - `relu`: max(x, 0); `tanh`; `sigmoid`: 1 / (1 + exp(-x))

    ```mlir
    %y = lm.activation silu %x : tensor<?x1536xf32>
    ```
  }];
  let arguments = (ins LM_ActivationKindAttr:$kind, LM_FloatTensor:$x);
  let results = (outs LM_FloatTensor:$result);
  let assemblyFormat = "$kind $x attr-dict `:` type($x)";
}

#endif // QUANT_MLIR_DIALECT_LM_IR_LMOPS_TD
