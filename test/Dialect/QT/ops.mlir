// RUN: quant-opt %s | quant-opt | FileCheck %s
// RUN: quant-opt %s --mlir-print-op-generic | quant-opt | FileCheck %s

// CHECK: qt.weight @blk.0.attn_q.weight : !qt.tensor<576x576xf32, #qt.q4_1> in "smollm2.gguf"
qt.weight @blk.0.attn_q.weight : !qt.tensor<576x576xf32, #qt.q4_1> in "smollm2.gguf"
// CHECK: qt.weight @norm : tensor<576xf32> in "model.safetensors" as "model.norm.weight"
qt.weight @norm : tensor<576xf32> in "model.safetensors" as "model.norm.weight"
// CHECK: qt.weight @packed : !qt.tensor<64x128xf32, #qt.int<8, channel>, #qt.panels<lanes = 16, vectors = 2, depth = 4, group = 128>> in "p.safetensors" as "w" at 4096
qt.weight @packed : !qt.tensor<64x128xf32, #qt.int<8, channel>, #qt.panels<lanes = 16, vectors = 2, depth = 4, group = 128>> in "p.safetensors" as "w" at 4096

// CHECK-LABEL: func.func @load
//       CHECK: qt.load @blk.0.attn_q.weight : !qt.tensor<576x576xf32, #qt.q4_1>
//       CHECK: qt.load @norm : tensor<576xf32>
func.func @load() {
  %0 = qt.load @blk.0.attn_q.weight : !qt.tensor<576x576xf32, #qt.q4_1>
  %1 = qt.load @norm : tensor<576xf32>
  return
}

// CHECK-LABEL: func.func @parts
//       CHECK: qt.assemble %{{.*}}, %{{.*}}, %{{.*}} : tensor<16x64xi8>, tensor<16x2xf16>, tensor<16x2xi8> -> !qt.tensor<16x64xf32, #qt.int<4, group = 32, scale = f16, zero = i4>>
//       CHECK: qt.parts %{{.*}} : !qt.tensor<16x64xf32, #qt.int<4, group = 32, scale = f16, zero = i4>> -> tensor<16x64xi8>, tensor<16x2xf16>, tensor<16x2xi8>
//       CHECK: qt.assemble %{{.*}} : tensor<16x2x34xi8> -> !qt.tensor<16x64xf32, #qt.q8_0>
func.func @parts(%codes: tensor<16x64xi8>, %scales: tensor<16x2xf16>, %zeros: tensor<16x2xi8>, %blocks: tensor<16x2x34xi8>) -> (tensor<16x64xi8>, !qt.tensor<16x64xf32, #qt.q8_0>) {
  %0 = qt.assemble %codes, %scales, %zeros : tensor<16x64xi8>, tensor<16x2xf16>, tensor<16x2xi8> -> !qt.tensor<16x64xf32, #qt.int<4, group = 32, scale = f16, zero = i4>>
  %1, %2, %3 = qt.parts %0 : !qt.tensor<16x64xf32, #qt.int<4, group = 32, scale = f16, zero = i4>> -> tensor<16x64xi8>, tensor<16x2xf16>, tensor<16x2xi8>
  %4 = qt.assemble %blocks : tensor<16x2x34xi8> -> !qt.tensor<16x64xf32, #qt.q8_0>
  return %1, %4 : tensor<16x64xi8>, !qt.tensor<16x64xf32, #qt.q8_0>
}

// CHECK-LABEL: func.func @quantize
//       CHECK: qt.quantize %{{.*}} : tensor<?x576xf32> -> !qt.tensor<?x576xf32, #qt.int<8, token>>
//       CHECK: qt.dequantize %{{.*}} : !qt.tensor<?x576xf32, #qt.int<8, token>> -> tensor<?x576xf32>
func.func @quantize(%x: tensor<?x576xf32>) -> tensor<?x576xf32> {
  %0 = qt.quantize %x : tensor<?x576xf32> -> !qt.tensor<?x576xf32, #qt.int<8, token>>
  %1 = qt.dequantize %0 : !qt.tensor<?x576xf32, #qt.int<8, token>> -> tensor<?x576xf32>
  return %1 : tensor<?x576xf32>
}

