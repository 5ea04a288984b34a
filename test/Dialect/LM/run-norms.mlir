// RUN: quant-opt %s --lm-to-linalg %lower_to_llvm | %run | FileCheck %s

func.func private @printMemrefF32(tensor<*xf32>)

// mean(x²) = (9 + 16) / 4 = 6.25, whose root is 2.5; without an eps.
func.func @rms_norm(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %gain = arith.constant dense<[1.0, 2.0, 1.0, 1.0]> : tensor<4xf32>
  %0 = lm.rms_norm %x, %gain {eps = 0.0} : tensor<?x4xf32>, tensor<4xf32>
  return %0 : tensor<?x4xf32>
}

// mean 2, variance 1; with eps = 3 the divisor is sqrt(1 + 3) = 2.
func.func @layer_norm(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %gain = arith.constant dense<[10.0, 100.0]> : tensor<2xf32>
  %bias = arith.constant dense<[0.0, 1.0]> : tensor<2xf32>
  %0 = lm.layer_norm %x, %gain bias %bias {eps = 3.0} : tensor<?x2xf32>, tensor<2xf32>, tensor<2xf32>
  return %0 : tensor<?x2xf32>
}

func.func @main() {
  // Row 1 is all zeros: with eps = 0 that is 0 / 0.
  // CHECK:      sizes = [2, 4]
  // CHECK-NEXT: [1.2, 3.2, 0, 0],
  // CHECK-NEXT: nan
  %x = arith.constant dense<[[3.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]> : tensor<2x4xf32>
  %xd = tensor.cast %x : tensor<2x4xf32> to tensor<?x4xf32>
  %0 = call @rms_norm(%xd) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %u0 = tensor.cast %0 : tensor<?x4xf32> to tensor<*xf32>
  call @printMemrefF32(%u0) : (tensor<*xf32>) -> ()

  // CHECK:      sizes = [2, 2]
  // CHECK-NEXT: [-5, 51],
  // CHECK-NEXT: [0, 1]
  %y = arith.constant dense<[[1.0, 3.0], [7.0, 7.0]]> : tensor<2x2xf32>
  %yd = tensor.cast %y : tensor<2x2xf32> to tensor<?x2xf32>
  %1 = call @layer_norm(%yd) : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %u1 = tensor.cast %1 : tensor<?x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u1) : (tensor<*xf32>) -> ()
  return
}
