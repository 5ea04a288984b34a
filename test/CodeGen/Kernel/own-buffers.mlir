// RUN: quant-opt %s --kernel-own-buffers | FileCheck %s
// RUN: quant-opt %s --kernel-own-buffers --one-shot-bufferize | FileCheck %s --check-prefix=BUFFERS

// The caller reads both results when the second is there, which bufferization
// cannot see.
// CHECK-LABEL: func.func @two_results
//       CHECK: %[[A:.+]] = tensor.empty
//       CHECK: linalg.exp {{.*}} outs(%[[A]]
//       CHECK: %[[B:.+]] = tensor.empty
//       CHECK: linalg.negf {{.*}} outs(%[[B]]
// BUFFERS-LABEL: func.func @two_results
//       BUFFERS: %[[A:.+]] = memref.alloc
//       BUFFERS: %[[B:.+]] = memref.alloc
//       BUFFERS: return %[[A]], %[[B]]
func.func @two_results(%x: memref<8xf32>) -> (memref<8xf32>, memref<8xf32>) {
  %0 = bufferization.to_tensor %x restrict : memref<8xf32> to tensor<8xf32>
  %empty = tensor.empty() : tensor<8xf32>
  %1 = linalg.exp ins(%0 : tensor<8xf32>) outs(%empty : tensor<8xf32>) -> tensor<8xf32>
  %a = bufferization.to_buffer %1 : tensor<8xf32> to memref<8xf32>
  %2 = linalg.negf ins(%0 : tensor<8xf32>) outs(%empty : tensor<8xf32>) -> tensor<8xf32>
  %b = bufferization.to_buffer %2 : tensor<8xf32> to memref<8xf32>
  return %a, %b : memref<8xf32>, memref<8xf32>
}
