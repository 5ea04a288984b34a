// RUN: quant-opt %s --lm-raise-linalg | FileCheck %s

// A weight [N, K] with its transposition, a zero start, a bias by broadcast: what
// PyTorch's Linear is exported as. The leading dimensions stay collapsed, since a
// batch of 2 cannot be dropped.
// CHECK-LABEL: func.func @linear_with_bias
//  CHECK-SAME: %[[X:.+]]: tensor<2x6x4xf32>, %[[W:.+]]: tensor<3x4xf32>, %[[B:.+]]: tensor<3xf32>
//       CHECK: %[[ROWS:.+]] = tensor.collapse_shape %[[X]]
//       CHECK: %[[Y:.+]] = lm.linear %[[ROWS]], %[[W]] bias %[[B]] : tensor<12x4xf32>
//   CHECK-NOT: linalg
//       CHECK: tensor.expand_shape %[[Y]]
func.func @linear_with_bias(%x: tensor<2x6x4xf32>, %w: tensor<3x4xf32>, %b: tensor<3xf32>) -> tensor<2x6x3xf32> {
  %zero = arith.constant 0.0 : f32
  %rows = tensor.collapse_shape %x [[0, 1], [2]] : tensor<2x6x4xf32> into tensor<12x4xf32>
  %e = tensor.empty() : tensor<4x3xf32>
  %wt = linalg.transpose ins(%w : tensor<3x4xf32>) outs(%e : tensor<4x3xf32>) permutation = [1, 0]
  %out = tensor.empty() : tensor<12x3xf32>
  %init = linalg.fill ins(%zero : f32) outs(%out : tensor<12x3xf32>) -> tensor<12x3xf32>
  %y = linalg.matmul ins(%rows, %wt : tensor<12x4xf32>, tensor<4x3xf32>) outs(%init : tensor<12x3xf32>) -> tensor<12x3xf32>
  %bias = linalg.broadcast ins(%b : tensor<3xf32>) outs(%out : tensor<12x3xf32>) dimensions = [0]
  %sum = linalg.add ins(%y, %bias : tensor<12x3xf32>, tensor<12x3xf32>) outs(%out : tensor<12x3xf32>) -> tensor<12x3xf32>
  %r = tensor.expand_shape %sum [[0, 1], [2]] output_shape [2, 6, 3] : tensor<12x3xf32> into tensor<2x6x3xf32>
  return %r : tensor<2x6x3xf32>
}

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

// The same formula as one generic without a transposition, of dynamic size.
// CHECK-LABEL: func.func @generic_contraction
//       CHECK: lm.linear %{{.*}}, %{{.*}} : tensor<?x4xf32>, tensor<3x4xf32> -> tensor<?x3xf32>
//   CHECK-NOT: linalg
func.func @generic_contraction(%x: tensor<?x4xf32>, %w: tensor<3x4xf32>) -> tensor<?x3xf32> {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %out = tensor.empty(%n) : tensor<?x3xf32>
  %init = linalg.fill ins(%zero : f32) outs(%out : tensor<?x3xf32>) -> tensor<?x3xf32>
  %r = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : tensor<?x4xf32>, tensor<3x4xf32>) outs(%init : tensor<?x3xf32>) {
  ^bb0(%a: f32, %b: f32, %acc: f32):
    %p = arith.mulf %a, %b : f32
    %s = arith.addf %acc, %p : f32
    linalg.yield %s : f32
  } -> tensor<?x3xf32>
  return %r : tensor<?x3xf32>
}

// Accumulating into the bias, with the weight on the left of the product; and a
// batch of one, which moves out of the way.
// CHECK-LABEL: func.func @bias_as_start
//  CHECK-SAME: %[[X:.+]]: tensor<1x6x4xf32>, %[[W:.+]]: tensor<3x4xf32>, %[[B:.+]]: tensor<3xf32>
//       CHECK: %[[ROWS:.+]] = tensor.collapse_shape %[[X]] {{\[\[}}0, 1], [2]]
//       CHECK: %[[Y:.+]] = lm.linear %[[ROWS]], %[[W]] bias %[[B]]
//       CHECK: tensor.expand_shape %[[Y]] {{\[\[}}0, 1], [2]] output_shape [1, 6, 3]
func.func @bias_as_start(%x: tensor<1x6x4xf32>, %w: tensor<3x4xf32>, %b: tensor<3xf32>) -> tensor<1x6x3xf32> {
  %out = tensor.empty() : tensor<1x6x3xf32>
  %init = linalg.broadcast ins(%b : tensor<3xf32>) outs(%out : tensor<1x6x3xf32>) dimensions = [0, 1]
  %r = linalg.generic {indexing_maps = [affine_map<(b, m, n, k) -> (n, k)>, affine_map<(b, m, n, k) -> (b, m, k)>, affine_map<(b, m, n, k) -> (b, m, n)>],
                       iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%w, %x : tensor<3x4xf32>, tensor<1x6x4xf32>) outs(%init : tensor<1x6x3xf32>) {
  ^bb0(%a: f32, %c: f32, %acc: f32):
    %p = arith.mulf %a, %c : f32
    %s = arith.addf %p, %acc : f32
    linalg.yield %s : f32
  } -> tensor<1x6x3xf32>
  return %r : tensor<1x6x3xf32>
}

