// RUN: quant-opt %s | quant-opt | FileCheck %s
// RUN: quant-opt %s --mlir-print-op-generic | quant-opt | FileCheck %s

// CHECK-LABEL: func.func @linear
//       CHECK: lm.linear %{{.*}}, %{{.*}} : tensor<?x576xf32>, tensor<192x576xf32> -> tensor<?x192xf32>
//       CHECK: lm.linear %{{.*}}, %{{.*}} bias %{{.*}} : tensor<?x576xf32>, tensor<192x576xf32>, tensor<192xf32> -> tensor<?x192xf32>
func.func @linear(%x: tensor<?x576xf32>, %w: tensor<192x576xf32>, %b: tensor<192xf32>) -> (tensor<?x192xf32>, tensor<?x192xf32>) {
  %0 = lm.linear %x, %w : tensor<?x576xf32>, tensor<192x576xf32> -> tensor<?x192xf32>
  %1 = lm.linear %x, %w bias %b : tensor<?x576xf32>, tensor<192x576xf32>, tensor<192xf32> -> tensor<?x192xf32>
  return %0, %1 : tensor<?x192xf32>, tensor<?x192xf32>
}

// CHECK-LABEL: func.func @linear_ranks
//       CHECK: lm.linear {{.*}} : tensor<4xf32>, tensor<3x4xf32> -> tensor<3xf32>
//       CHECK: lm.linear {{.*}} : tensor<2x?x4xf16>, tensor<3x4xf16> -> tensor<2x?x3xf16>
func.func @linear_ranks(%x: tensor<4xf32>, %w: tensor<3x4xf32>, %y: tensor<2x?x4xf16>, %v: tensor<3x4xf16>) {
  %0 = lm.linear %x, %w : tensor<4xf32>, tensor<3x4xf32> -> tensor<3xf32>
  %1 = lm.linear %y, %v : tensor<2x?x4xf16>, tensor<3x4xf16> -> tensor<2x?x3xf16>
  return
}

// CHECK-LABEL: func.func @embedding
//       CHECK: lm.embedding %{{.*}}, %{{.*}} : tensor<?xi32>, tensor<49152x576xf32> -> tensor<?x576xf32>
func.func @embedding(%ids: tensor<?xi32>, %table: tensor<49152x576xf32>) -> tensor<?x576xf32> {
  %0 = lm.embedding %ids, %table : tensor<?xi32>, tensor<49152x576xf32> -> tensor<?x576xf32>
  return %0 : tensor<?x576xf32>
}

