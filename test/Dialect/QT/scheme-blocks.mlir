// RUN: quant-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @q5_0
// CHECK-SAME: !qt.tensor<4x64xf32, #qt.q5_0>
func.func @q5_0(%w: !qt.tensor<4x64xf32, #qt.q5_0>) -> tensor<4x64xf32> {
  %f = qt.dequantize %w
      : !qt.tensor<4x64xf32, #qt.q5_0> -> tensor<4x64xf32>
  return %f : tensor<4x64xf32>
}

// -----

// expected-error@+2 {{#qt.q5_0: a row must be a whole number of blocks of 32 values, got 48}}
func.func private @q5_0_part_of_a_block(
    !qt.tensor<4x48xf32, #qt.q5_0>)

// -----

// CHECK-LABEL: func.func @q5_1
// CHECK-SAME: !qt.tensor<4x64xf32, #qt.q5_1>
func.func @q5_1(%w: !qt.tensor<4x64xf32, #qt.q5_1>) -> tensor<4x64xf32> {
  %f = qt.dequantize %w
      : !qt.tensor<4x64xf32, #qt.q5_1> -> tensor<4x64xf32>
  return %f : tensor<4x64xf32>
}

// -----

// expected-error@+2 {{#qt.q5_1: a row must be a whole number of blocks of 32 values, got 48}}
func.func private @q5_1_part_of_a_block(
    !qt.tensor<4x48xf32, #qt.q5_1>)

// -----

// CHECK-LABEL: func.func @iq4_nl
// CHECK-SAME: !qt.tensor<4x64xf32, #qt.iq4_nl>
func.func @iq4_nl(%w: !qt.tensor<4x64xf32, #qt.iq4_nl>) -> tensor<4x64xf32> {
  %f = qt.dequantize %w
      : !qt.tensor<4x64xf32, #qt.iq4_nl> -> tensor<4x64xf32>
  return %f : tensor<4x64xf32>
}

// -----

// expected-error@+2 {{#qt.iq4_nl: a row must be a whole number of blocks of 32 values, got 48}}
func.func private @iq4_nl_part_of_a_block(
    !qt.tensor<4x48xf32, #qt.iq4_nl>)

// -----

// CHECK-LABEL: func.func @q2_K
// CHECK-SAME: !qt.tensor<4x512xf32, #qt.q2_K>
func.func @q2_K(%w: !qt.tensor<4x512xf32, #qt.q2_K>) -> tensor<4x512xf32> {
  %f = qt.dequantize %w
      : !qt.tensor<4x512xf32, #qt.q2_K> -> tensor<4x512xf32>
  return %f : tensor<4x512xf32>
}

// -----

// expected-error@+2 {{#qt.q2_K: a row must be a whole number of blocks of 256 values, got 384}}
func.func private @q2_K_part_of_a_block(
    !qt.tensor<4x384xf32, #qt.q2_K>)

// -----

// CHECK-LABEL: func.func @q3_K
// CHECK-SAME: !qt.tensor<4x512xf32, #qt.q3_K>
func.func @q3_K(%w: !qt.tensor<4x512xf32, #qt.q3_K>) -> tensor<4x512xf32> {
  %f = qt.dequantize %w
      : !qt.tensor<4x512xf32, #qt.q3_K> -> tensor<4x512xf32>
  return %f : tensor<4x512xf32>
}

// -----

// expected-error@+2 {{#qt.q3_K: a row must be a whole number of blocks of 256 values, got 384}}
func.func private @q3_K_part_of_a_block(
    !qt.tensor<4x384xf32, #qt.q3_K>)

// -----

// CHECK-LABEL: func.func @q4_K
// CHECK-SAME: !qt.tensor<4x512xf32, #qt.q4_K>
func.func @q4_K(%w: !qt.tensor<4x512xf32, #qt.q4_K>) -> tensor<4x512xf32> {
  %f = qt.dequantize %w
      : !qt.tensor<4x512xf32, #qt.q4_K> -> tensor<4x512xf32>
  return %f : tensor<4x512xf32>
}

// -----

// expected-error@+2 {{#qt.q4_K: a row must be a whole number of blocks of 256 values, got 384}}
func.func private @q4_K_part_of_a_block(
    !qt.tensor<4x384xf32, #qt.q4_K>)

// -----

// CHECK-LABEL: func.func @q5_K
// CHECK-SAME: !qt.tensor<4x512xf32, #qt.q5_K>
func.func @q5_K(%w: !qt.tensor<4x512xf32, #qt.q5_K>) -> tensor<4x512xf32> {
  %f = qt.dequantize %w
      : !qt.tensor<4x512xf32, #qt.q5_K> -> tensor<4x512xf32>
  return %f : tensor<4x512xf32>
}

// -----

// expected-error@+2 {{#qt.q5_K: a row must be a whole number of blocks of 256 values, got 384}}
func.func private @q5_K_part_of_a_block(
    !qt.tensor<4x384xf32, #qt.q5_K>)

// -----

// CHECK-LABEL: func.func @q6_K
// CHECK-SAME: !qt.tensor<4x512xf32, #qt.q6_K>
func.func @q6_K(%w: !qt.tensor<4x512xf32, #qt.q6_K>) -> tensor<4x512xf32> {
  %f = qt.dequantize %w
      : !qt.tensor<4x512xf32, #qt.q6_K> -> tensor<4x512xf32>
  return %f : tensor<4x512xf32>
}

// -----

// expected-error@+2 {{#qt.q6_K: a row must be a whole number of blocks of 256 values, got 384}}
func.func private @q6_K_part_of_a_block(
    !qt.tensor<4x384xf32, #qt.q6_K>)
