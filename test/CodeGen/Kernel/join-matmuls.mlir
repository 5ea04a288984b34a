// RUN: quant-opt %s --kernel-join-matmuls --split-input-file | FileCheck %s

// A panel of 16 rows has 256 bytes of codes and 32 of scales: 288.
!q = !qt.tensor<32x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>
!k = !qt.tensor<16x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>

// Three that follow each other, with their readers between them, become one of
// 32 + 16 + 16 rows where the first was. v is read as a tensor.
// CHECK-LABEL: func.func @qkv(
//  CHECK-SAME: %[[CODES:.+]]: memref<?x8xi32>, %[[SCALES:.+]]: memref<?x1xf32>, %[[SUMS:.+]]: memref<?x1xi32>, %[[WEIGHTS:.+]]: memref<?xi8>, %[[ROWS:.+]]: index, %[[POSITION:.+]]: index
//       CHECK: %[[OUT:.+]] = memref.alloc(%[[ROWS]]) : memref<?x64xf32>
//   CHECK-DAG: %[[Q:.+]] = memref.subview %[[OUT]][0, 0] [%[[ROWS]], 32] [1, 1] : memref<?x64xf32> to memref<?x32xf32, strided<[64, 1]>>
//   CHECK-DAG: %[[K:.+]] = memref.subview %[[OUT]][0, 32] [%[[ROWS]], 16] [1, 1] : memref<?x64xf32> to memref<?x16xf32, strided<[64, 1], offset: 32>>
//   CHECK-DAG: %[[V:.+]] = memref.subview %[[OUT]][0, 48] [%[[ROWS]], 16] [1, 1] : memref<?x64xf32> to memref<?x16xf32, strided<[64, 1], offset: 48>>
//       CHECK: kernel.matmul_int %[[CODES]], %[[SCALES]], %[[SUMS]], %[[WEIGHTS]][%c64] into %[[OUT]] {group = 32 : i64, type = !qt.tensor<64x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>}
//       CHECK: kernel.rope %[[Q]]
//   CHECK-NOT: kernel.matmul_int
//       CHECK: kernel.rope %[[K]]
//   CHECK-NOT: kernel.matmul_int
//       CHECK: bufferization.to_tensor %[[V]]
func.func @qkv(%codes: memref<?x8xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %rows: index, %position: index, %q1: memref<?x32xf32>, %k1: memref<?x16xf32>) -> tensor<?x16xf32> {
  %c64 = arith.constant 64 : index
  %c640 = arith.constant 640 : index
  %c928 = arith.constant 928 : index
  %q = memref.alloc(%rows) : memref<?x32xf32>
  kernel.matmul_int %codes, %scales, %sums, %weights[%c64] into %q {type = !q, group = 32} : memref<?x8xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x32xf32>
  kernel.rope %q at %position into %q1 {base = 1.0e4 : f64, headSize = 16 : i64, rotarySize = 16 : i64, style = #lm.rope_style<half>} : memref<?x32xf32> into memref<?x32xf32>
  %k = memref.alloc(%rows) : memref<?x16xf32>
  kernel.matmul_int %codes, %scales, %sums, %weights[%c640] into %k {type = !k, group = 32} : memref<?x8xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x16xf32>
  kernel.rope %k at %position into %k1 {base = 1.0e4 : f64, headSize = 16 : i64, rotarySize = 16 : i64, style = #lm.rope_style<half>} : memref<?x16xf32> into memref<?x16xf32>
  %v = memref.alloc(%rows) : memref<?x16xf32>
  kernel.matmul_int %codes, %scales, %sums, %weights[%c928] into %v {type = !k, group = 32} : memref<?x8xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x16xf32>
  %t = bufferization.to_tensor %v restrict : memref<?x16xf32> to tensor<?x16xf32>
  %r = math.absf %t : tensor<?x16xf32>
  return %r : tensor<?x16xf32>
}

// -----

// Floats multiply as well: 16 x 32 halves are 1024 bytes. Another activation begins
// another matmul.
!w = !qt.tensor<16x32xf32, #qt.float<f16>, #qt.panels<lanes = 16, vectors = 1, depth = 1, group = 32>>

// CHECK-LABEL: func.func @floats(
//  CHECK-SAME: %[[X:.+]]: memref<4x32xf32>, %[[Y:.+]]: memref<4x32xf32>,
//       CHECK: kernel.matmul_float %[[X]], %{{.+}}[%c0] into %{{.+}} {type = !qt.tensor<32x32xf32,
//       CHECK: kernel.matmul_float %[[Y]], %{{.+}}[%c2048] into %{{.+}} {type = !qt.tensor<16x32xf32,
//   CHECK-NOT: kernel.matmul_float
func.func @floats(%x: memref<4x32xf32>, %y: memref<4x32xf32>, %weights: memref<?xi8>, %gain: memref<16xf32>, %out: memref<4x16xf32>) {
  %c0 = arith.constant 0 : index
  %c1024 = arith.constant 1024 : index
  %c2048 = arith.constant 2048 : index
  %a = memref.alloc() : memref<4x16xf32>
  %b = memref.alloc() : memref<4x16xf32>
  %c = memref.alloc() : memref<4x16xf32>
  kernel.matmul_float %x, %weights[%c0] into %a {type = !w} : memref<4x32xf32>, memref<?xi8>, index, memref<4x16xf32>
  kernel.matmul_float %x, %weights[%c1024] into %b {type = !w} : memref<4x32xf32>, memref<?xi8>, index, memref<4x16xf32>
  kernel.matmul_float %y, %weights[%c2048] into %c {type = !w} : memref<4x32xf32>, memref<?xi8>, index, memref<4x16xf32>
  kernel.rms_norm %a, %gain into %out {eps = 1.0e-5} : memref<4x16xf32>, memref<16xf32>, memref<4x16xf32>
  kernel.rms_norm %b, %gain into %out {eps = 1.0e-5} : memref<4x16xf32>, memref<16xf32>, memref<4x16xf32>
  kernel.rms_norm %c, %gain into %out {eps = 1.0e-5} : memref<4x16xf32>, memref<16xf32>, memref<4x16xf32>
  return
}

// -----

!w = !qt.tensor<16x32xf32, #qt.float<f16>, #qt.panels<lanes = 16, vectors = 1, depth = 1, group = 32>>
!s = !qt.tensor<16x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>
!part = !qt.tensor<8x32xf32, #qt.float<f16>, #qt.panels<lanes = 16, vectors = 1, depth = 1, group = 32>>

// What keeps them apart, in this order: a gap; another format; a row of the last
// panel that is missing; a bias; a residual; a result that is the function's.
// CHECK-LABEL: func.func @apart(
//   CHECK-NOT: memref.subview
//       CHECK: return
func.func @apart(%x: memref<4x32xf32>, %weights: memref<?xi8>, %gain: memref<16xf32>, %out: memref<4x16xf32>) -> memref<4x16xf32> {
  %c0 = arith.constant 0 : index
  %c1088 = arith.constant 1088 : index
  %c2112 = arith.constant 2112 : index
  %c2400 = arith.constant 2400 : index
  %c3424 = arith.constant 3424 : index
  %c4448 = arith.constant 4448 : index
  %c5472 = arith.constant 5472 : index
  %c6496 = arith.constant 6496 : index
  %c7520 = arith.constant 7520 : index
  %a = memref.alloc() : memref<4x16xf32>
  kernel.matmul_float %x, %weights[%c0] into %a {type = !w} : memref<4x32xf32>, memref<?xi8>, index, memref<4x16xf32>
  kernel.rms_norm %a, %gain into %out {eps = 1.0e-5} : memref<4x16xf32>, memref<16xf32>, memref<4x16xf32>
  %b = memref.alloc() : memref<4x16xf32>
  kernel.matmul_float %x, %weights[%c1088] into %b {type = !w} : memref<4x32xf32>, memref<?xi8>, index, memref<4x16xf32>
  kernel.rms_norm %b, %gain into %out {eps = 1.0e-5} : memref<4x16xf32>, memref<16xf32>, memref<4x16xf32>
  %c = memref.alloc() : memref<4x16xf32>
  kernel.matmul_float %x, %weights[%c2112] into %c {type = !s} : memref<4x32xf32>, memref<?xi8>, index, memref<4x16xf32>
  kernel.rms_norm %c, %gain into %out {eps = 1.0e-5} : memref<4x16xf32>, memref<16xf32>, memref<4x16xf32>
  %d = memref.alloc() : memref<4x8xf32>
  kernel.matmul_float %x, %weights[%c2400] into %d {type = !part} : memref<4x32xf32>, memref<?xi8>, index, memref<4x8xf32>
  %e = memref.alloc() : memref<4x16xf32>
  kernel.matmul_float %x, %weights[%c3424] into %e {type = !w} : memref<4x32xf32>, memref<?xi8>, index, memref<4x16xf32>
  kernel.rms_norm %e, %gain into %out {eps = 1.0e-5} : memref<4x16xf32>, memref<16xf32>, memref<4x16xf32>
  %f = memref.alloc() : memref<4x16xf32>
  kernel.matmul_float %x, %weights[%c4448] bias %gain into %f {type = !w} : memref<4x32xf32>, memref<?xi8>, index, memref<16xf32>, memref<4x16xf32>
  %g = memref.alloc() : memref<4x16xf32>
  kernel.matmul_float %x, %weights[%c5472] residual %out into %g {type = !w} : memref<4x32xf32>, memref<?xi8>, index, memref<4x16xf32>, memref<4x16xf32>
  %h = memref.alloc() : memref<4x16xf32>
  kernel.matmul_float %x, %weights[%c6496] into %h {type = !w} : memref<4x32xf32>, memref<?xi8>, index, memref<4x16xf32>
  kernel.rms_norm %h, %gain into %out {eps = 1.0e-5} : memref<4x16xf32>, memref<16xf32>, memref<4x16xf32>
  %i = memref.alloc() : memref<4x16xf32>
  kernel.matmul_float %x, %weights[%c7520] into %i {type = !w} : memref<4x32xf32>, memref<?xi8>, index, memref<4x16xf32>
  return %i : memref<4x16xf32>
}
