// RUN: quant-opt %s --qt-to-linalg %lower_to_llvm | %run | FileCheck %s

// Blocks written by hand: the two bytes of an f16 scale (0x4000 = 2, 0x3800 = 1/2,
// 0x3C00 = 1), then codes.

func.func private @printMemrefF32(tensor<*xf32>)

func.func @print(%x: tensor<1x32xf32>) {
  %u = tensor.cast %x : tensor<1x32xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

func.func @main() {
  // Byte j holds code j for element j and code 15 - j for element 16 + j; scale 2:
  // 2 * (j - 8) upwards, then downwards.
  // CHECK: [-16, -14, -12, -10, -8, -6, -4, -2, 0, 2, 4, 6, 8, 10, 12, 14, 14, 12, 10, 8, 6, 4, 2, 0, -2, -4, -6, -8, -10, -12, -14, -16]
  %q4_0 = arith.constant dense<[[[0x00, 0x40, 0xF0, 0xE1, 0xD2, 0xC3, 0xB4, 0xA5, 0x96, 0x87, 0x78, 0x69, 0x5A, 0x4B, 0x3C, 0x2D, 0x1E, 0x0F]]]> : tensor<1x1x18xi8>
  %0 = qt.assemble %q4_0 : tensor<1x1x18xi8> -> !qt.tensor<1x32xf32, #qt.q4_0>
  %1 = qt.dequantize %0 : !qt.tensor<1x32xf32, #qt.q4_0> -> tensor<1x32xf32>
  call @print(%1) : (tensor<1x32xf32>) -> ()

  // The same codes with scale 1/2 and minimum 1: j / 2 + 1.
  // CHECK: [1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5, 8.5, 8, 7.5, 7, 6.5, 6, 5.5, 5, 4.5, 4, 3.5, 3, 2.5, 2, 1.5, 1]
  %q4_1 = arith.constant dense<[[[0x00, 0x38, 0x00, 0x3C, 0xF0, 0xE1, 0xD2, 0xC3, 0xB4, 0xA5, 0x96, 0x87, 0x78, 0x69, 0x5A, 0x4B, 0x3C, 0x2D, 0x1E, 0x0F]]]> : tensor<1x1x20xi8>
  %2 = qt.assemble %q4_1 : tensor<1x1x20xi8> -> !qt.tensor<1x32xf32, #qt.q4_1>
  %3 = qt.dequantize %2 : !qt.tensor<1x32xf32, #qt.q4_1> -> tensor<1x32xf32>
  call @print(%3) : (tensor<1x32xf32>) -> ()

  // Signed bytes with scale 1/2.
  // CHECK: [-64, -63.5, -1, -0.5, 0, 0.5, 1, 63.5, 0, 0
  %q8_0 = arith.constant dense<[[[0x00, 0x38, -128, -127, -2, -1, 0, 1, 2, 127, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]]> : tensor<1x1x34xi8>
  %4 = qt.assemble %q8_0 : tensor<1x1x34xi8> -> !qt.tensor<1x32xf32, #qt.q8_0>
  %5 = qt.dequantize %4 : !qt.tensor<1x32xf32, #qt.q8_0> -> tensor<1x32xf32>
  call @print(%5) : (tensor<1x32xf32>) -> ()

  // Two rows, two groups of three and two values: scales 1, 10 and 100, 1000.
  // CHECK:      [1, 2, 3, -40, 70],
  // CHECK-NEXT: [-800, 0, 100, 1000, -1000]
  %c = arith.constant dense<[[1, 2, 3, -4, 7], [-8, 0, 1, 1, -1]]> : tensor<2x5xi8>
  %s = arith.constant dense<[[1.0, 10.0], [100.0, 1000.0]]> : tensor<2x2xf16>
  %6 = qt.assemble %c, %s : tensor<2x5xi8>, tensor<2x2xf16> -> !qt.tensor<2x5xf32, #qt.int<4, group = 3, scale = f16>>
  %7 = qt.dequantize %6 : !qt.tensor<2x5xf32, #qt.int<4, group = 3, scale = f16>> -> tensor<2x5xf32>
  %u7 = tensor.cast %7 : tensor<2x5xf32> to tensor<*xf32>
  call @printMemrefF32(%u7) : (tensor<*xf32>) -> ()

  // Zero points are unsigned, and so are the codes beside them: row 1 is
  // 0.5 * (code - 200) with the codes 0, 200, 255.
  // CHECK:      [-30, -20, -10],
  // CHECK-NEXT: [-100, 0, 27.5]
  %cz = arith.constant dense<[[0, 1, 2], [0, 200, 255]]> : tensor<2x3xi8>
  %sz = arith.constant dense<[[10.0], [0.5]]> : tensor<2x1xf32>
  %z = arith.constant dense<[[3], [200]]> : tensor<2x1xi8>
  %8 = qt.assemble %cz, %sz, %z : tensor<2x3xi8>, tensor<2x1xf32>, tensor<2x1xi8> -> !qt.tensor<2x3xf32, #qt.int<8, channel, zero = i8>>
  %9 = qt.dequantize %8 : !qt.tensor<2x3xf32, #qt.int<8, channel, zero = i8>> -> tensor<2x3xf32>
  %u9 = tensor.cast %9 : tensor<2x3xf32> to tensor<*xf32>
  call @printMemrefF32(%u9) : (tensor<*xf32>) -> ()

  // One scale for all; the logical type f16 is rounded to.
  // CHECK:      [2050, -1025],
  // CHECK-NEXT: [0, 4100]
  %ct = arith.constant dense<[[2, -1], [0, 4]]> : tensor<2x2xi8>
  %st = arith.constant dense<[1025.0]> : tensor<1xf32>
  %10 = qt.assemble %ct, %st : tensor<2x2xi8>, tensor<1xf32> -> !qt.tensor<2x2xf16, #qt.int<8, tensor>>
  %11 = qt.dequantize %10 : !qt.tensor<2x2xf16, #qt.int<8, tensor>> -> tensor<2x2xf16>
  %12 = arith.extf %11 : tensor<2x2xf16> to tensor<2x2xf32>
  %u12 = tensor.cast %12 : tensor<2x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u12) : (tensor<*xf32>) -> ()

  // A grid, which the program looks up: the first 32 values are points 0, 511, 589
  // and 456 minus an eighth, times 8 * 3; the others point 0 plus an eighth, times 8.
  // CHECK: [-27, -27, -27, -27, -27, -27, -27, -27, -3, 21, -3, -27, -27, -3, 21, -27, -3, -27, -3, -27, -3, 21, 21, -27, 21, -27, -27, 21, -27, -27, 21, -27, -7, -7
  %iq1 = arith.constant dense<[[[0x00, 0x48, 0x00, 0xFF, 0x4D, 0xC8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x88, 0x92, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00]]]> : tensor<1x1x50xi8>
  %13 = qt.assemble %iq1 : tensor<1x1x50xi8> -> !qt.tensor<1x256xf32, #qt.iq1_s>
  %14 = qt.dequantize %13 : !qt.tensor<1x256xf32, #qt.iq1_s> -> tensor<1x256xf32>
  %u14 = tensor.cast %14 : tensor<1x256xf32> to tensor<*xf32>
  call @printMemrefF32(%u14) : (tensor<*xf32>) -> ()
  return
}
