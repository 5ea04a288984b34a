// RUN: quant-opt %s --lm-to-linalg %lower_to_llvm | %run | FileCheck %s

func.func private @printMemrefF32(tensor<*xf32>)

// With a query of zeros all scores are 0, and the result is the mean of the values
// that a token sees.

func.func @all(%q: tensor<?x1xf32>, %v: tensor<?x1xf32>) -> tensor<?x1xf32> {
  %0 = lm.attention %q, %v, %v {heads = 1, kv_heads = 1, scale = 1.0} : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>
  return %0 : tensor<?x1xf32>
}
func.func @causal(%q: tensor<?x1xf32>, %v: tensor<?x1xf32>) -> tensor<?x1xf32> {
  %0 = lm.attention %q, %v, %v {causal, heads = 1, kv_heads = 1, scale = 1.0} : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>
  return %0 : tensor<?x1xf32>
}
// `window = 2`: a token sees itself and the one before.
func.func @window(%q: tensor<?x1xf32>, %v: tensor<?x1xf32>) -> tensor<?x1xf32> {
  %0 = lm.attention %q, %v, %v {causal, heads = 1, kv_heads = 1, scale = 1.0, window = 2} : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32>
  return %0 : tensor<?x1xf32>
}
// A mask that hides the key in the middle and weighs the last one by 3 = e^1.0986123.
func.func @mask(%q: tensor<?x1xf32>, %v: tensor<?x1xf32>) -> tensor<?x1xf32> {
  %row = arith.constant dense<[[0.0, -1.0e+09, 1.0986123], [0.0, -1.0e+09, 1.0986123], [0.0, 0.0, 0.0]]> : tensor<3x3xf32>
  %0 = lm.attention %q, %v, %v mask %row {heads = 1, kv_heads = 1, scale = 1.0} : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x1xf32> mask tensor<3x3xf32>
  return %0 : tensor<?x1xf32>
}
func.func @print(%x: tensor<?x1xf32>) {
  %u = tensor.cast %x : tensor<?x1xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// The scores are q·k * scale = 2 * ln 3 * 0.5 = ln 3 and 0, so the weights 3/4 and 1/4.
func.func @scale() -> tensor<2x2xf32> {
  %q = arith.constant dense<[[1.0986123, 5.0], [1.0986123, 5.0]]> : tensor<2x2xf32>
  %k = arith.constant dense<[[2.0, 0.0], [0.0, 0.0]]> : tensor<2x2xf32>
  %v = arith.constant dense<[[4.0, 0.0], [0.0, 40.0]]> : tensor<2x2xf32>
  %0 = lm.attention %q, %k, %v {heads = 1, kv_heads = 1, scale = 0.5} : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}
// A score of 1000 becomes c·tanh(1000/c) = c = ln 3; the other stays 0.
func.func @softcap() -> tensor<2x2xf32> {
  %q = arith.constant dense<[[1000.0, 0.0], [1000.0, 0.0]]> : tensor<2x2xf32>
  %k = arith.constant dense<[[1.0, 0.0], [0.0, 0.0]]> : tensor<2x2xf32>
  %v = arith.constant dense<[[4.0, 0.0], [0.0, 40.0]]> : tensor<2x2xf32>
  %0 = lm.attention %q, %k, %v {heads = 1, kv_heads = 1, scale = 1.0, softcap = 1.0986123} : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}
// Four heads of size 1 read two: heads 0 and 1 the first value, 2 and 3 the
// second. Two batches, in f16.
func.func @grouped() -> tensor<2x1x4xf32> {
  %q = arith.constant dense<0.0> : tensor<2x1x4xf16>
  %kv = arith.constant dense<[[[1.0, 2.0]], [[3.0, 4.0]]]> : tensor<2x1x2xf16>
  %0 = lm.attention %q, %kv, %kv {heads = 4, kv_heads = 2, scale = 1.0} : tensor<2x1x4xf16>, tensor<2x1x2xf16>, tensor<2x1x2xf16>
  %1 = arith.extf %0 : tensor<2x1x4xf16> to tensor<2x1x4xf32>
  return %1 : tensor<2x1x4xf32>
}

func.func @main() {
  %q = arith.constant dense<0.0> : tensor<3x1xf32>
  %v = arith.constant dense<[[2.0], [4.0], [9.0]]> : tensor<3x1xf32>
  %qd = tensor.cast %q : tensor<3x1xf32> to tensor<?x1xf32>
  %vd = tensor.cast %v : tensor<3x1xf32> to tensor<?x1xf32>
  // CHECK:      [5],
  // CHECK-NEXT: [5],
  // CHECK-NEXT: [5]
  %0 = call @all(%qd, %vd) : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
  call @print(%0) : (tensor<?x1xf32>) -> ()
  // CHECK:      [2],
  // CHECK-NEXT: [3],
  // CHECK-NEXT: [5]
  %1 = call @causal(%qd, %vd) : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
  call @print(%1) : (tensor<?x1xf32>) -> ()
  // CHECK:      [2],
  // CHECK-NEXT: [3],
  // CHECK-NEXT: [6.5]
  %2 = call @window(%qd, %vd) : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
  call @print(%2) : (tensor<?x1xf32>) -> ()
  // CHECK:      [7.25],
  // CHECK-NEXT: [7.25],
  // CHECK-NEXT: [5]
  %3 = call @mask(%qd, %vd) : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
  call @print(%3) : (tensor<?x1xf32>) -> ()

  // CHECK:      [3, 10],
  // CHECK-NEXT: [3, 10]
  %4 = call @scale() : () -> tensor<2x2xf32>
  %u4 = tensor.cast %4 : tensor<2x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u4) : (tensor<*xf32>) -> ()
  // CHECK:      [3, 10],
  // CHECK-NEXT: [3, 10]
  %5 = call @softcap() : () -> tensor<2x2xf32>
  %u5 = tensor.cast %5 : tensor<2x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u5) : (tensor<*xf32>) -> ()
  // CHECK:      [1, 1, 2, 2]
  // CHECK-NEXT: [3, 3, 4, 4]
  %6 = call @grouped() : () -> tensor<2x1x4xf32>
  %u6 = tensor.cast %6 : tensor<2x1x4xf32> to tensor<*xf32>
  call @printMemrefF32(%u6) : (tensor<*xf32>) -> ()
  return
}