// CHECK-LABEL: func.func @quantize_given
//       CHECK: qt.quantize %{{.*}} by %{{.*}} scale %{{.*}} : tensor<?x576xf32>, tensor<576xf32>, tensor<1xf32> -> !qt.tensor<?x576xf32, #qt.int<8, tensor>>
//       CHECK: qt.quantize %{{.*}} scale %{{.*}} : tensor<?x576xf32>, tensor<1xf32> -> !qt.tensor<?x576xf32, #qt.float<f8E4M3FN, tensor>>
func.func @quantize_given(%x: tensor<?x576xf32>, %m: tensor<576xf32>, %s: tensor<1xf32>) {
  %0 = qt.quantize %x by %m scale %s : tensor<?x576xf32>, tensor<576xf32>, tensor<1xf32> -> !qt.tensor<?x576xf32, #qt.int<8, tensor>>
  %1 = qt.quantize %x scale %s : tensor<?x576xf32>, tensor<1xf32> -> !qt.tensor<?x576xf32, #qt.float<f8E4M3FN, tensor>>
  return
}

// CHECK-LABEL: func.func @split_outliers
//       CHECK: %{{.*}}, %{{.*}} = qt.split_outliers %{{.*}} : tensor<?x576xf32>
//       CHECK: %{{.*}}, %{{.*}} = qt.split_outliers %{{.*}} {per_token, threshold = 4.500000e+00 : f64} : tensor<?x576xf32>
func.func @split_outliers(%x: tensor<?x576xf32>) {
  %0, %1 = qt.split_outliers %x {threshold = 6.0 : f64} : tensor<?x576xf32>
  %2, %3 = qt.split_outliers %x {threshold = 4.5 : f64, per_token} : tensor<?x576xf32>
  return
}

// CHECK-LABEL: func.func @matmul
//       CHECK: qt.matmul %{{.*}}, %{{.*}} : tensor<?x576xf32>, !qt.tensor<192x576xf32, #qt.q4_0> -> tensor<?x192xf32>
//       CHECK: qt.matmul %{{.*}}, %{{.*}} bias %{{.*}} : !qt.tensor<?x576xf32, #qt.int<8, group = 32>>, !qt.tensor<192x576xf32, #qt.q4_0>, tensor<192xf32> -> tensor<?x192xf32>
func.func @matmul(%x: tensor<?x576xf32>, %q: !qt.tensor<?x576xf32, #qt.int<8, group = 32>>, %w: !qt.tensor<192x576xf32, #qt.q4_0>, %b: tensor<192xf32>) {
  %0 = qt.matmul %x, %w : tensor<?x576xf32>, !qt.tensor<192x576xf32, #qt.q4_0> -> tensor<?x192xf32>
  %1 = qt.matmul %q, %w bias %b : !qt.tensor<?x576xf32, #qt.int<8, group = 32>>, !qt.tensor<192x576xf32, #qt.q4_0>, tensor<192xf32> -> tensor<?x192xf32>
  return
}

// CHECK-LABEL: func.func @gather
//       CHECK: qt.gather %{{.*}}, %{{.*}} : tensor<?xi32>, !qt.tensor<49152x576xf32, #qt.q8_0> -> tensor<?x576xf32>
func.func @gather(%ids: tensor<?xi32>, %table: !qt.tensor<49152x576xf32, #qt.q8_0>) -> tensor<?x576xf32> {
  %0 = qt.gather %ids, %table : tensor<?xi32>, !qt.tensor<49152x576xf32, #qt.q8_0> -> tensor<?x576xf32>
  return %0 : tensor<?x576xf32>
}

