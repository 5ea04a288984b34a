// RUN: quant-opt %s --lm-to-linalg %lower_to_llvm | %run | FileCheck %s

func.func private @printMemrefF32(tensor<*xf32>)
func.func private @printMemrefI32(tensor<*xi32>)

// Shares 1/8, 5/8, 2/8 and 4/8, 4/8, 0 (as good as): of equal ones the first.
func.func @route(%scores: tensor<?x3xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<4xi32>) {
  %shares, %rows, %tokens, %experts = lm.route %scores top 2
      : tensor<?x3xf32> -> tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<4xi32>
  return %shares, %rows, %tokens, %experts : tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<4xi32>
}

func.func @normalized(%scores: tensor<?x3xf32>) -> tensor<?x2xf32> {
  %shares, %rows, %tokens, %experts = lm.route %scores top 2 normalize
      : tensor<?x3xf32> -> tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<4xi32>
  return %shares : tensor<?x2xf32>
}

// Rows 0 to 1 meet the first expert, none the second, 2 and 3 the third.
func.func @linear(%x: tensor<?x2x2xf32>) -> tensor<?x2x1xf32> {
  %w = arith.constant dense<[[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]> : tensor<3x2xf32>
  %experts = arith.constant dense<[0, 2, 2, 4]> : tensor<4xi32>
  %0 = lm.linear %x, %w experts %experts : tensor<?x2x2xf32>, tensor<3x2xf32> experts tensor<4xi32> -> tensor<?x2x1xf32>
  return %0 : tensor<?x2x1xf32>
}

func.func @main() {
  // ln of 1, 5, 2; of 4, 4 and next to nothing.
  %scores = arith.constant dense<[[0.0, 1.60943791, 0.69314718], [1.38629436, 1.38629436, -80.0]]> : tensor<2x3xf32>
  %scoresd = tensor.cast %scores : tensor<2x3xf32> to tensor<?x3xf32>
  %shares, %rows, %tokens, %experts = call @route(%scoresd) : (tensor<?x3xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>, tensor<?x2xi32>, tensor<4xi32>)
  // CHECK:      sizes = [2, 2]
  // CHECK-NEXT: [0.625, 0.25],
  // CHECK-NEXT: [0.5, 0.5]
  %u0 = tensor.cast %shares : tensor<?x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u0) : (tensor<*xf32>) -> ()
  // Expert 0 has token 1; 1 has both; 2 has token 0.
  // CHECK:      sizes = [2, 2]
  // CHECK-NEXT: [1, 3],
  // CHECK-NEXT: [0, 2]
  %u1 = tensor.cast %rows : tensor<?x2xi32> to tensor<*xi32>
  call @printMemrefI32(%u1) : (tensor<*xi32>) -> ()
  // CHECK:      sizes = [2, 2]
  // CHECK-NEXT: [1, 0],
  // CHECK-NEXT: [1, 0]
  %u2 = tensor.cast %tokens : tensor<?x2xi32> to tensor<*xi32>
  call @printMemrefI32(%u2) : (tensor<*xi32>) -> ()
  // CHECK:      sizes = [4]
  // CHECK-NEXT: [0, 1, 3, 4]
  %u3 = tensor.cast %experts : tensor<4xi32> to tensor<*xi32>
  call @printMemrefI32(%u3) : (tensor<*xi32>) -> ()

  // CHECK:      sizes = [2, 2]
  // CHECK-NEXT: [0.714286, 0.285714],
  // CHECK-NEXT: [0.5, 0.5]
  %n = call @normalized(%scoresd) : (tensor<?x3xf32>) -> tensor<?x2xf32>
  %u4 = tensor.cast %n : tensor<?x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u4) : (tensor<*xf32>) -> ()

  %x = arith.constant dense<[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]> : tensor<2x2x2xf32>
  %xd = tensor.cast %x : tensor<2x2x2xf32> to tensor<?x2x2xf32>
  // CHECK:      sizes = [2, 2, 1]
  // CHECK-NEXT: [1],
  // CHECK-NEXT: [3]
  // CHECK-NEXT: [11],
  // CHECK-NEXT: [15]
  %y = call @linear(%xd) : (tensor<?x2x2xf32>) -> tensor<?x2x1xf32>
  %u5 = tensor.cast %y : tensor<?x2x1xf32> to tensor<*xf32>
  call @printMemrefF32(%u5) : (tensor<*xf32>) -> ()
  return
}
