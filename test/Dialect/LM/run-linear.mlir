// RUN: quant-opt %s --lm-to-linalg %lower_to_llvm | %run | FileCheck %s

func.func private @printMemrefF32(tensor<*xf32>)

// y = x·Wᵀ + b with a token count that is only known at run time.
func.func @linear(%x: tensor<?x2xf32>) -> tensor<?x3xf32> {
  %w = arith.constant dense<[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]> : tensor<3x2xf32>
  %b = arith.constant dense<[10.0, 20.0, 30.0]> : tensor<3xf32>
  %0 = lm.linear %x, %w bias %b : tensor<?x2xf32>, tensor<3x2xf32>, tensor<3xf32> -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

// The sum is kept in f32: in f16, 2048 + 1 is 2048 again.
func.func @linear_f16() -> tensor<1xf32> {
  %x = arith.constant dense<[2048.0, 1.0, 1.0]> : tensor<3xf16>
  %w = arith.constant dense<1.0> : tensor<1x3xf16>
  %0 = lm.linear %x, %w : tensor<3xf16>, tensor<1x3xf16> -> tensor<1xf16>
  %1 = arith.extf %0 : tensor<1xf16> to tensor<1xf32>
  return %1 : tensor<1xf32>
}

func.func @linear_3d() -> tensor<2x2x1xf32> {
  %x = arith.constant dense<[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]> : tensor<2x2x2xf32>
  %w = arith.constant dense<[[1.0, 10.0]]> : tensor<1x2xf32>
  %0 = lm.linear %x, %w : tensor<2x2x2xf32>, tensor<1x2xf32> -> tensor<2x2x1xf32>
  return %0 : tensor<2x2x1xf32>
}

func.func @embedding(%ids: tensor<?xi32>) -> tensor<?x2xf32> {
  %table = arith.constant dense<[[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]]> : tensor<3x2xf32>
  %0 = lm.embedding %ids, %table : tensor<?xi32>, tensor<3x2xf32> -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}

func.func @main() {
  %x = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %xd = tensor.cast %x : tensor<2x2xf32> to tensor<?x2xf32>
  // CHECK:      sizes = [2, 3]
  // CHECK-NEXT: [11, 22, 33],
  // CHECK-NEXT: [13, 24, 37]
  %0 = call @linear(%xd) : (tensor<?x2xf32>) -> tensor<?x3xf32>
  %u0 = tensor.cast %0 : tensor<?x3xf32> to tensor<*xf32>
  call @printMemrefF32(%u0) : (tensor<*xf32>) -> ()

  // CHECK:      sizes = [1]
  // CHECK-NEXT: [2050]
  %1 = call @linear_f16() : () -> tensor<1xf32>
  %u1 = tensor.cast %1 : tensor<1xf32> to tensor<*xf32>
  call @printMemrefF32(%u1) : (tensor<*xf32>) -> ()

  // CHECK:      sizes = [2, 2, 1]
  // CHECK-NEXT: [21],
  // CHECK-NEXT: [43]
  // CHECK-NEXT: [65],
  // CHECK-NEXT: [87]
  %2 = call @linear_3d() : () -> tensor<2x2x1xf32>
  %u2 = tensor.cast %2 : tensor<2x2x1xf32> to tensor<*xf32>
  call @printMemrefF32(%u2) : (tensor<*xf32>) -> ()

  // CHECK:      sizes = [3, 2]
  // CHECK-NEXT: [2, 2.5],
  // CHECK-NEXT: [0, 0.5],
  // CHECK-NEXT: [2, 2.5]
  %ids = arith.constant dense<[2, 0, 2]> : tensor<3xi32>
  %idsd = tensor.cast %ids : tensor<3xi32> to tensor<?xi32>
  %3 = call @embedding(%idsd) : (tensor<?xi32>) -> tensor<?x2xf32>
  %u3 = tensor.cast %3 : tensor<?x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u3) : (tensor<*xf32>) -> ()
  return
}
