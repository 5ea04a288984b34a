// RUN: quant-opt %s --canonicalize --cse | FileCheck %s

// Operations without effects go when nobody reads them, and equal ones are one.
// CHECK-LABEL: func.func @unused
//       CHECK: %[[Y:.+]] = lm.linear
//   CHECK-NOT: lm.
//       CHECK: return %[[Y]], %[[Y]]
func.func @unused(%x: tensor<?x4xf32>, %w: tensor<3x4xf32>) -> (tensor<?x3xf32>, tensor<?x3xf32>) {
  %0 = lm.linear %x, %w : tensor<?x4xf32>, tensor<3x4xf32> -> tensor<?x3xf32>
  %1 = lm.linear %x, %w : tensor<?x4xf32>, tensor<3x4xf32> -> tensor<?x3xf32>
  %2 = lm.activation silu %0 : tensor<?x3xf32>
  %3 = lm.attention %2, %2, %2 {heads = 1, kv_heads = 1, scale = 1.0} : tensor<?x3xf32>, tensor<?x3xf32>, tensor<?x3xf32>
  return %0, %1 : tensor<?x3xf32>, tensor<?x3xf32>
}

// An attention writes to its cache, so it stays, and so does its twin.
// CHECK-LABEL: func.func @cache_effects
// CHECK-COUNT-2: lm.attention
func.func @cache_effects(%x: tensor<?x4xf32>, %cache: !lm.kv_cache<1 x 1 x 4 x f32>, %position: index) {
  %0 = lm.attention %x, %x, %x cache %cache[0] at %position {causal, heads = 1, kv_heads = 1, scale = 1.0} : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, !lm.kv_cache<1 x 1 x 4 x f32>
  %1 = lm.attention %x, %x, %x cache %cache[0] at %position {causal, heads = 1, kv_heads = 1, scale = 1.0} : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, !lm.kv_cache<1 x 1 x 4 x f32>
  return
}