// A constant [K, N] is transposed for the linear.
// CHECK-LABEL: func.func @constant_the_other_way
//       CHECK: %[[W:.+]] = arith.constant dense<{{.*}}> : tensor<2x3xf32>
//       CHECK: %[[T:.+]] = linalg.transpose ins(%[[W]] : tensor<2x3xf32>)
//       CHECK: lm.linear %{{.*}}, %[[T]] : tensor<5x2xf32>, tensor<3x2xf32> -> tensor<5x3xf32>
func.func @constant_the_other_way(%x: tensor<5x2xf32>) -> tensor<5x3xf32> {
  %w = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %zero = arith.constant 0.0 : f32
  %out = tensor.empty() : tensor<5x3xf32>
  %init = linalg.fill ins(%zero : f32) outs(%out : tensor<5x3xf32>) -> tensor<5x3xf32>
  %r = linalg.matmul ins(%x, %w : tensor<5x2xf32>, tensor<2x3xf32>) outs(%init : tensor<5x3xf32>) -> tensor<5x3xf32>
  return %r : tensor<5x3xf32>
}

// The bias of a product that is needed without it as well stays an addition.
// CHECK-LABEL: func.func @product_used_twice
//       CHECK: %[[Y:.+]] = lm.linear %{{.*}}, %{{.*}} : tensor
//       CHECK: %[[SUM:.+]] = arith.addf %[[Y]], %{{.*}} : tensor<5x3xf32>
//       CHECK: return %[[Y]], %[[SUM]]
func.func @product_used_twice(%x: tensor<5x2xf32>, %w: tensor<3x2xf32>, %b: tensor<3xf32>) -> (tensor<5x3xf32>, tensor<5x3xf32>) {
  %zero = arith.constant 0.0 : f32
  %out = tensor.empty() : tensor<5x3xf32>
  %init = linalg.fill ins(%zero : f32) outs(%out : tensor<5x3xf32>) -> tensor<5x3xf32>
  %y = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : tensor<5x2xf32>, tensor<3x2xf32>) outs(%init : tensor<5x3xf32>) {
  ^bb0(%a: f32, %c: f32, %acc: f32):
    %p = arith.mulf %a, %c : f32
    %s = arith.addf %acc, %p : f32
    linalg.yield %s : f32
  } -> tensor<5x3xf32>
  %bias = linalg.broadcast ins(%b : tensor<3xf32>) outs(%out : tensor<5x3xf32>) dimensions = [0]
  %sum = linalg.add ins(%y, %bias : tensor<5x3xf32>, tensor<5x3xf32>) outs(%out : tensor<5x3xf32>) -> tensor<5x3xf32>
  return %y, %sum : tensor<5x3xf32>, tensor<5x3xf32>
}

// A [K, N] that is computed would have to be transposed when the program runs.
// CHECK-LABEL: func.func @no_weight
//   CHECK-NOT: lm.
//       CHECK: linalg.matmul
func.func @no_weight(%x: tensor<5x2xf32>, %w: tensor<2x3xf32>) -> tensor<5x3xf32> {
  %zero = arith.constant 0.0 : f32
  %out = tensor.empty() : tensor<5x3xf32>
  %init = linalg.fill ins(%zero : f32) outs(%out : tensor<5x3xf32>) -> tensor<5x3xf32>
  %r = linalg.matmul ins(%x, %w : tensor<5x2xf32>, tensor<2x3xf32>) outs(%init : tensor<5x3xf32>) -> tensor<5x3xf32>
  return %r : tensor<5x3xf32>
}

// Accumulating into a whole tensor is not a bias.
// CHECK-LABEL: func.func @accumulates
//   CHECK-NOT: lm.
//       CHECK: linalg.generic
func.func @accumulates(%x: tensor<5x2xf32>, %w: tensor<3x2xf32>, %y: tensor<5x3xf32>) -> tensor<5x3xf32> {
  %r = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : tensor<5x2xf32>, tensor<3x2xf32>) outs(%y : tensor<5x3xf32>) {
  ^bb0(%a: f32, %c: f32, %acc: f32):
    %p = arith.mulf %a, %c : f32
    %s = arith.addf %acc, %p : f32
    linalg.yield %s : f32
  } -> tensor<5x3xf32>
  return %r : tensor<5x3xf32>
}

// A maximum of products has the shape of a product, but is none.
// CHECK-LABEL: func.func @maximum_of_products
//   CHECK-NOT: lm.
func.func @maximum_of_products(%x: tensor<5x2xf32>, %w: tensor<3x2xf32>) -> tensor<5x3xf32> {
  %zero = arith.constant 0.0 : f32
  %out = tensor.empty() : tensor<5x3xf32>
  %init = linalg.fill ins(%zero : f32) outs(%out : tensor<5x3xf32>) -> tensor<5x3xf32>
  %r = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : tensor<5x2xf32>, tensor<3x2xf32>) outs(%init : tensor<5x3xf32>) {
  ^bb0(%a: f32, %c: f32, %acc: f32):
    %p = arith.mulf %a, %c : f32
    %s = arith.maximumf %acc, %p : f32
    linalg.yield %s : f32
  } -> tensor<5x3xf32>
  return %r : tensor<5x3xf32>
}
