// RUN: quant-opt %s --kernel-plan-workspace --split-input-file | FileCheck %s

// @chain: %b lives with %a, %c with %b, so %c takes %a's place. 4 x 16 floats are
// 256 bytes.
// CHECK-LABEL: func.func @chain(
//  CHECK-SAME: %[[X:.+]]: memref<4x16xf32>, %[[GAIN:.+]]: memref<16xf32>, %[[WORKSPACE:.+]]: memref<?xi8> {kernel.role = "workspace"}) -> memref<4x16xf32> attributes {kernel.workspace_bytes = 512 : i64}
//   CHECK-NOT: memref.alloc
//       CHECK: %[[AT0:.+]] = arith.constant 0 : index
//       CHECK: %[[A:.+]] = memref.view %[[WORKSPACE]][%[[AT0]]][] : memref<?xi8> to memref<4x16xf32>
//       CHECK: kernel.rms_norm %[[X]], %[[GAIN]] into %[[A]]
//       CHECK: %[[AT256:.+]] = arith.constant 256 : index
//       CHECK: %[[B:.+]] = memref.view %[[WORKSPACE]][%[[AT256]]][]
//       CHECK: kernel.rms_norm %[[A]], %[[GAIN]] into %[[B]]
//       CHECK: %[[AGAIN:.+]] = arith.constant 0 : index
//       CHECK: %[[C:.+]] = memref.view %[[WORKSPACE]][%[[AGAIN]]][]
//       CHECK: kernel.rms_norm %[[B]], %[[GAIN]] into %[[C]]
//   CHECK-NOT: memref.dealloc
//       CHECK: return %[[C]]
func.func @chain(%x: memref<4x16xf32>, %gain: memref<16xf32>) -> memref<4x16xf32> {
  %a = memref.alloc() : memref<4x16xf32>
  kernel.rms_norm %x, %gain into %a {eps = 1.0e-5} : memref<4x16xf32>, memref<16xf32>, memref<4x16xf32>
  %b = memref.alloc() : memref<4x16xf32>
  kernel.rms_norm %a, %gain into %b {eps = 1.0e-5} : memref<4x16xf32>, memref<16xf32>, memref<4x16xf32>
  memref.dealloc %a : memref<4x16xf32>
  %c = memref.alloc() : memref<4x16xf32>
  kernel.rms_norm %b, %gain into %c {eps = 1.0e-5} : memref<4x16xf32>, memref<16xf32>, memref<4x16xf32>
  return %c : memref<4x16xf32>
}

// -----

// A dynamic number of rows counts as the batch, 32: 32 * 8 * 4 = 1024 bytes. The
// view keeps the size that the allocation asked for.
// CHECK-LABEL: func.func @dynamic_rows(
//  CHECK-SAME: %[[ROWS:.+]]: index, %[[WORKSPACE:.+]]: memref<?xi8> {kernel.role = "workspace"})
//  CHECK-SAME: kernel.workspace_bytes = 1024 : i64
//       CHECK: memref.view %[[WORKSPACE]][%{{.*}}][%[[ROWS]]] : memref<?xi8> to memref<?x8xf32>
func.func @dynamic_rows(%rows: index) -> memref<?x8xf32> attributes {kernel.batch = 32 : i64} {
  %a = memref.alloc(%rows) : memref<?x8xf32>
  return %a : memref<?x8xf32>
}

// -----

// Sizes are rounded up to cache lines: 12 bytes take 64, and so do 8 indices of 8.
// CHECK-LABEL: func.func @alignment(
//  CHECK-SAME: kernel.workspace_bytes = 128 : i64
//   CHECK-DAG: arith.constant 0 : index
//   CHECK-DAG: arith.constant 64 : index
func.func @alignment() -> (memref<3xf32>, memref<8xindex>) {
  %a = memref.alloc() : memref<3xf32>
  %b = memref.alloc() : memref<8xindex>
  return %a, %b : memref<3xf32>, memref<8xindex>
}

// -----

// A view keeps its buffer alive: %b must not take the place of %a, which is read
// through the view afterwards.
// CHECK-LABEL: func.func @read_through_a_view(
//  CHECK-SAME: kernel.workspace_bytes = 512 : i64
//       CHECK: %[[A:.+]] = memref.view {{.*}} to memref<2x2x16xf32>
//       CHECK: memref.collapse_shape %[[A]]
func.func @read_through_a_view(%x: memref<4x16xf32>, %gain: memref<16xf32>) -> memref<4x16xf32> {
  %a = memref.alloc() : memref<2x2x16xf32>
  %rows = memref.collapse_shape %a [[0, 1], [2]] : memref<2x2x16xf32> into memref<4x16xf32>
  kernel.rms_norm %x, %gain into %rows {eps = 1.0e-5} : memref<4x16xf32>, memref<16xf32>, memref<4x16xf32>
  %b = memref.alloc() : memref<4x16xf32>
  kernel.rms_norm %rows, %gain into %b {eps = 1.0e-5} : memref<4x16xf32>, memref<16xf32>, memref<4x16xf32>
  return %b : memref<4x16xf32>
}

// -----

// The largest is placed first: %other, which is there before it, moves behind it,
// and %small lies where %large was.
// CHECK-LABEL: func.func @largest_first(
//  CHECK-SAME: kernel.workspace_bytes = 1280 : i64
//       CHECK: arith.constant 1024 : index
//  CHECK-NEXT: memref.view {{.*}} to memref<4x16xf32>
//       CHECK: arith.constant 0 : index
//  CHECK-NEXT: memref.view {{.*}} to memref<16x16xf32>
//       CHECK: arith.constant 0 : index
//  CHECK-NEXT: memref.view {{.*}} to memref<4x16xf32>
func.func @largest_first(%x: memref<16x16xf32>, %y: memref<4x16xf32>, %gain: memref<16xf32>) -> memref<4x16xf32> {
  %other = memref.alloc() : memref<4x16xf32>
  kernel.rms_norm %y, %gain into %other {eps = 1.0e-5} : memref<4x16xf32>, memref<16xf32>, memref<4x16xf32>
  %large = memref.alloc() : memref<16x16xf32>
  kernel.rms_norm %x, %gain into %large {eps = 1.0e-5} : memref<16x16xf32>, memref<16xf32>, memref<16x16xf32>
  %small = memref.alloc() : memref<4x16xf32>
  kernel.rms_norm %other, %gain into %small {eps = 1.0e-5} : memref<4x16xf32>, memref<16xf32>, memref<4x16xf32>
  return %small : memref<4x16xf32>
}

// -----

// Nothing to place: the argument comes all the same, so that all functions are
// called alike. A declaration is left alone.
// CHECK-LABEL: func.func @nothing(
//  CHECK-SAME: memref<?xi8> {kernel.role = "workspace"}) attributes {kernel.workspace_bytes = 0 : i64}
func.func @nothing() {
  return
}
// CHECK: func.func private @declaration(memref<4xf32>)
// CHECK-NOT: workspace
func.func private @declaration(memref<4xf32>)
