// RUN: quant-opt %s --lm-raise-linalg | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>
#swap = affine_map<(d0, d1) -> (d1, d0)>

// 0.5·x·(1 + erf(x·0.70710678)): not how torch-mlir writes it, the same function.
// CHECK-LABEL: func.func @gelu
//       CHECK: lm.activation gelu %{{.*}} : tensor<2x3xf32>
//   CHECK-NOT: linalg
func.func @gelu(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %c = arith.constant 0.707106769 : f32
  %e = tensor.empty() : tensor<2x3xf32>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<2x3xf32>) outs(%e : tensor<2x3xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.mulf %half, %a : f32
    %1 = arith.mulf %a, %c : f32
    %2 = math.erf %1 : f32
    %3 = arith.addf %one, %2 : f32
    %4 = arith.mulf %0, %3 : f32
    linalg.yield %4 : f32
  } -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}

// 0.7 instead of 0.7071 is another function.
// CHECK-LABEL: func.func @gelu_with_a_wrong_constant
//   CHECK-NOT: lm.
//       CHECK: math.erf
func.func @gelu_with_a_wrong_constant(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %c = arith.constant 0.7 : f32
  %e = tensor.empty() : tensor<2x3xf32>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<2x3xf32>) outs(%e : tensor<2x3xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.mulf %half, %a : f32
    %1 = arith.mulf %a, %c : f32
    %2 = math.erf %1 : f32
    %3 = arith.addf %one, %2 : f32
    %4 = arith.mulf %0, %3 : f32
    linalg.yield %4 : f32
  } -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}

// x·sigmoid(1.702·x) approximates gelu, but gelu it is not.
// CHECK-LABEL: func.func @quick_gelu
//   CHECK-NOT: lm.activation {{silu|gelu}}
//       CHECK: return
func.func @quick_gelu(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %one = arith.constant 1.0 : f32
  %c = arith.constant -1.702 : f32
  %e = tensor.empty() : tensor<2x3xf32>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<2x3xf32>) outs(%e : tensor<2x3xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.mulf %a, %c : f32
    %1 = math.exp %0 : f32
    %2 = arith.addf %1, %one : f32
    %3 = arith.divf %a, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}

// The sigmoid is a part of silu and a value of its own: both are recognised.
// CHECK-LABEL: func.func @silu_and_its_sigmoid
//   CHECK-DAG: lm.activation sigmoid %{{.*}}
//   CHECK-DAG: lm.activation silu %{{.*}}
//   CHECK-NOT: linalg
func.func @silu_and_its_sigmoid(%x: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %one = arith.constant 1.0 : f32
  %e = tensor.empty() : tensor<2x3xf32>
  %s = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<2x3xf32>) outs(%e : tensor<2x3xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.negf %a : f32
    %1 = math.exp %0 : f32
    %2 = arith.addf %1, %one : f32
    %3 = arith.divf %one, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<2x3xf32>
  %r = linalg.mul ins(%x, %s : tensor<2x3xf32>, tensor<2x3xf32>) outs(%e : tensor<2x3xf32>) -> tensor<2x3xf32>
  return %s, %r : tensor<2x3xf32>, tensor<2x3xf32>
}

// A gate: sigmoid of one tensor times another is no silu, and stays a product.
// CHECK-LABEL: func.func @gate
//       CHECK: %[[S:.+]] = lm.activation sigmoid
//   CHECK-NOT: lm.
//       CHECK: return
func.func @gate(%x: tensor<2x3xf32>, %y: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %one = arith.constant 1.0 : f32
  %e = tensor.empty() : tensor<2x3xf32>
  %s = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<2x3xf32>) outs(%e : tensor<2x3xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.negf %a : f32
    %1 = math.exp %0 : f32
    %2 = arith.addf %1, %one : f32
    %3 = arith.divf %one, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<2x3xf32>
  %r = linalg.mul ins(%y, %s : tensor<2x3xf32>, tensor<2x3xf32>) outs(%e : tensor<2x3xf32>) -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}

// max(x, 0) and its lookalikes: a leaky slope, a clamp at 6.
// CHECK-LABEL: func.func @relu
//       CHECK: lm.activation relu
func.func @relu(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x3xf32>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<2x3xf32>) outs(%e : tensor<2x3xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.maximumf %a, %zero : f32
    linalg.yield %0 : f32
  } -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}

// CHECK-LABEL: func.func @leaky_relu
//   CHECK-NOT: lm.
//       CHECK: arith.select
func.func @leaky_relu(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %zero = arith.constant 0.0 : f32
  %slope = arith.constant 0.01 : f32
  %e = tensor.empty() : tensor<2x3xf32>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<2x3xf32>) outs(%e : tensor<2x3xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.mulf %a, %slope : f32
    %1 = arith.cmpf ogt, %a, %zero : f32
    %2 = arith.select %1, %a, %0 : f32
    linalg.yield %2 : f32
  } -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}

// A clamp far outside of where functions are compared is seen all the same.
// CHECK-LABEL: func.func @clamped_relu
//   CHECK-NOT: lm.
//       CHECK: arith.minimumf
func.func @clamped_relu(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %zero = arith.constant 0.0 : f32
  %most = arith.constant 1.0e6 : f32
  %e = tensor.empty() : tensor<2x3xf32>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<2x3xf32>) outs(%e : tensor<2x3xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.maximumf %a, %zero : f32
    %1 = arith.minimumf %0, %most : f32
    linalg.yield %1 : f32
  } -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}

// An activation of the transposed tensor is not one of the tensor.
// CHECK-LABEL: func.func @transposed
//   CHECK-NOT: lm.
//       CHECK: math.tanh
func.func @transposed(%x: tensor<3x3xf32>) -> tensor<3x3xf32> {
  %e = tensor.empty() : tensor<3x3xf32>
  %r = linalg.generic {indexing_maps = [#swap, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<3x3xf32>) outs(%e : tensor<3x3xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = math.tanh %a : f32
    linalg.yield %0 : f32
  } -> tensor<3x3xf32>
  return %r : tensor<3x3xf32>
}
