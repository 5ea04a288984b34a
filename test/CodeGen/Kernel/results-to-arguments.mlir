// RUN: quant-opt %s --kernel-results-to-arguments --split-input-file --verify-diagnostics | FileCheck %s

// What the caller has to give for a result stands behind the inputs and before
// the weights; other buffers stay.
// CHECK-LABEL: func.func @two_results(
//  CHECK-SAME: %[[X:.+]]: memref<?x8xf32>, %[[A:.+]]: memref<?x8xf32> {kernel.role = "output"}, %[[B:.+]]: memref<?x8xf32> {kernel.role = "output"}, %[[WEIGHTS:.+]]: memref<?xi8> {kernel.role = "weights"})
//   CHECK-NOT: ->
//       CHECK: %[[INSIDE:.+]] = memref.alloc
//       CHECK: kernel.rms_norm %[[X]], %{{.*}} into %[[INSIDE]]
//       CHECK: kernel.rms_norm %[[INSIDE]], %{{.*}} into %[[A]]
//       CHECK: kernel.rms_norm %[[INSIDE]], %{{.*}} into %[[B]]
//       CHECK: return
//   CHECK-NOT: %
func.func @two_results(%x: memref<?x8xf32>, %weights: memref<?xi8> {kernel.role = "weights"}) -> (memref<?x8xf32>, memref<?x8xf32>) {
  %c0 = arith.constant 0 : index
  %rows = memref.dim %x, %c0 : memref<?x8xf32>
  %gain = memref.view %weights[%c0][] : memref<?xi8> to memref<8xf32>
  %inside = memref.alloc(%rows) : memref<?x8xf32>
  kernel.rms_norm %x, %gain into %inside {eps = 1.0e-5} : memref<?x8xf32>, memref<8xf32>, memref<?x8xf32>
  %a = memref.alloc(%rows) : memref<?x8xf32>
  kernel.rms_norm %inside, %gain into %a {eps = 1.0e-5} : memref<?x8xf32>, memref<8xf32>, memref<?x8xf32>
  %b = memref.alloc(%rows) : memref<?x8xf32>
  kernel.rms_norm %inside, %gain into %b {eps = 1.0e-5} : memref<?x8xf32>, memref<8xf32>, memref<?x8xf32>
  return %a, %b : memref<?x8xf32>, memref<?x8xf32>
}

// -----

func.func @passed_on(%x: memref<?x8xf32>) -> memref<?x8xf32> {
  // expected-error @+1 {{returns what the function does not make, or twice}}
  return %x : memref<?x8xf32>
}
