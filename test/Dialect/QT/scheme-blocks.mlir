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

// -----

// CHECK-LABEL: func.func private @others
// CHECK-SAME: !qt.tensor<4x256xf32, #qt.iq4_xs>
// CHECK-SAME: !qt.tensor<4x256xf32, #qt.iq3_xxs>
// CHECK-SAME: !qt.tensor<4x256xf32, #qt.iq3_s>
// CHECK-SAME: !qt.tensor<4x256xf32, #qt.iq2_xxs>
// CHECK-SAME: !qt.tensor<4x256xf32, #qt.iq2_xs>
// CHECK-SAME: !qt.tensor<4x256xf32, #qt.iq2_s>
// CHECK-SAME: !qt.tensor<4x256xf32, #qt.iq1_s>
// CHECK-SAME: !qt.tensor<4x256xf32, #qt.iq1_m>
// CHECK-SAME: !qt.tensor<4x256xf32, #qt.tq1_0>
// CHECK-SAME: !qt.tensor<4x256xf32, #qt.tq2_0>
// CHECK-SAME: !qt.tensor<4x32xf32, #qt.mxfp4>
// CHECK-SAME: !qt.tensor<4x64xf32, #qt.nvfp4>
// CHECK-SAME: !qt.tensor<4x128xf32, #qt.q1_0>
// CHECK-SAME: !qt.tensor<4x64xf32, #qt.q2_0>
func.func private @others(
    !qt.tensor<4x256xf32, #qt.iq4_xs>,
    !qt.tensor<4x256xf32, #qt.iq3_xxs>,
    !qt.tensor<4x256xf32, #qt.iq3_s>,
    !qt.tensor<4x256xf32, #qt.iq2_xxs>,
    !qt.tensor<4x256xf32, #qt.iq2_xs>,
    !qt.tensor<4x256xf32, #qt.iq2_s>,
    !qt.tensor<4x256xf32, #qt.iq1_s>,
    !qt.tensor<4x256xf32, #qt.iq1_m>,
    !qt.tensor<4x256xf32, #qt.tq1_0>,
    !qt.tensor<4x256xf32, #qt.tq2_0>,
    !qt.tensor<4x32xf32, #qt.mxfp4>,
    !qt.tensor<4x64xf32, #qt.nvfp4>,
    !qt.tensor<4x128xf32, #qt.q1_0>,
    !qt.tensor<4x64xf32, #qt.q2_0>)

// -----

// expected-error@+1 {{#qt.nvfp4: a row must be a whole number of blocks of 64 values, got 96}}
func.func private @nvfp4_part_of_a_block(!qt.tensor<4x96xf32, #qt.nvfp4>)
