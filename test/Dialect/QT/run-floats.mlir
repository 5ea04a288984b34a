// RUN: quant-opt %s --qt-to-linalg %lower_to_llvm | %run | FileCheck %s

// Small floats, codebooks, given scales and outliers, by the reference lowering.

func.func private @printMemrefF32(tensor<*xf32>)

func.func @print(%x: tensor<?x?xf32>) {
  %u = tensor.cast %x : tensor<?x?xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

// What becomes of values that are rounded and read again.
func.func @rounded(%x: tensor<2x4xf32>, %m: tensor<4xf32>, %s: tensor<1xf32>) {
  %0 = qt.quantize %x : tensor<2x4xf32> -> !qt.tensor<2x4xf32, #qt.float<f8E4M3FN, token>>
  %1 = qt.dequantize %0 : !qt.tensor<2x4xf32, #qt.float<f8E4M3FN, token>> -> tensor<2x4xf32>
  %2 = tensor.cast %1 : tensor<2x4xf32> to tensor<?x?xf32>
  call @print(%2) : (tensor<?x?xf32>) -> ()
  %3 = qt.quantize %x scale %s : tensor<2x4xf32>, tensor<1xf32> -> !qt.tensor<2x4xf32, #qt.float<f8E5M2, tensor>>
  %4 = qt.dequantize %3 : !qt.tensor<2x4xf32, #qt.float<f8E5M2, tensor>> -> tensor<2x4xf32>
  %5 = tensor.cast %4 : tensor<2x4xf32> to tensor<?x?xf32>
  call @print(%5) : (tensor<?x?xf32>) -> ()
  %6 = qt.quantize %x by %m scale %s : tensor<2x4xf32>, tensor<4xf32>, tensor<1xf32> -> !qt.tensor<2x4xf32, #qt.int<8, tensor>>
  %7 = qt.dequantize %6 : !qt.tensor<2x4xf32, #qt.int<8, tensor>> -> tensor<2x4xf32>
  %8 = tensor.cast %7 : tensor<2x4xf32> to tensor<?x?xf32>
  call @print(%8) : (tensor<?x?xf32>) -> ()
  return
}

func.func @split(%x: tensor<?x?xf32>) {
  %y = tensor.cast %x : tensor<?x?xf32> to tensor<?x4xf32>
  %0, %1 = qt.split_outliers %y : tensor<?x4xf32>
  %2 = tensor.cast %0 : tensor<?x4xf32> to tensor<?x?xf32>
  %3 = tensor.cast %1 : tensor<?x4xf32> to tensor<?x?xf32>
  call @print(%2) : (tensor<?x?xf32>) -> ()
  call @print(%3) : (tensor<?x?xf32>) -> ()
  %4, %5 = qt.split_outliers %y {per_token} : tensor<?x4xf32>
  %6 = tensor.cast %4 : tensor<?x4xf32> to tensor<?x?xf32>
  %7 = tensor.cast %5 : tensor<?x4xf32> to tensor<?x?xf32>
  call @print(%6) : (tensor<?x?xf32>) -> ()
  call @print(%7) : (tensor<?x?xf32>) -> ()
  return
}

func.func @main() {
  // 448 makes the scale 1: 17 and 19 are ties between 16, 18 and 20. In row 1 it is
  // 2: 30 is 2 * 15; 0.001 is below half of the smallest number.
  // CHECK:      [448, 16, -20, 0.25],
  // CHECK-NEXT: [-896, 30, 0, 0]
  // With a scale of 1/2 two bits of mantissa: 34 -> 32, 38 -> 40, 60 -> 64.
  // CHECK:      [448, 16, -20, 0.25],
  // CHECK-NEXT: [-896, 32, 0.00
  // Times 1, 2, 1, 4 in steps of 1/2; 127 of them are the end.
  // CHECK:      [63.5, 34, -19, 1],
  // CHECK-NEXT: [-63.5, 60, 0, 0]
  %x = arith.constant dense<[[448.0, 17.0, -19.0, 0.25], [-896.0, 30.0, 0.001, 0.0]]> : tensor<2x4xf32>
  %m = arith.constant dense<[1.0, 2.0, 1.0, 4.0]> : tensor<4xf32>
  %s = arith.constant dense<[0.5]> : tensor<1xf32>
  call @rounded(%x, %m, %s) : (tensor<2x4xf32>, tensor<4xf32>, tensor<1xf32>) -> ()

  // The four numbers 1, -2, the largest and the smallest of E4M3, twice; blocks of
  // 1 row and 2 columns, so that the scales are 1, 10; 100, 1000.
  // CHECK:      [1, -2, 4480, 0.0195312],
  // CHECK-NEXT: [100, -200, 448000, 1.95312]
  %f = arith.constant dense<[[1.0, -2.0, 448.0, 0.001953125], [1.0, -2.0, 448.0, 0.001953125]]> : tensor<2x4xf8E4M3FN>
  %bs = arith.constant dense<[[1.0, 10.0], [100.0, 1000.0]]> : tensor<2x2xf32>
  %0 = qt.assemble %f, %bs : tensor<2x4xf8E4M3FN>, tensor<2x2xf32> -> !qt.tensor<2x4xf32, #qt.float<f8E4M3FN, block = 1x2>>
  %1 = qt.dequantize %0 : !qt.tensor<2x4xf32, #qt.float<f8E4M3FN, block = 1x2>> -> tensor<2x4xf32>
  %2 = tensor.cast %1 : tensor<2x4xf32> to tensor<?x?xf32>
  call @print(%2) : (tensor<?x?xf32>) -> ()

  // MXFP4: all numbers, scale 4.
  // CHECK: [0, 2, 4, 6, 8, 12, 16, 24, 0, -2, -4, -6, -8, -12, -16, -24]
  %codes = arith.constant dense<[[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]]> : tensor<1x16xi8>
  %e = arith.constant dense<[[4.0]]> : tensor<1x1xf8E8M0FNU>
  %3 = qt.assemble %codes, %e : tensor<1x16xi8>, tensor<1x1xf8E8M0FNU> -> !qt.tensor<1x16xf32, #qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU>>
  %4 = qt.dequantize %3 : !qt.tensor<1x16xf32, #qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU>> -> tensor<1x16xf32>
  %5 = tensor.cast %4 : tensor<1x16xf32> to tensor<?x?xf32>
  call @print(%5) : (tensor<?x?xf32>) -> ()

  // NF4, absmax 2: the table doubled.
  // CHECK: [-2, -1.39239, -1.05015, -0.789835, -0.568883, -0.369547, -0.1821, 0, 0.159161, 0.32186, 0.492225, 0.67583, 0.88142, 1.12523, 1.44591, 2]
  %a = arith.constant dense<[[2.0]]> : tensor<1x1xf32>
  %6 = qt.assemble %codes, %a : tensor<1x16xi8>, tensor<1x1xf32> -> !qt.tensor<1x16xf32, #qt.codebook<nf4, group = 64>>
  %7 = qt.dequantize %6 : !qt.tensor<1x16xf32, #qt.codebook<nf4, group = 64>> -> tensor<1x16xf32>
  %8 = tensor.cast %7 : tensor<1x16xf32> to tensor<?x?xf32>
  call @print(%8) : (tensor<?x?xf32>) -> ()

  // Column 1 reaches 6 in row 0 and goes to the outliers whole, or of row 0 alone.
  // CHECK:      [1, 0, 3, 0],
  // CHECK-NEXT: [2, 0, 5, -5]
  // CHECK:      [0, -6, 0, 0],
  // CHECK-NEXT: [0, 1, 0, 0]
  // CHECK:      [1, 0, 3, 0],
  // CHECK-NEXT: [2, 1, 5, -5]
  // CHECK:      [0, -6, 0, 0],
  // CHECK-NEXT: [0, 0, 0, 0]
  %o = arith.constant dense<[[1.0, -6.0, 3.0, 0.0], [2.0, 1.0, 5.0, -5.0]]> : tensor<2x4xf32>
  %od = tensor.cast %o : tensor<2x4xf32> to tensor<?x?xf32>
  call @split(%od) : (tensor<?x?xf32>) -> ()
  return
}
