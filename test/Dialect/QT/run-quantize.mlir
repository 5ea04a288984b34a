// RUN: quant-opt %s --qt-to-linalg %lower_to_llvm | %run | FileCheck %s

func.func private @printMemrefF32(tensor<*xf32>)
func.func private @printMemrefI32(tensor<*xi32>)

func.func @print(%codes: tensor<?x5xi8>, %scales: tensor<?x?xf32>) {
  %c = arith.extsi %codes : tensor<?x5xi8> to tensor<?x5xi32>
  %uc = tensor.cast %c : tensor<?x5xi32> to tensor<*xi32>
  call @printMemrefI32(%uc) : (tensor<*xi32>) -> ()
  %us = tensor.cast %scales : tensor<?x?xf32> to tensor<*xf32>
  call @printMemrefF32(%us) : (tensor<*xf32>) -> ()
  return
}

func.func @token(%x: tensor<?x5xf32>) {
  %0 = qt.quantize %x : tensor<?x5xf32> -> !qt.tensor<?x5xf32, #qt.int<8, token>>
  %c, %s = qt.parts %0 : !qt.tensor<?x5xf32, #qt.int<8, token>> -> tensor<?x5xi8>, tensor<?x1xf32>
  %sd = tensor.cast %s : tensor<?x1xf32> to tensor<?x?xf32>
  call @print(%c, %sd) : (tensor<?x5xi8>, tensor<?x?xf32>) -> ()
  return
}

func.func @group(%x: tensor<?x5xf32>) {
  %0 = qt.quantize %x : tensor<?x5xf32> -> !qt.tensor<?x5xf32, #qt.int<8, group = 3>>
  %c, %s = qt.parts %0 : !qt.tensor<?x5xf32, #qt.int<8, group = 3>> -> tensor<?x5xi8>, tensor<?x2xf32>
  %sd = tensor.cast %s : tensor<?x2xf32> to tensor<?x?xf32>
  call @print(%c, %sd) : (tensor<?x5xi8>, tensor<?x?xf32>) -> ()
  return
}

func.func @int4(%x: tensor<?x5xf32>) {
  %0 = qt.quantize %x : tensor<?x5xf32> -> !qt.tensor<?x5xf32, #qt.int<4, token>>
  %c, %s = qt.parts %0 : !qt.tensor<?x5xf32, #qt.int<4, token>> -> tensor<?x5xi8>, tensor<?x1xf32>
  %sd = tensor.cast %s : tensor<?x1xf32> to tensor<?x?xf32>
  call @print(%c, %sd) : (tensor<?x5xi8>, tensor<?x?xf32>) -> ()
  return
}

func.func @main() {
  // Row 0: the scale is 127 / 127 = 1; halves go to the even neighbour. Row 1: the
  // scale is 2. Row 2 is zero, with scale 0 and no division by it.
  // CHECK:      [127, -64, 0, 2, -2],
  // CHECK-NEXT: [-127, 2, 0, 0, 0],
  // CHECK-NEXT: [0, 0, 0, 0, 0]
  // CHECK:      [1],
  // CHECK-NEXT: [2],
  // CHECK-NEXT: [0]
  %x = arith.constant dense<[[127.0, -63.5, 0.5, 1.5, -1.5], [-254.0, 3.0, 1.0, -1.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]]> : tensor<3x5xf32>
  %xd = tensor.cast %x : tensor<3x5xf32> to tensor<?x5xf32>
  call @token(%xd) : (tensor<?x5xf32>) -> ()

  // Three values share a scale, then the two that are left.
  // CHECK:      [127, -64, 0, 127, -127],
  // CHECK-NEXT: [-127, 2, 0, -127, 0],
  // CHECK-NEXT: [0, 0, 0, 0, 0]
  // CHECK:      [1, 0.011811],
  // CHECK-NEXT: [2, 0.00787402],
  // CHECK-NEXT: [0, 0]
  call @group(%xd) : (tensor<?x5xf32>) -> ()

  // Below eight bits the scale is absmax / (2^(b-1) - 1/2) = 7.5 / 7.5, which uses
  // code -8 too: -7.5 rounds to -8, and 7.5 is cut to 7.
  // CHECK:      [7, -8, 0, 2, -2]
  // CHECK:      [1]
  %y = arith.constant dense<[[7.5, -7.5, 0.5, 1.5, -1.5]]> : tensor<1x5xf32>
  %yd = tensor.cast %y : tensor<1x5xf32> to tensor<?x5xf32>
  call @int4(%yd) : (tensor<?x5xf32>) -> ()

  // One scale for the whole tensor, in f16: 1016 / 127 = 8.
  // CHECK:      [1016, 0],
  // CHECK-NEXT: [-8, 96]
  %z = arith.constant dense<[[1016.0, 3.0], [-10.0, 99.0]]> : tensor<2x2xf32>
  %0 = qt.quantize %z : tensor<2x2xf32> -> !qt.tensor<2x2xf32, #qt.int<8, tensor, scale = f16>>
  %1 = qt.dequantize %0 : !qt.tensor<2x2xf32, #qt.int<8, tensor, scale = f16>> -> tensor<2x2xf32>
  %u1 = tensor.cast %1 : tensor<2x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u1) : (tensor<*xf32>) -> ()

  // Plain floats are rounded to nearest even: 2049 is between 2048 and 2050.
  // CHECK: [2048, 2052]
  %f = arith.constant dense<[[2049.0, 2051.0]]> : tensor<1x2xf32>
  %2 = qt.quantize %f : tensor<1x2xf32> -> !qt.tensor<1x2xf32, #qt.float<f16>>
  %3 = qt.dequantize %2 : !qt.tensor<1x2xf32, #qt.float<f16>> -> tensor<1x2xf32>
  %u3 = tensor.cast %3 : tensor<1x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u3) : (tensor<*xf32>) -> ()
  return
}
