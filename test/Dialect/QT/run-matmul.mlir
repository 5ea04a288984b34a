// RUN: quant-opt %s --lm-to-linalg --qt-to-linalg %lower_to_llvm | %run | FileCheck %s

func.func private @printMemrefF32(tensor<*xf32>)

// The weight is 10 * [1, 2, 3] and 100 * [-1, 0, 1]; it also comes through a
// function, which then takes and returns the parts.
func.func @weight(%w: !qt.tensor<2x3xf32, #qt.int<8, channel>>) -> !qt.tensor<2x3xf32, #qt.int<8, channel>> {
  return %w : !qt.tensor<2x3xf32, #qt.int<8, channel>>
}

func.func @matmul(%x: tensor<?x3xf32>, %w: !qt.tensor<2x3xf32, #qt.int<8, channel>>) -> tensor<?x2xf32> {
  %b = arith.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %0 = qt.matmul %x, %w bias %b : tensor<?x3xf32>, !qt.tensor<2x3xf32, #qt.int<8, channel>>, tensor<2xf32> -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}

// The activation is rounded to the grid of its row first.
func.func @matmul_quantized(%x: tensor<?x3xf32>, %w: !qt.tensor<2x3xf32, #qt.int<8, channel>>) -> tensor<?x2xf32> {
  %q = qt.quantize %x : tensor<?x3xf32> -> !qt.tensor<?x3xf32, #qt.int<8, token>>
  %0 = qt.matmul %q, %w : !qt.tensor<?x3xf32, #qt.int<8, token>>, !qt.tensor<2x3xf32, #qt.int<8, channel>> -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}

func.func @gather(%ids: tensor<?xi64>, %w: !qt.tensor<2x3xf32, #qt.int<8, channel>>) -> tensor<?x3xf32> {
  %0 = qt.gather %ids, %w : tensor<?xi64>, !qt.tensor<2x3xf32, #qt.int<8, channel>> -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

func.func @print(%x: tensor<?x2xf32>) {
  %u = tensor.cast %x : tensor<?x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}

func.func @main() {
  %codes = arith.constant dense<[[1, 2, 3], [-1, 0, 1]]> : tensor<2x3xi8>
  %scales = arith.constant dense<[[10.0], [100.0]]> : tensor<2x1xf32>
  %w0 = qt.assemble %codes, %scales : tensor<2x3xi8>, tensor<2x1xf32> -> !qt.tensor<2x3xf32, #qt.int<8, channel>>
  %w = call @weight(%w0) : (!qt.tensor<2x3xf32, #qt.int<8, channel>>) -> !qt.tensor<2x3xf32, #qt.int<8, channel>>
  %x = arith.constant dense<[[1.0, 1.0, 1.0], [127.0, 1.5, 0.5]]> : tensor<2x3xf32>
  %xd = tensor.cast %x : tensor<2x3xf32> to tensor<?x3xf32>

  // CHECK:      [60.5, 0.25],
  // CHECK-NEXT: [1315.5, -12649.8]
  %0 = call @matmul(%xd, %w) : (tensor<?x3xf32>, !qt.tensor<2x3xf32, #qt.int<8, channel>>) -> tensor<?x2xf32>
  call @print(%0) : (tensor<?x2xf32>) -> ()

  // Row 1 has become [127, 2, 0].
  // CHECK:      [60, 0],
  // CHECK-NEXT: [1310, -12700]
  %1 = call @matmul_quantized(%xd, %w) : (tensor<?x3xf32>, !qt.tensor<2x3xf32, #qt.int<8, channel>>) -> tensor<?x2xf32>
  call @print(%1) : (tensor<?x2xf32>) -> ()

  // CHECK:      [-100, 0, 100],
  // CHECK-NEXT: [10, 20, 30],
  // CHECK-NEXT: [-100, 0, 100]
  %ids = arith.constant dense<[1, 0, 1]> : tensor<3xi64>
  %idsd = tensor.cast %ids : tensor<3xi64> to tensor<?xi64>
  %2 = call @gather(%idsd, %w) : (tensor<?xi64>, !qt.tensor<2x3xf32, #qt.int<8, channel>>) -> tensor<?x3xf32>
  %u2 = tensor.cast %2 : tensor<?x3xf32> to tensor<*xf32>
  call @printMemrefF32(%u2) : (tensor<*xf32>) -> ()
  return
}
