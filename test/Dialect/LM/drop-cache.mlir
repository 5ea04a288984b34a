// RUN: quant-opt %s --lm-drop-cache --split-input-file --verify-diagnostics | FileCheck %s

!cache = !lm.kv_cache<2 x 1 x 16 x f32>

// The position is 0, every token has an output, attention is over the call's own
// keys and values.
// CHECK-LABEL: func.func @forward(
//  CHECK-SAME: %[[TOKENS:[a-z0-9]+]]: tensor<?xi32> {lm.name = "tokens"}, %[[TABLE:[a-z0-9]+]]: tensor<9x16xf32>) -> tensor<?x16xf32>
//   CHECK-DAG: %[[ZERO:.+]] = arith.constant 0 : index
//   CHECK-DAG: %[[COUNT:.+]] = tensor.dim %[[TOKENS]]
//       CHECK: %[[X:.+]] = lm.embedding %[[TOKENS]]
//       CHECK: %[[Q:.+]] = lm.rope %[[X]] at %[[ZERO]]
//       CHECK: %[[A:.+]] = lm.attention %[[Q]], %[[X]], %[[X]] {causal, heads = 1 : i64, kv_heads = 1 : i64, scale = 2.500000e-01 : f64} : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>
//       CHECK: lm.attention %[[A]], %[[X]], %[[X]] {causal, {{.*}}window = 4 : i64} :
//       CHECK: tensor.extract_slice %{{.*}}[%{{.*}}, 0] [%[[COUNT]], 16] [1, 1]
func.func @forward(%tokens: tensor<?xi32> {lm.name = "tokens"}, %position: index {lm.name = "position"}, %outputs: index {lm.name = "outputs"}, %cache: !cache {lm.name = "cache"}, %table: tensor<9x16xf32>) -> tensor<?x16xf32> {
  %x = lm.embedding %tokens, %table : tensor<?xi32>, tensor<9x16xf32> -> tensor<?x16xf32>
  %q = lm.rope %x at %position {base = 1.0e+04, head_size = 16, style = #lm.rope_style<half>} : tensor<?x16xf32>
  %a = lm.attention %q, %x, %x cache %cache[0] at %position {causal, heads = 1, kv_heads = 1, scale = 0.25} : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>, !cache
  %b = lm.attention %a, %x, %x cache %cache[1] at %position {causal, heads = 1, kv_heads = 1, scale = 0.25, window = 4} : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>, !cache
  %c0 = arith.constant 0 : index
  %n = tensor.dim %tokens, %c0 : tensor<?xi32>
  %first = arith.subi %n, %outputs : index
  %y = tensor.extract_slice %b[%first, 0] [%outputs, 16] [1, 1] : tensor<?x16xf32> to tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// Nothing to drop.
// CHECK-LABEL: func.func @encoder(
//       CHECK: lm.attention
func.func @encoder(%x: tensor<?x16xf32>) -> tensor<?x16xf32> {
  %a = lm.attention %x, %x, %x {heads = 1, kv_heads = 1, scale = 0.25} : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>
  return %a : tensor<?x16xf32>
}

// -----

!cache = !lm.kv_cache<2 x 1 x 16 x f32>
// expected-error @below {{computes the position in its cache; only an argument can be taken as 0}}
func.func @computed(%x: tensor<?x16xf32>, %p: index, %cache: !cache) -> tensor<?x16xf32> {
  %q = arith.addi %p, %p : index
  %a = lm.attention %x, %x, %x cache %cache[0] at %q {causal, heads = 1, kv_heads = 1, scale = 0.25} : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>, !cache
  return %a : tensor<?x16xf32>
}