// CHECK-LABEL: func.func @norms
//       CHECK: lm.rms_norm %{{.*}}, %{{.*}} {eps = 1.000000e-05 : f64} : tensor<?x8xf32>, tensor<8xf32>
//       CHECK: lm.layer_norm %{{.*}}, %{{.*}} {eps = 9.9999999999999998E-13 : f64} : tensor<?x8xf32>, tensor<8xf32>
//       CHECK: lm.layer_norm %{{.*}}, %{{.*}} bias %{{.*}} {eps = 1.000000e-05 : f64} : tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>
func.func @norms(%x: tensor<?x8xf32>, %gain: tensor<8xf32>) -> tensor<?x8xf32> {
  %0 = lm.rms_norm %x, %gain {eps = 1.0e-5} : tensor<?x8xf32>, tensor<8xf32>
  %1 = lm.layer_norm %0, %gain {eps = 1.0e-12} : tensor<?x8xf32>, tensor<8xf32>
  %2 = lm.layer_norm %1, %gain bias %gain {eps = 1.0e-5} : tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>
  return %2 : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @rope
//       CHECK: lm.rope %{{.*}} at %{{.*}} {base = 1.000000e+05 : f64, head_size = 64 : i64, style = #lm.rope_style<interleaved>} : tensor<?x576xf32>
//       CHECK: lm.rope %{{.*}} at %{{.*}} {base = 1.000000e+04 : f64, head_size = 64 : i64, rotary_size = 16 : i64, style = #lm.rope_style<half>} : tensor<?x576xf32>
//       CHECK: lm.rope {{.*}}divisors = array<f64: 1.000000e+00, 4.000000e+00>
func.func @rope(%x: tensor<?x576xf32>, %position: index) -> tensor<?x576xf32> {
  %0 = lm.rope %x at %position {base = 1.0e+05, head_size = 64, style = #lm.rope_style<interleaved>} : tensor<?x576xf32>
  %1 = lm.rope %0 at %position {base = 1.0e+04, head_size = 64, rotary_size = 16, style = #lm.rope_style<half>} : tensor<?x576xf32>
  %2 = lm.rope %1 at %position {base = 1.0e+04, divisors = array<f64: 1.0, 4.0>, head_size = 64, rotary_size = 4, style = #lm.rope_style<half>} : tensor<?x576xf32>
  return %2 : tensor<?x576xf32>
}

// CHECK-LABEL: func.func @attention
//  CHECK-SAME: %[[CACHE:[a-z0-9]+]]: !lm.kv_cache<30 x 3 x 64 x f32>
//       CHECK: lm.attention %{{.*}}, %{{.*}}, %{{.*}} cache %[[CACHE]][3] at %{{.*}} {causal, heads = 9 : i64, kv_heads = 3 : i64, scale = 1.250000e-01 : f64} : tensor<?x576xf32>, tensor<?x192xf32>, tensor<?x192xf32>, !lm.kv_cache<30 x 3 x 64 x f32>
func.func @attention(%q: tensor<?x576xf32>, %k: tensor<?x192xf32>, %v: tensor<?x192xf32>, %cache: !lm.kv_cache<30 x 3 x 64 x f32>, %position: index) -> tensor<?x576xf32> {
  %0 = lm.attention %q, %k, %v cache %cache[3] at %position {causal, heads = 9, kv_heads = 3, scale = 0.125} : tensor<?x576xf32>, tensor<?x192xf32>, tensor<?x192xf32>, !lm.kv_cache<30 x 3 x 64 x f32>
  return %0 : tensor<?x576xf32>
}

// CHECK-LABEL: func.func @attention_without_cache
//       CHECK: lm.attention %{{.*}}, %{{.*}}, %{{.*}} {heads = 12 : i64, kv_heads = 12 : i64, scale = 1.250000e-01 : f64} : tensor<2x?x384xf32>, tensor<2x?x384xf32>, tensor<2x?x384xf32>
//       CHECK: lm.attention %{{.*}}, %{{.*}}, %{{.*}} mask %{{.*}} {heads = 12 : i64, kv_heads = 12 : i64, scale = 1.250000e-01 : f64, softcap = 3.000000e+01 : f64, window = 128 : i64} : tensor<2x?x384xf32>, tensor<2x?x384xf32>, tensor<2x?x384xf32> mask tensor<?x?xf32>
func.func @attention_without_cache(%x: tensor<2x?x384xf32>, %mask: tensor<?x?xf32>) -> tensor<2x?x384xf32> {
  %0 = lm.attention %x, %x, %x {heads = 12, kv_heads = 12, scale = 0.125} : tensor<2x?x384xf32>, tensor<2x?x384xf32>, tensor<2x?x384xf32>
  %1 = lm.attention %0, %0, %0 mask %mask {heads = 12, kv_heads = 12, scale = 0.125, softcap = 30.0, window = 128} : tensor<2x?x384xf32>, tensor<2x?x384xf32>, tensor<2x?x384xf32> mask tensor<?x?xf32>
  return %1 : tensor<2x?x384xf32>
}

// CHECK-LABEL: func.func @activation
//       CHECK: lm.activation silu %{{.*}} : tensor<?x8xf32>
//       CHECK: lm.activation gelu %
//       CHECK: lm.activation gelu_tanh %
//       CHECK: lm.activation relu %
//       CHECK: lm.activation tanh %
//       CHECK: lm.activation sigmoid %
func.func @activation(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = lm.activation silu %x : tensor<?x8xf32>
  %1 = lm.activation gelu %0 : tensor<?x8xf32>
  %2 = lm.activation gelu_tanh %1 : tensor<?x8xf32>
  %3 = lm.activation relu %2 : tensor<?x8xf32>
  %4 = lm.activation tanh %3 : tensor<?x8xf32>
  %5 = lm.activation sigmoid %4 : tensor<?x8xf32>
  return %5 : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @experts
//       CHECK: %[[SHARES:.+]], %[[ROWS:.+]], %[[TOKENS:.+]], %[[EXPERTS:.+]] = lm.route %{{.*}} top 2 : tensor<?x8xf32> -> tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<9xi32>
//       CHECK: lm.route %{{.*}} top 2 normalize : tensor<?x8xf32>
//       CHECK: lm.linear %{{.*}}, %{{.*}} experts %[[EXPERTS]] : tensor<?x2x16xf32>, tensor<32x16xf32> experts tensor<9xi32> -> tensor<?x2x4xf32>
func.func @experts(%scores: tensor<?x8xf32>, %x: tensor<?x2x16xf32>, %w: tensor<32x16xf32>) -> tensor<?x2x4xf32> {
  %0:4 = lm.route %scores top 2 : tensor<?x8xf32> -> tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<9xi32>
  %1:4 = lm.route %scores top 2 normalize : tensor<?x8xf32> -> tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<9xi32>
  %2 = lm.linear %x, %w experts %0#3 : tensor<?x2x16xf32>, tensor<32x16xf32> experts tensor<9xi32> -> tensor<?x2x4xf32>
  return %2 : tensor<?x2x4xf32>
}
