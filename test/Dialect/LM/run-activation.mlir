// RUN: quant-opt %s --lm-to-linalg %lower_to_llvm | %run | FileCheck %s

func.func private @printMemrefF32(tensor<*xf32>)

func.func @print(%x: tensor<3xf32>) {
  %u = tensor.cast %x : tensor<3xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// The values at -1, 0 and 1; silu(1) = 1 / (1 + 1/e), gelu(1) = (1 + erf(1/√2)) / 2.
func.func @main() {
  %x = arith.constant dense<[-1.0, 0.0, 1.0]> : tensor<3xf32>
  // CHECK: [-0.268941, 0, 0.731059]
  %0 = lm.activation silu %x : tensor<3xf32>
  call @print(%0) : (tensor<3xf32>) -> ()
  // CHECK: [-0.158655, 0, 0.841345]
  %1 = lm.activation gelu %x : tensor<3xf32>
  call @print(%1) : (tensor<3xf32>) -> ()
  // CHECK: [-0.158808, 0, 0.841192]
  %2 = lm.activation gelu_tanh %x : tensor<3xf32>
  call @print(%2) : (tensor<3xf32>) -> ()
  // CHECK: [0, 0, 1]
  %3 = lm.activation relu %x : tensor<3xf32>
  call @print(%3) : (tensor<3xf32>) -> ()
  // CHECK: [-0.761594, 0, 0.761594]
  %4 = lm.activation tanh %x : tensor<3xf32>
  call @print(%4) : (tensor<3xf32>) -> ()
  // CHECK: [0.268941, 0.5, 0.731059]
  %5 = lm.activation sigmoid %x : tensor<3xf32>
  call @print(%5) : (tensor<3xf32>) -> ()
  return
}
