// RUN: quant-opt %s --lm-to-linalg | FileCheck %s
// RUN: not quant-opt %S/Inputs/cache-with-batch.mlir --lm-to-linalg 2>&1 | FileCheck %s --check-prefix=BATCH

// What is computed is checked with numbers in run-*.mlir; here is the form.

// One multiply-add per (row, n, k), then the bias.
// CHECK-DAG: #[[X:.+]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[W:.+]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-DAG: #[[Y:.+]] = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-LABEL: func.func @linear
//  CHECK-SAME: %[[X_:[a-z0-9]+]]: tensor<?x4xf32>, %[[W_:[a-z0-9]+]]: tensor<3x4xf32>, %[[B_:[a-z0-9]+]]: tensor<3xf32>
//       CHECK: %[[SUM:.+]] = linalg.generic {indexing_maps = [#[[X]], #[[W]], #[[Y]]], iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[X_]], %[[W_]]
//       CHECK: linalg.generic {{.*}} ins(%[[SUM]], %[[B_]]
//   CHECK-NOT: lm.
func.func @linear(%x: tensor<?x4xf32>, %w: tensor<3x4xf32>, %b: tensor<3xf32>) -> tensor<?x3xf32> {
  %0 = lm.linear %x, %w bias %b : tensor<?x4xf32>, tensor<3x4xf32>, tensor<3xf32> -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

// A table of f16 is read as it is, the result has its own type.
// CHECK-LABEL: func.func @embedding
//       CHECK: linalg.generic {{.*}} ins(%{{.*}} : tensor<?x2xi32>)
//       CHECK: tensor.extract %{{.*}}[%{{.*}}, %{{.*}}] : tensor<3x4xf16>
//       CHECK: arith.extf
func.func @embedding(%ids: tensor<?x2xi32>, %table: tensor<3x4xf16>) -> tensor<?x2x4xf32> {
  %0 = lm.embedding %ids, %table : tensor<?x2xi32>, tensor<3x4xf16> -> tensor<?x2x4xf32>
  return %0 : tensor<?x2x4xf32>
}

// Halves are extended as they are read and rounded once, at the end.
// CHECK-LABEL: func.func @norm_of_halves
//       CHECK: linalg.generic
//       CHECK: arith.extf %{{.*}} : f16 to f32
//       CHECK: arith.mulf %{{.*}} : f32
//       CHECK: linalg.generic
//       CHECK: arith.divf %{{.*}} : f32
//       CHECK: linalg.generic
//       CHECK: math.sqrt %{{.*}} : f32
// CHECK-COUNT-1: arith.truncf %{{.*}} : f32 to f16
//   CHECK-NOT: arith.truncf
//       CHECK: return
func.func @norm_of_halves(%x: tensor<?x4xf16>, %gain: tensor<4xf32>) -> tensor<?x4xf16> {
  %0 = lm.rms_norm %x, %gain {eps = 1.0e-5} : tensor<?x4xf16>, tensor<4xf32>
  return %0 : tensor<?x4xf16>
}

// f64 stays f64.
// CHECK-LABEL: func.func @doubles
//   CHECK-NOT: f32
//       CHECK: math.exp %{{.*}} : f64
//   CHECK-NOT: f32
//       CHECK: return
func.func @doubles(%x: tensor<?xf64>) -> tensor<?xf64> {
  %0 = lm.activation silu %x : tensor<?xf64>
  return %0 : tensor<?xf64>
}

// The cache becomes a memref, in signatures, calls and loops; new keys and values
// are written before all are read.
// CHECK-LABEL: func.func @cache
//  CHECK-SAME: %[[CACHE:[a-z0-9]+]]: memref<3x2x2x?x4xf16>
//       CHECK: scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}, %[[HANDLE:.+]] = %[[CACHE]]) -> (tensor<?x16xf32>, memref<3x2x2x?x4xf16>)
//       CHECK: %[[NEW:.+]] = memref.subview %[[HANDLE]][1, 0, 0, %[[P:.+]], 0] [1, 1, 2, %[[T:.+]], 4] [1, 1, 1, 1, 1]
//       CHECK: bufferization.materialize_in_destination %{{.*}} in restrict writable %[[NEW]]
//       CHECK: %[[END:.+]] = arith.addi %[[P]], %[[T]]
//       CHECK: %[[ALL:.+]] = memref.subview %[[HANDLE]][1, 0, 0, 0, 0] [1, 1, 2, %[[END]], 4] [1, 1, 1, 1, 1]
//       CHECK: bufferization.to_tensor %[[ALL]] restrict
//       CHECK: memref.subview %[[HANDLE]][1, 1, 0, %[[P]], 0]
//       CHECK: bufferization.materialize_in_destination
//       CHECK: memref.subview %[[HANDLE]][1, 1, 0, 0, 0]
//       CHECK: bufferization.to_tensor
func.func @cache(%q: tensor<?x16xf32>, %k: tensor<?x8xf32>, %position: index, %cache: !lm.kv_cache<3 x 2 x 4 x f16>) -> tensor<?x16xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0, %1 = scf.for %i = %c0 to %position step %c1 iter_args(%x = %q, %c = %cache) -> (tensor<?x16xf32>, !lm.kv_cache<3 x 2 x 4 x f16>) {
    %2 = lm.attention %x, %k, %k cache %c[1] at %position {causal, heads = 4, kv_heads = 2, scale = 0.5} : tensor<?x16xf32>, tensor<?x8xf32>, tensor<?x8xf32>, !lm.kv_cache<3 x 2 x 4 x f16>
    scf.yield %2, %c : tensor<?x16xf32>, !lm.kv_cache<3 x 2 x 4 x f16>
  }
  return %0 : tensor<?x16xf32>
}

// CHECK-LABEL: func.func @caller
//       CHECK: call @cache({{.*}}, memref<3x2x2x?x4xf16>) -> tensor<?x16xf32>
//       CHECK: return {{.*}} : memref<3x2x2x?x4xf16>
func.func @caller(%q: tensor<?x16xf32>, %k: tensor<?x8xf32>, %position: index, %cache: !lm.kv_cache<3 x 2 x 4 x f16>) -> !lm.kv_cache<3 x 2 x 4 x f16> {
  %0 = call @cache(%q, %k, %position, %cache) : (tensor<?x16xf32>, tensor<?x8xf32>, index, !lm.kv_cache<3 x 2 x 4 x f16>) -> tensor<?x16xf32>
  return %cache : !lm.kv_cache<3 x 2 x 4 x f16>
}

// BATCH: error: 'lm.attention' op with a cache is lowered on [tokens, heads * head_size] only, got 'tensor<2x?x4xf32>'
