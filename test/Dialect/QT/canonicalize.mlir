// RUN: quant-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @parts_of_assemble
//  CHECK-SAME: %[[CODES:[a-z0-9]+]]: tensor<4x32xi8>, %[[SCALES:[a-z0-9]+]]: tensor<4x1xf32>
//       CHECK: return %[[CODES]], %[[SCALES]]
func.func @parts_of_assemble(%codes: tensor<4x32xi8>, %scales: tensor<4x1xf32>) -> (tensor<4x32xi8>, tensor<4x1xf32>) {
  %0 = qt.assemble %codes, %scales : tensor<4x32xi8>, tensor<4x1xf32> -> !qt.tensor<4x32xf32, #qt.int<8, channel>>
  %1, %2 = qt.parts %0 : !qt.tensor<4x32xf32, #qt.int<8, channel>> -> tensor<4x32xi8>, tensor<4x1xf32>
  return %1, %2 : tensor<4x32xi8>, tensor<4x1xf32>
}

// CHECK-LABEL: func.func @assemble_of_parts
//  CHECK-SAME: %[[W:[a-z0-9]+]]: !qt.tensor
//       CHECK: return %[[W]]
func.func @assemble_of_parts(%w: !qt.tensor<4x32xf32, #qt.int<8, channel>>) -> !qt.tensor<4x32xf32, #qt.int<8, channel>> {
  %0, %1 = qt.parts %w : !qt.tensor<4x32xf32, #qt.int<8, channel>> -> tensor<4x32xi8>, tensor<4x1xf32>
  %2 = qt.assemble %0, %1 : tensor<4x32xi8>, tensor<4x1xf32> -> !qt.tensor<4x32xf32, #qt.int<8, channel>>
  return %2 : !qt.tensor<4x32xf32, #qt.int<8, channel>>
}

// The same parts under another scheme are other numbers.
// CHECK-LABEL: func.func @other_scheme
//       CHECK: qt.parts
//       CHECK: qt.assemble
func.func @other_scheme(%w: !qt.tensor<4x32xf32, #qt.int<8, channel>>) -> !qt.tensor<4x32xf32, #qt.int<7, channel>> {
  %0, %1 = qt.parts %w : !qt.tensor<4x32xf32, #qt.int<8, channel>> -> tensor<4x32xi8>, tensor<4x1xf32>
  %2 = qt.assemble %0, %1 : tensor<4x32xi8>, tensor<4x1xf32> -> !qt.tensor<4x32xf32, #qt.int<7, channel>>
  return %2 : !qt.tensor<4x32xf32, #qt.int<7, channel>>
}

// Parts of two tensors.
// CHECK-LABEL: func.func @mixed_parts
//       CHECK: qt.assemble
func.func @mixed_parts(%v: !qt.tensor<4x32xf32, #qt.int<8, channel>>, %w: !qt.tensor<4x32xf32, #qt.int<8, channel>>) -> !qt.tensor<4x32xf32, #qt.int<8, channel>> {
  %0, %1 = qt.parts %v : !qt.tensor<4x32xf32, #qt.int<8, channel>> -> tensor<4x32xi8>, tensor<4x1xf32>
  %2, %3 = qt.parts %w : !qt.tensor<4x32xf32, #qt.int<8, channel>> -> tensor<4x32xi8>, tensor<4x1xf32>
  %4 = qt.assemble %0, %3 : tensor<4x32xi8>, tensor<4x1xf32> -> !qt.tensor<4x32xf32, #qt.int<8, channel>>
  return %4 : !qt.tensor<4x32xf32, #qt.int<8, channel>>
}

// A load that nobody reads goes.
// CHECK-LABEL: func.func @unused_load
//   CHECK-NOT: qt.load
qt.weight @w : tensor<4xf32> in "file"
func.func @unused_load() {
  %0 = qt.load @w : tensor<4xf32>
  return
}
