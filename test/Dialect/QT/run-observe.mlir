// RUN: quant-opt %s --qt-to-linalg %lower_to_llvm | %run | FileCheck %s

func.func private @printMemrefF32(tensor<*xf32>)
func.func private @printMemrefI32(tensor<*xi32>)

func.func @observe(%x: tensor<?x3xf32>) {
  %0:5 = qt.observe %x [range, sum, sum_abs, gram, histogram] site "w" : tensor<?x3xf32> -> tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3x3xf32>, tensor<2048xi32>
  %range = tensor.cast %0#0 : tensor<2x3xf32> to tensor<*xf32>
  call @printMemrefF32(%range) : (tensor<*xf32>) -> ()
  %plain = tensor.cast %0#1 : tensor<3xf32> to tensor<*xf32>
  call @printMemrefF32(%plain) : (tensor<*xf32>) -> ()
  %sum = tensor.cast %0#2 : tensor<3xf32> to tensor<*xf32>
  call @printMemrefF32(%sum) : (tensor<*xf32>) -> ()
  %gram = tensor.cast %0#3 : tensor<3x3xf32> to tensor<*xf32>
  call @printMemrefF32(%gram) : (tensor<*xf32>) -> ()
  // Zeros are in bin 0; 1 starts octave 40, so bin 1280, and 1.5 is in its
  // middle, 1296. 2 starts the next.
  %zeros = tensor.extract_slice %0#4[0] [1] [1] : tensor<2048xi32> to tensor<1xi32>
  %zerosU = tensor.cast %zeros : tensor<1xi32> to tensor<*xi32>
  call @printMemrefI32(%zerosU) : (tensor<*xi32>) -> ()
  %ones = tensor.extract_slice %0#4[1279] [34] [1] : tensor<2048xi32> to tensor<34xi32>
  %onesU = tensor.cast %ones : tensor<34xi32> to tensor<*xi32>
  call @printMemrefI32(%onesU) : (tensor<*xi32>) -> ()
  // All that is at least 2^24 - 2^18.
  %large = tensor.extract_slice %0#4[2047] [1] [1] : tensor<2048xi32> to tensor<1xi32>
  %largeU = tensor.cast %large : tensor<1xi32> to tensor<*xi32>
  call @printMemrefI32(%largeU) : (tensor<*xi32>) -> ()
  return
}

func.func @main() {
  // Each channel's minimum (-0 is less than 0), then its maximum.
  // CHECK:      [-2, -0, -1],
  // CHECK-NEXT: [1, 1e+08, 1.5]
  // CHECK:      [0, 1e+08, 1.5]
  // CHECK:      [4, 1e+08, 3.5]
  // 1 + 4 + 1; 1·0 - 2·0 + 1·1e8; 1·1.5 + 2·1 + 1·1
  // CHECK:      [6, 1e+08, 4.5],
  // CHECK-NEXT: [1e+08, 1e+16, 1e+08],
  // CHECK-NEXT: [4.5, 1e+08, 4.25]
  // CHECK:      [2]
  // CHECK:      [0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
  // CHECK:      [1]
  %x = arith.constant dense<[[1.0, 0.0, 1.5], [-2.0, -0.0, -1.0], [1.0, 1.0e8, 1.0]]> : tensor<3x3xf32>
  %xd = tensor.cast %x : tensor<3x3xf32> to tensor<?x3xf32>
  call @observe(%xd) : (tensor<?x3xf32>) -> ()
  return
}
