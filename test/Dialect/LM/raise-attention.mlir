// RUN: quant-opt %s --lm-raise-linalg 2>&1 | FileCheck %s

// PyTorch's own forms, with all that stands around them, are in raise-torch.test.
// Here are two heads of four elements over three tokens, in the fewest operations,
// and what differs from attention in one thing. The remarks come first.

// CHECK: remark: softmax stays linalg, not lm.attention: the scores are no sums of products
// CHECK: remark: softmax stays linalg, not lm.attention: queries, keys and values are not [.., tokens, heads * size] with whole groups of heads
// CHECK: remark: softmax stays linalg, not lm.attention: the mask is not one [tokens, keys] for all heads and sequences
// CHECK: remark: softmax stays linalg, not lm.attention: the mask is scaled with the scores

#hij = affine_map<(h, i, j) -> (h, i, j)>
#ij = affine_map<(h, i, j) -> (i, j)>

// CHECK-LABEL: func.func @attention
//  CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<3x8xf32>, %[[K:[a-z0-9]+]]: tensor<3x8xf32>, %[[V:[a-z0-9]+]]: tensor<3x8xf32>
//       CHECK: %[[Y:.+]] = lm.attention %[[Q]], %[[K]], %[[V]] {heads = 2 : i64, kv_heads = 2 : i64, scale = 2.500000e-01 : f64}
//   CHECK-NOT: linalg
//       CHECK: return %[[Y]]
func.func @attention(%q: tensor<3x8xf32>, %k: tensor<3x8xf32>, %v: tensor<3x8xf32>) -> tensor<3x8xf32> {
  %zero = arith.constant 0.0 : f32
  %scale = arith.constant 0.25 : f32
  %eq = tensor.empty() : tensor<2x3x4xf32>
  %ek = tensor.empty() : tensor<2x4x3xf32>
  %es = tensor.empty() : tensor<2x3x3xf32>
  %q3 = tensor.expand_shape %q [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %k3 = tensor.expand_shape %k [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %v3 = tensor.expand_shape %v [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %qh = linalg.transpose ins(%q3 : tensor<3x2x4xf32>) outs(%eq : tensor<2x3x4xf32>) permutation = [1, 0, 2]
  %kh = linalg.transpose ins(%k3 : tensor<3x2x4xf32>) outs(%ek : tensor<2x4x3xf32>) permutation = [1, 2, 0]
  %vh = linalg.transpose ins(%v3 : tensor<3x2x4xf32>) outs(%eq : tensor<2x3x4xf32>) permutation = [1, 0, 2]
  %is = linalg.fill ins(%zero : f32) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %qk = linalg.batch_matmul ins(%qh, %kh : tensor<2x3x4xf32>, tensor<2x4x3xf32>) outs(%is : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %s = linalg.generic {indexing_maps = [#hij, #hij], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%qk : tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.mulf %a, %scale : f32
    linalg.yield %0 : f32
  } -> tensor<2x3x3xf32>
  %p = linalg.softmax dimension(2) ins(%s : tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %iy = linalg.fill ins(%zero : f32) outs(%eq : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %y = linalg.batch_matmul ins(%p, %vh : tensor<2x3x3xf32>, tensor<2x3x4xf32>) outs(%iy : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %ey = tensor.empty() : tensor<3x2x4xf32>
  %yt = linalg.transpose ins(%y : tensor<2x3x4xf32>) outs(%ey : tensor<3x2x4xf32>) permutation = [1, 0, 2]
  %r = tensor.collapse_shape %yt [[0], [1, 2]] : tensor<3x2x4xf32> into tensor<3x8xf32>
  return %r : tensor<3x8xf32>
}

// A mask [tokens, keys] is passed on; minus infinity hides what it hides here.
// CHECK-LABEL: func.func @masked
//  CHECK-SAME: %[[M:[a-z0-9]+]]: tensor<3x3xf32>)
//       CHECK: lm.attention %{{.*}}, %{{.*}}, %{{.*}} mask %[[M]] {heads = 2 : i64, kv_heads = 2 : i64, scale = 1.000000e+00 : f64}
//   CHECK-NOT: linalg
func.func @masked(%q: tensor<3x8xf32>, %k: tensor<3x8xf32>, %v: tensor<3x8xf32>, %m: tensor<3x3xf32>) -> tensor<3x8xf32> {
  %zero = arith.constant 0.0 : f32
  %eq = tensor.empty() : tensor<2x3x4xf32>
  %ek = tensor.empty() : tensor<2x4x3xf32>
  %es = tensor.empty() : tensor<2x3x3xf32>
  %q3 = tensor.expand_shape %q [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %k3 = tensor.expand_shape %k [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %v3 = tensor.expand_shape %v [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %qh = linalg.transpose ins(%q3 : tensor<3x2x4xf32>) outs(%eq : tensor<2x3x4xf32>) permutation = [1, 0, 2]
  %kh = linalg.transpose ins(%k3 : tensor<3x2x4xf32>) outs(%ek : tensor<2x4x3xf32>) permutation = [1, 2, 0]
  %vh = linalg.transpose ins(%v3 : tensor<3x2x4xf32>) outs(%eq : tensor<2x3x4xf32>) permutation = [1, 0, 2]
  %is = linalg.fill ins(%zero : f32) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %qk = linalg.batch_matmul ins(%qh, %kh : tensor<2x3x4xf32>, tensor<2x4x3xf32>) outs(%is : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %s = linalg.generic {indexing_maps = [#ij, #hij, #hij], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%m, %qk : tensor<3x3xf32>, tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.addf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<2x3x3xf32>
  %p = linalg.softmax dimension(2) ins(%s : tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %iy = linalg.fill ins(%zero : f32) outs(%eq : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %y = linalg.batch_matmul ins(%p, %vh : tensor<2x3x3xf32>, tensor<2x3x4xf32>) outs(%iy : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %ey = tensor.empty() : tensor<3x2x4xf32>
  %yt = linalg.transpose ins(%y : tensor<2x3x4xf32>) outs(%ey : tensor<3x2x4xf32>) permutation = [1, 0, 2]
  %r = tensor.collapse_shape %yt [[0], [1, 2]] : tensor<3x2x4xf32> into tensor<3x8xf32>
  return %r : tensor<3x8xf32>
}

// Positions that hide what comes later, here without a tensor for the mask.
// CHECK-LABEL: func.func @causal
//       CHECK: lm.attention %{{.*}}, %{{.*}}, %{{.*}} {causal, heads = 2
//   CHECK-NOT: linalg
func.func @causal(%q: tensor<3x8xf32>, %k: tensor<3x8xf32>, %v: tensor<3x8xf32>) -> tensor<3x8xf32> {
  %zero = arith.constant 0.0 : f32
  %low = arith.constant 0xFF800000 : f32
  %eq = tensor.empty() : tensor<2x3x4xf32>
  %ek = tensor.empty() : tensor<2x4x3xf32>
  %es = tensor.empty() : tensor<2x3x3xf32>
  %q3 = tensor.expand_shape %q [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %k3 = tensor.expand_shape %k [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %v3 = tensor.expand_shape %v [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %qh = linalg.transpose ins(%q3 : tensor<3x2x4xf32>) outs(%eq : tensor<2x3x4xf32>) permutation = [1, 0, 2]
  %kh = linalg.transpose ins(%k3 : tensor<3x2x4xf32>) outs(%ek : tensor<2x4x3xf32>) permutation = [1, 2, 0]
  %vh = linalg.transpose ins(%v3 : tensor<3x2x4xf32>) outs(%eq : tensor<2x3x4xf32>) permutation = [1, 0, 2]
  %is = linalg.fill ins(%zero : f32) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %qk = linalg.batch_matmul ins(%qh, %kh : tensor<2x3x4xf32>, tensor<2x4x3xf32>) outs(%is : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %s = linalg.generic {indexing_maps = [#hij, #hij], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%qk : tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) {
  ^bb0(%a: f32, %o: f32):
    %i = linalg.index 1 : index
    %j = linalg.index 2 : index
    %seen = arith.cmpi sle, %j, %i : index
    %0 = arith.select %seen, %a, %low : f32
    linalg.yield %0 : f32
  } -> tensor<2x3x3xf32>
  %p = linalg.softmax dimension(2) ins(%s : tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %iy = linalg.fill ins(%zero : f32) outs(%eq : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %y = linalg.batch_matmul ins(%p, %vh : tensor<2x3x3xf32>, tensor<2x3x4xf32>) outs(%iy : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %ey = tensor.empty() : tensor<3x2x4xf32>
  %yt = linalg.transpose ins(%y : tensor<2x3x4xf32>) outs(%ey : tensor<3x2x4xf32>) permutation = [1, 0, 2]
  %r = tensor.collapse_shape %yt [[0], [1, 2]] : tensor<3x2x4xf32> into tensor<3x8xf32>
  return %r : tensor<3x8xf32>
}

// Rows whose weights are no numbers, as all keys are hidden, become 0: what is
// compared is kept as a byte, as ONNX does.
// CHECK-LABEL: func.func @guarded
//       CHECK: %[[A:.+]] = lm.attention %{{.*}}, %{{.*}}, %{{.*}} mask %[[M:[a-z0-9]+]] {heads = 2
//       CHECK: %[[HIGHEST:.+]] = linalg.generic {{.*}} ins(%[[M]] : tensor<3x3xf32>)
//       CHECK: arith.maximumf
//       CHECK: linalg.generic {{.*}} ins(%[[HIGHEST]], %[[A]]
//       CHECK: arith.cmpf oeq
//       CHECK: arith.select
func.func @guarded(%q: tensor<3x8xf32>, %k: tensor<3x8xf32>, %v: tensor<3x8xf32>, %m: tensor<3x3xf32>) -> tensor<3x8xf32> {
  %zero = arith.constant 0.0 : f32
  %eq = tensor.empty() : tensor<2x3x4xf32>
  %ek = tensor.empty() : tensor<2x4x3xf32>
  %es = tensor.empty() : tensor<2x3x3xf32>
  %eb = tensor.empty() : tensor<2x3x3xi8>
  %q3 = tensor.expand_shape %q [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %k3 = tensor.expand_shape %k [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %v3 = tensor.expand_shape %v [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %qh = linalg.transpose ins(%q3 : tensor<3x2x4xf32>) outs(%eq : tensor<2x3x4xf32>) permutation = [1, 0, 2]
  %kh = linalg.transpose ins(%k3 : tensor<3x2x4xf32>) outs(%ek : tensor<2x4x3xf32>) permutation = [1, 2, 0]
  %vh = linalg.transpose ins(%v3 : tensor<3x2x4xf32>) outs(%eq : tensor<2x3x4xf32>) permutation = [1, 0, 2]
  %is = linalg.fill ins(%zero : f32) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %qk = linalg.batch_matmul ins(%qh, %kh : tensor<2x3x4xf32>, tensor<2x4x3xf32>) outs(%is : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %s = linalg.generic {indexing_maps = [#ij, #hij, #hij], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%m, %qk : tensor<3x3xf32>, tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.addf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<2x3x3xf32>
  %p = linalg.softmax dimension(2) ins(%s : tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %n = linalg.generic {indexing_maps = [#hij, #hij], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p : tensor<2x3x3xf32>) outs(%eb : tensor<2x3x3xi8>) {
  ^bb0(%a: f32, %o: i8):
    %0 = arith.cmpf uno, %a, %a : f32
    %1 = arith.extui %0 : i1 to i8
    linalg.yield %1 : i8
  } -> tensor<2x3x3xi8>
  %g = linalg.generic {indexing_maps = [#hij, #hij, #hij], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%n, %p : tensor<2x3x3xi8>, tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) {
  ^bb0(%a: i8, %b: f32, %o: f32):
    %c0 = arith.constant 0 : i8
    %0 = arith.cmpi ne, %a, %c0 : i8
    %1 = arith.select %0, %zero, %b : f32
    linalg.yield %1 : f32
  } -> tensor<2x3x3xf32>
  %iy = linalg.fill ins(%zero : f32) outs(%eq : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %y = linalg.batch_matmul ins(%g, %vh : tensor<2x3x3xf32>, tensor<2x3x4xf32>) outs(%iy : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %ey = tensor.empty() : tensor<3x2x4xf32>
  %yt = linalg.transpose ins(%y : tensor<2x3x4xf32>) outs(%ey : tensor<3x2x4xf32>) permutation = [1, 0, 2]
  %r = tensor.collapse_shape %yt [[0], [1, 2]] : tensor<3x2x4xf32> into tensor<3x8xf32>
  return %r : tensor<3x8xf32>
}

// Another condition is none that is known.
// CHECK-LABEL: func.func @guarded_by_order
//   CHECK-NOT: lm.attention
func.func @guarded_by_order(%q: tensor<3x8xf32>, %k: tensor<3x8xf32>, %v: tensor<3x8xf32>, %m: tensor<3x3xf32>) -> tensor<3x8xf32> {
  %zero = arith.constant 0.0 : f32
  %eq = tensor.empty() : tensor<2x3x4xf32>
  %ek = tensor.empty() : tensor<2x4x3xf32>
  %es = tensor.empty() : tensor<2x3x3xf32>
  %eb = tensor.empty() : tensor<2x3x3xi8>
  %q3 = tensor.expand_shape %q [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %k3 = tensor.expand_shape %k [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %v3 = tensor.expand_shape %v [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %qh = linalg.transpose ins(%q3 : tensor<3x2x4xf32>) outs(%eq : tensor<2x3x4xf32>) permutation = [1, 0, 2]
  %kh = linalg.transpose ins(%k3 : tensor<3x2x4xf32>) outs(%ek : tensor<2x4x3xf32>) permutation = [1, 2, 0]
  %vh = linalg.transpose ins(%v3 : tensor<3x2x4xf32>) outs(%eq : tensor<2x3x4xf32>) permutation = [1, 0, 2]
  %is = linalg.fill ins(%zero : f32) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %qk = linalg.batch_matmul ins(%qh, %kh : tensor<2x3x4xf32>, tensor<2x4x3xf32>) outs(%is : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %s = linalg.generic {indexing_maps = [#ij, #hij, #hij], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%m, %qk : tensor<3x3xf32>, tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.addf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<2x3x3xf32>
  %p = linalg.softmax dimension(2) ins(%s : tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %n = linalg.generic {indexing_maps = [#hij, #hij], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p : tensor<2x3x3xf32>) outs(%eb : tensor<2x3x3xi8>) {
  ^bb0(%a: f32, %o: i8):
    %0 = arith.cmpf ord, %a, %a : f32
    %1 = arith.extui %0 : i1 to i8
    linalg.yield %1 : i8
  } -> tensor<2x3x3xi8>
  %g = linalg.generic {indexing_maps = [#hij, #hij, #hij], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%n, %p : tensor<2x3x3xi8>, tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) {
  ^bb0(%a: i8, %b: f32, %o: f32):
    %c0 = arith.constant 0 : i8
    %0 = arith.cmpi ne, %a, %c0 : i8
    %1 = arith.select %0, %zero, %b : f32
    linalg.yield %1 : f32
  } -> tensor<2x3x3xf32>
  %iy = linalg.fill ins(%zero : f32) outs(%eq : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %y = linalg.batch_matmul ins(%g, %vh : tensor<2x3x3xf32>, tensor<2x3x4xf32>) outs(%iy : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %ey = tensor.empty() : tensor<3x2x4xf32>
  %yt = linalg.transpose ins(%y : tensor<2x3x4xf32>) outs(%ey : tensor<3x2x4xf32>) permutation = [1, 0, 2]
  %r = tensor.collapse_shape %yt [[0], [1, 2]] : tensor<3x2x4xf32> into tensor<3x8xf32>
  return %r : tensor<3x8xf32>
}

// The other way round: earlier keys are hidden.
// CHECK-LABEL: func.func @later_keys_only
//   CHECK-NOT: lm.attention
//       CHECK: linalg.softmax
func.func @later_keys_only(%q: tensor<3x8xf32>, %k: tensor<3x8xf32>, %v: tensor<3x8xf32>) -> tensor<3x8xf32> {
  %zero = arith.constant 0.0 : f32
  %low = arith.constant 0xFF800000 : f32
  %eq = tensor.empty() : tensor<2x3x4xf32>
  %ek = tensor.empty() : tensor<2x4x3xf32>
  %es = tensor.empty() : tensor<2x3x3xf32>
  %q3 = tensor.expand_shape %q [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %k3 = tensor.expand_shape %k [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %v3 = tensor.expand_shape %v [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %qh = linalg.transpose ins(%q3 : tensor<3x2x4xf32>) outs(%eq : tensor<2x3x4xf32>) permutation = [1, 0, 2]
  %kh = linalg.transpose ins(%k3 : tensor<3x2x4xf32>) outs(%ek : tensor<2x4x3xf32>) permutation = [1, 2, 0]
  %vh = linalg.transpose ins(%v3 : tensor<3x2x4xf32>) outs(%eq : tensor<2x3x4xf32>) permutation = [1, 0, 2]
  %is = linalg.fill ins(%zero : f32) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %qk = linalg.batch_matmul ins(%qh, %kh : tensor<2x3x4xf32>, tensor<2x4x3xf32>) outs(%is : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %s = linalg.generic {indexing_maps = [#hij, #hij], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%qk : tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) {
  ^bb0(%a: f32, %o: f32):
    %i = linalg.index 1 : index
    %j = linalg.index 2 : index
    %seen = arith.cmpi sge, %j, %i : index
    %0 = arith.select %seen, %a, %low : f32
    linalg.yield %0 : f32
  } -> tensor<2x3x3xf32>
  %p = linalg.softmax dimension(2) ins(%s : tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %iy = linalg.fill ins(%zero : f32) outs(%eq : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %y = linalg.batch_matmul ins(%p, %vh : tensor<2x3x3xf32>, tensor<2x3x4xf32>) outs(%iy : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %ey = tensor.empty() : tensor<3x2x4xf32>
  %yt = linalg.transpose ins(%y : tensor<2x3x4xf32>) outs(%ey : tensor<3x2x4xf32>) permutation = [1, 0, 2]
  %r = tensor.collapse_shape %yt [[0], [1, 2]] : tensor<3x2x4xf32> into tensor<3x8xf32>
  return %r : tensor<3x8xf32>
}

// Softmax over the queries instead of the keys. (Both are three.) No remark: no
// softmax over keys was found.
// CHECK-LABEL: func.func @softmax_over_queries
//   CHECK-NOT: lm.attention
//       CHECK: linalg.softmax dimension(1)
//       CHECK: linalg.batch_matmul
func.func @softmax_over_queries(%q: tensor<2x3x4xf32>, %k: tensor<2x4x3xf32>, %v: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
  %zero = arith.constant 0.0 : f32
  %eq = tensor.empty() : tensor<2x3x4xf32>
  %es = tensor.empty() : tensor<2x3x3xf32>
  %is = linalg.fill ins(%zero : f32) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %qk = linalg.batch_matmul ins(%q, %k : tensor<2x3x4xf32>, tensor<2x4x3xf32>) outs(%is : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %p = linalg.softmax dimension(1) ins(%qk : tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %iy = linalg.fill ins(%zero : f32) outs(%eq : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %y = linalg.batch_matmul ins(%p, %v : tensor<2x3x3xf32>, tensor<2x3x4xf32>) outs(%iy : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  return %y : tensor<2x3x4xf32>
}

// Something was computed after the heads had been moved to the front (here it is
// all arguments): they are moved back, and forth again for what comes after.
// CHECK-LABEL: func.func @heads_in_front
//  CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<2x3x4xf32>, %[[K:[a-z0-9]+]]: tensor<2x3x4xf32>, %[[V:[a-z0-9]+]]: tensor<2x3x4xf32>
//   CHECK-DAG: %[[QT:.+]] = linalg.transpose ins(%[[Q]] : tensor<2x3x4xf32>) {{.*}} permutation = [1, 0, 2]
//   CHECK-DAG: %[[KT:.+]] = linalg.transpose ins(%[[K]] : tensor<2x3x4xf32>) {{.*}} permutation = [1, 0, 2]
//   CHECK-DAG: %[[QM:.+]] = tensor.collapse_shape %[[QT]] {{\[\[}}0], [1, 2]]
//   CHECK-DAG: %[[KM:.+]] = tensor.collapse_shape %[[KT]] {{\[\[}}0], [1, 2]]
//       CHECK: %[[Y:.+]] = lm.attention %[[QM]], %[[KM]], %{{.*}} {heads = 2
//       CHECK: %[[YS:.+]] = tensor.expand_shape %[[Y]] {{\[\[}}0], [1, 2]] output_shape [3, 2, 4]
//       CHECK: linalg.transpose ins(%[[YS]] : tensor<3x2x4xf32>) {{.*}} permutation = [1, 0, 2]
func.func @heads_in_front(%q: tensor<2x3x4xf32>, %k: tensor<2x3x4xf32>, %v: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
  %zero = arith.constant 0.0 : f32
  %eq = tensor.empty() : tensor<2x3x4xf32>
  %es = tensor.empty() : tensor<2x3x3xf32>
  %ek = tensor.empty() : tensor<2x4x3xf32>
  %kt = linalg.transpose ins(%k : tensor<2x3x4xf32>) outs(%ek : tensor<2x4x3xf32>) permutation = [0, 2, 1]
  %is = linalg.fill ins(%zero : f32) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %qk = linalg.batch_matmul ins(%q, %kt : tensor<2x3x4xf32>, tensor<2x4x3xf32>) outs(%is : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %p = linalg.softmax dimension(2) ins(%qk : tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %iy = linalg.fill ins(%zero : f32) outs(%eq : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %y = linalg.batch_matmul ins(%p, %v : tensor<2x3x3xf32>, tensor<2x3x4xf32>) outs(%iy : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  return %y : tensor<2x3x4xf32>
}

// Values of five elements for keys of four: lm.attention has one size of heads.
// CHECK-LABEL: func.func @wider_values
//   CHECK-NOT: lm.attention
//       CHECK: linalg.softmax
func.func @wider_values(%q: tensor<2x3x4xf32>, %k: tensor<2x3x4xf32>, %v: tensor<2x3x5xf32>) -> tensor<2x3x5xf32> {
  %zero = arith.constant 0.0 : f32
  %eq = tensor.empty() : tensor<2x3x5xf32>
  %es = tensor.empty() : tensor<2x3x3xf32>
  %ek = tensor.empty() : tensor<2x4x3xf32>
  %kt = linalg.transpose ins(%k : tensor<2x3x4xf32>) outs(%ek : tensor<2x4x3xf32>) permutation = [0, 2, 1]
  %is = linalg.fill ins(%zero : f32) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %qk = linalg.batch_matmul ins(%q, %kt : tensor<2x3x4xf32>, tensor<2x4x3xf32>) outs(%is : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %p = linalg.softmax dimension(2) ins(%qk : tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %iy = linalg.fill ins(%zero : f32) outs(%eq : tensor<2x3x5xf32>) -> tensor<2x3x5xf32>
  %y = linalg.batch_matmul ins(%p, %v : tensor<2x3x3xf32>, tensor<2x3x5xf32>) outs(%iy : tensor<2x3x5xf32>) -> tensor<2x3x5xf32>
  return %y : tensor<2x3x5xf32>
}

// Each head has a mask of its own.
// CHECK-LABEL: func.func @mask_per_head
//   CHECK-NOT: lm.attention
//       CHECK: linalg.softmax
func.func @mask_per_head(%q: tensor<3x8xf32>, %k: tensor<3x8xf32>, %v: tensor<3x8xf32>, %m: tensor<2x3x3xf32>) -> tensor<3x8xf32> {
  %zero = arith.constant 0.0 : f32
  %eq = tensor.empty() : tensor<2x3x4xf32>
  %ek = tensor.empty() : tensor<2x4x3xf32>
  %es = tensor.empty() : tensor<2x3x3xf32>
  %q3 = tensor.expand_shape %q [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %k3 = tensor.expand_shape %k [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %v3 = tensor.expand_shape %v [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %qh = linalg.transpose ins(%q3 : tensor<3x2x4xf32>) outs(%eq : tensor<2x3x4xf32>) permutation = [1, 0, 2]
  %kh = linalg.transpose ins(%k3 : tensor<3x2x4xf32>) outs(%ek : tensor<2x4x3xf32>) permutation = [1, 2, 0]
  %vh = linalg.transpose ins(%v3 : tensor<3x2x4xf32>) outs(%eq : tensor<2x3x4xf32>) permutation = [1, 0, 2]
  %is = linalg.fill ins(%zero : f32) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %qk = linalg.batch_matmul ins(%qh, %kh : tensor<2x3x4xf32>, tensor<2x4x3xf32>) outs(%is : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %s = linalg.generic {indexing_maps = [#hij, #hij, #hij], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%m, %qk : tensor<2x3x3xf32>, tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.addf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<2x3x3xf32>
  %p = linalg.softmax dimension(2) ins(%s : tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %iy = linalg.fill ins(%zero : f32) outs(%eq : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %y = linalg.batch_matmul ins(%p, %vh : tensor<2x3x3xf32>, tensor<2x3x4xf32>) outs(%iy : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %ey = tensor.empty() : tensor<3x2x4xf32>
  %yt = linalg.transpose ins(%y : tensor<2x3x4xf32>) outs(%ey : tensor<3x2x4xf32>) permutation = [1, 0, 2]
  %r = tensor.collapse_shape %yt [[0], [1, 2]] : tensor<3x2x4xf32> into tensor<3x8xf32>
  return %r : tensor<3x8xf32>
}

// The mask is multiplied as well.
// CHECK-LABEL: func.func @scaled_mask
//   CHECK-NOT: lm.attention
//       CHECK: linalg.softmax
func.func @scaled_mask(%q: tensor<3x8xf32>, %k: tensor<3x8xf32>, %v: tensor<3x8xf32>, %m: tensor<3x3xf32>) -> tensor<3x8xf32> {
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %eq = tensor.empty() : tensor<2x3x4xf32>
  %ek = tensor.empty() : tensor<2x4x3xf32>
  %es = tensor.empty() : tensor<2x3x3xf32>
  %q3 = tensor.expand_shape %q [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %k3 = tensor.expand_shape %k [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %v3 = tensor.expand_shape %v [[0], [1, 2]] output_shape [3, 2, 4] : tensor<3x8xf32> into tensor<3x2x4xf32>
  %qh = linalg.transpose ins(%q3 : tensor<3x2x4xf32>) outs(%eq : tensor<2x3x4xf32>) permutation = [1, 0, 2]
  %kh = linalg.transpose ins(%k3 : tensor<3x2x4xf32>) outs(%ek : tensor<2x4x3xf32>) permutation = [1, 2, 0]
  %vh = linalg.transpose ins(%v3 : tensor<3x2x4xf32>) outs(%eq : tensor<2x3x4xf32>) permutation = [1, 0, 2]
  %is = linalg.fill ins(%zero : f32) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %qk = linalg.batch_matmul ins(%qh, %kh : tensor<2x3x4xf32>, tensor<2x4x3xf32>) outs(%is : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %s = linalg.generic {indexing_maps = [#ij, #hij, #hij], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%m, %qk : tensor<3x3xf32>, tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.addf %a, %b : f32
    %1 = arith.mulf %0, %half : f32
    linalg.yield %1 : f32
  } -> tensor<2x3x3xf32>
  %p = linalg.softmax dimension(2) ins(%s : tensor<2x3x3xf32>) outs(%es : tensor<2x3x3xf32>) -> tensor<2x3x3xf32>
  %iy = linalg.fill ins(%zero : f32) outs(%eq : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %y = linalg.batch_matmul ins(%p, %vh : tensor<2x3x3xf32>, tensor<2x3x4xf32>) outs(%iy : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %ey = tensor.empty() : tensor<3x2x4xf32>
  %yt = linalg.transpose ins(%y : tensor<2x3x4xf32>) outs(%ey : tensor<3x2x4xf32>) permutation = [1, 0, 2]
  %r = tensor.collapse_shape %yt [[0], [1, 2]] : tensor<3x2x4xf32> into tensor<3x8xf32>
  return %r : tensor<3x8xf32>
}