// Every scheme and layout, as it prints.
// CHECK-LABEL: func.func private @schemes
//  CHECK-SAME: !qt.tensor<4x32xf32, #qt.int<8, tensor>>
//  CHECK-SAME: !qt.tensor<4x32xf32, #qt.int<8, channel>>
//  CHECK-SAME: !qt.tensor<?x32xf32, #qt.int<8, token>>
//  CHECK-SAME: !qt.tensor<4x32xf32, #qt.int<3, group = 8, scale = bf16>>
//  CHECK-SAME: !qt.tensor<4x32xf16, #qt.int<4, group = 8, scale = f16, zero = i4>>
//  CHECK-SAME: !qt.tensor<4x32xf32, #qt.float<f16>>
//  CHECK-SAME: !qt.tensor<2x4x32xf32, #qt.q4_0>
//  CHECK-SAME: !qt.tensor<?x32xf32, #qt.q4_1>
//  CHECK-SAME: !qt.tensor<32xf32, #qt.q8_0>
//  CHECK-SAME: !qt.tensor<4x32xf32, #qt.float<f8E4M3FN, channel>>
//  CHECK-SAME: !qt.tensor<4x32xf32, #qt.float<f8E5M2, block = 2x16, scale = bf16>>
//  CHECK-SAME: !qt.tensor<4x32xf32, #qt.float<f4E2M1FN, group = 16, scale = f8E4M3FN>>
//  CHECK-SAME: !qt.tensor<4x32xf32, #qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU>>
//  CHECK-SAME: !qt.tensor<?x32xf32, #qt.float<f8E4M3FN, token>>
//  CHECK-SAME: !qt.tensor<4x32xf32, #qt.codebook<nf4, group = 64>>
//  CHECK-SAME: !qt.tensor<4x32xf32, #qt.codebook<fp4, group = 16, nested = 256>>
//  CHECK-SAME: !qt.tensor<?x33xf32, #qt.int<8, token>, #qt.rows<stride = 64, group = 33, sums = 11>>
func.func private @schemes(
  !qt.tensor<4x32xf32, #qt.int<8, tensor>>,
  !qt.tensor<4x32xf32, #qt.int<8, channel, scale = f32>>,
  !qt.tensor<?x32xf32, #qt.int<8, token>>,
  !qt.tensor<4x32xf32, #qt.int<3, group = 8, scale = bf16>>,
  !qt.tensor<4x32xf16, #qt.int<4, group = 8, scale = f16, zero = i4>>,
  !qt.tensor<4x32xf32, #qt.float<f16>>,
  !qt.tensor<2x4x32xf32, #qt.q4_0>,
  !qt.tensor<?x32xf32, #qt.q4_1>,
  !qt.tensor<32xf32, #qt.q8_0>,
  !qt.tensor<4x32xf32, #qt.float<f8E4M3FN, channel, scale = f32>>,
  !qt.tensor<4x32xf32, #qt.float<f8E5M2, block = 2x16, scale = bf16>>,
  !qt.tensor<4x32xf32, #qt.float<f4E2M1FN, group = 16, scale = f8E4M3FN>>,
  !qt.tensor<4x32xf32, #qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU>>,
  !qt.tensor<?x32xf32, #qt.float<f8E4M3FN, token>>,
  !qt.tensor<4x32xf32, #qt.codebook<nf4, group = 64>>,
  !qt.tensor<4x32xf32, #qt.codebook<fp4, group = 16, nested = 256>>,
  !qt.tensor<?x33xf32, #qt.int<8, token>, #qt.rows<stride = 64, group = 33, sums = 11>>)

// CHECK-LABEL: func.func @observe
//       CHECK: qt.observe %{{.*}} [range, gram] site "w" {readers = ["w", "v"]} : tensor<?x8xf32> -> tensor<2x8xf32>, tensor<8x8xf32>
//       CHECK: qt.observe %{{.*}} [sum_abs, histogram] site "w" : tensor<2x?x8xf16> -> tensor<8xf32>, tensor<2048xi32>
func.func @observe(%x: tensor<?x8xf32>, %y: tensor<2x?x8xf16>) {
  %0:2 = qt.observe %x [gram, range] site "w" {readers = ["w", "v"]} : tensor<?x8xf32> -> tensor<2x8xf32>, tensor<8x8xf32>
  %1:2 = qt.observe %y [sum_abs, histogram] site "w" : tensor<2x?x8xf16> -> tensor<8xf32>, tensor<2048xi32>
  return
}

// CHECK-LABEL: func.func @cross_gram
//       CHECK: qt.cross_gram %{{.*}}, %{{.*}} : tensor<?x4xf32>, tensor<?x8xf32> -> tensor<4x8xf32>
func.func @cross_gram(%x: tensor<?x4xf32>, %y: tensor<?x8xf32>) {
  %0 = qt.cross_gram %x, %y : tensor<?x4xf32>, tensor<?x8xf32> -> tensor<4x8xf32>
  return
}

// CHECK-LABEL: func.func @matmul_experts
//       CHECK: qt.matmul %{{.*}}, %{{.*}} experts %{{.*}} : tensor<?x2x64xf32>, !qt.tensor<48x64xf32, #qt.q8_0> experts tensor<4xi32> -> tensor<?x2x16xf32>
func.func @matmul_experts(%x: tensor<?x2x64xf32>, %w: !qt.tensor<48x64xf32, #qt.q8_0>, %experts: tensor<4xi32>) -> tensor<?x2x16xf32> {
  %0 = qt.matmul %x, %w experts %experts : tensor<?x2x64xf32>, !qt.tensor<48x64xf32, #qt.q8_0> experts tensor<4xi32> -> tensor<?x2x16xf32>
  return %0 : tensor<?x2x16xf32>
}
