// RUN: not quant-opt %s --qt-externalize-constants='file=%t.safetensors min-bytes=4' 2>&1 | FileCheck %s

// A text whose resources were left out has no numbers to write.
// CHECK: error: 'arith.constant' op has 0 bytes of numbers, its type needs 24
func.func @elided() -> tensor<3x2xf32> {
  %w = arith.constant dense_resource<gone> : tensor<3x2xf32>
  return %w : tensor<3x2xf32>
}
