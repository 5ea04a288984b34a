// RUN: quant-opt %s --cpu-expand=target=cpu:x86-64-v4+vnni --canonicalize --cse --split-input-file | FileCheck %s

#row = affine_map<(d0) -> (d0)>

// 2^n is added to the exponent of a polynomial; no power is looked up. Beyond the
// range of floats there are zero and infinity.
// CHECK-LABEL: func.func @exp(
//   CHECK-DAG: %[[LOW:.+]] = arith.constant dense<-8.730000e+01> : vector<16xf32>
//   CHECK-DAG: %[[C23:.+]] = arith.constant dense<23> : vector<16xi32>
//       CHECK: %[[X:.+]] = vector.load
//       CHECK: %[[SHIFTED:.+]] = math.fma %[[X]],
// CHECK-COUNT-6: math.fma
//       CHECK: arith.shli %{{.*}}, %[[C23]]
//       CHECK: arith.cmpf olt, %[[X]], %[[LOW]]
//   CHECK-NOT: arith.divf
//   CHECK-NOT: math.exp
func.func @exp(%x: memref<32xf32>, %out: memref<32xf32>, %thread: index, %threads: index) {
  linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel"]} ins(%x : memref<32xf32>) outs(%out : memref<32xf32>) {
  ^bb0(%in: f32, %old: f32):
    %0 = math.exp %in : f32
    linalg.yield %0 : f32
  }
  return
}

// -----

#row = affine_map<(d0) -> (d0)>

// An odd polynomial of what lies between the ends, beyond which erf is 1 or -1.
// CHECK-LABEL: func.func @erf(
//       CHECK: arith.constant dense<3.750000e+00> : vector<16xf32>
// CHECK-COUNT-14: math.fma
//   CHECK-NOT: arith.divf
//   CHECK-NOT: math.e
func.func @erf(%x: memref<32xf32>, %out: memref<32xf32>, %thread: index, %threads: index) {
  linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel"]} ins(%x : memref<32xf32>) outs(%out : memref<32xf32>) {
  ^bb0(%in: f32, %old: f32):
    %0 = math.erf %in : f32
    linalg.yield %0 : f32
  }
  return
}
