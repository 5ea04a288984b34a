// RUN: quant-opt %s --qt-observe=statistics=range,gram | FileCheck %s
// RUN: quant-opt %s --qt-observe | FileCheck %s --check-prefix=ALL
// RUN: not quant-opt %s --qt-observe=statistics=mean 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// ALL: qt.observe %{{.*}} [range, sum, sum_abs, gram, histogram] site "q"
// UNKNOWN: error: unknown statistic 'mean'; known are range, sum, sum_abs, gram, histogram

// Every weight and the activation that it meets. An embedding multiplies nothing,
// and a weight that is no file's is not quantized.
// CHECK: module attributes {qt.sites = {down = "down", k = "q", q = "q", tied = "tied"}}
qt.weight @tied : tensor<9x8xf32> in "m.safetensors"
qt.weight @q : !qt.tensor<8x32xf32, #qt.q8_0> in "m.gguf"
qt.weight @k : tensor<8x32xf32> in "m.safetensors"
qt.weight @down : tensor<8x8xf32> in "m.safetensors"

// One observer for two linears that read one activation, in front of the first;
// another for the activation that their results make; a weight that meets two
// activations names the first of them and, with a number, the second.
// CHECK-LABEL: func.func @sites(
//  CHECK-SAME: %[[IDS:.+]]: tensor<?xi32>, %[[X:.+]]: tensor<?x32xf32>, %[[W:.+]]: tensor<4x8xf32>
//       CHECK: lm.embedding
//       CHECK: qt.observe %[[X]] [range, gram] site "q" {readers = ["q", "k"]} : tensor<?x32xf32> -> tensor<2x32xf32>, tensor<32x32xf32>
//  CHECK-NEXT: %[[Q:.+]] = lm.linear %[[X]]
//  CHECK-NEXT: %[[K:.+]] = lm.linear %[[X]]
//  CHECK-NEXT: %[[H:.+]] = arith.mulf %[[Q]], %[[K]]
//  CHECK-NEXT: qt.observe %[[H]] [range, gram] site "down" {readers = ["down"]}
//  CHECK-NEXT: %[[D:.+]] = lm.linear %[[H]]
//  CHECK-NEXT: qt.observe %[[D]] [range, gram] site "tied" {readers = ["tied"]}
//  CHECK-NEXT: lm.linear %[[D]]
//  CHECK-NEXT: %[[E:.+]] = arith.addf
//  CHECK-NEXT: qt.observe %[[E]] [range, gram] site "tied#2" {readers = ["tied"]}
//  CHECK-NEXT: lm.linear %[[E]]
//  CHECK-NEXT: lm.linear
func.func @sites(%ids: tensor<?xi32>, %x: tensor<?x32xf32>, %own: tensor<4x8xf32>) -> (tensor<?x9xf32>, tensor<?x4xf32>) {
  %table = qt.load @tied : tensor<9x8xf32>
  %e = lm.embedding %ids, %table : tensor<?xi32>, tensor<9x8xf32> -> tensor<?x8xf32>
  %wq = qt.load @q : !qt.tensor<8x32xf32, #qt.q8_0>
  %fq = qt.dequantize %wq : !qt.tensor<8x32xf32, #qt.q8_0> -> tensor<8x32xf32>
  %wk = qt.load @k : tensor<8x32xf32>
  %wd = qt.load @down : tensor<8x8xf32>
  %q = lm.linear %x, %fq : tensor<?x32xf32>, tensor<8x32xf32> -> tensor<?x8xf32>
  %k = lm.linear %x, %wk : tensor<?x32xf32>, tensor<8x32xf32> -> tensor<?x8xf32>
  %h = arith.mulf %q, %k : tensor<?x8xf32>
  %d = lm.linear %h, %wd : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32>
  %y = lm.linear %d, %table : tensor<?x8xf32>, tensor<9x8xf32> -> tensor<?x9xf32>
  %s = arith.addf %d, %e : tensor<?x8xf32>
  %z = lm.linear %s, %table : tensor<?x8xf32>, tensor<9x8xf32> -> tensor<?x9xf32>
  %o = lm.linear %s, %own : tensor<?x8xf32>, tensor<4x8xf32> -> tensor<?x4xf32>
  return %z, %o : tensor<?x9xf32>, tensor<?x4xf32>
}
