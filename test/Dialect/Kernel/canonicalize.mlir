// RUN: quant-opt %s --canonicalize --cse | FileCheck %s

// Kernels and barriers write or wait: nothing of this is removed or merged.
// CHECK-LABEL: func.func @effects
//       CHECK: kernel.rms_norm
//  CHECK-NEXT: kernel.barrier
//  CHECK-NEXT: kernel.rms_norm
//  CHECK-NEXT: kernel.barrier
func.func @effects(%x: memref<?x8xf32>, %gain: memref<8xf32>, %out: memref<?x8xf32>) {
  kernel.rms_norm %x, %gain into %out {eps = 1.0e-5} : memref<?x8xf32>, memref<8xf32>, memref<?x8xf32>
  kernel.barrier
  kernel.rms_norm %x, %gain into %out {eps = 1.0e-5} : memref<?x8xf32>, memref<8xf32>, memref<?x8xf32>
  kernel.barrier
  return
}
