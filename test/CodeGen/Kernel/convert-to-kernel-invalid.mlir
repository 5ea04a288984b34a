// RUN: quant-opt %s --convert-to-kernel --split-input-file --verify-diagnostics
// RUN: not quant-opt %s --convert-to-kernel=batch=24 --split-input-file 2>&1 | FileCheck %s --check-prefix=BATCH
// RUN: not quant-opt %s --convert-to-kernel=batch=0 --split-input-file 2>&1 | FileCheck %s --check-prefix=ZERO

// Keys are kept in blocks of 16 positions.
// BATCH: error: the batch must be a positive multiple of 16, not 24
// ZERO: error: the batch must be a positive multiple of 16, not 0

qt.weight @gain : tensor<8xf32> in "m.safetensors"
func.func @not_packed(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error @below {{reads @gain, which has no place in the packed weights (--cpu-pack)}}
  // expected-error @below {{failed to legalize}}
  %g = qt.load @gain : tensor<8xf32>
  %0 = lm.rms_norm %x, %g {eps = 1.0e-5} : tensor<?x8xf32>, tensor<8xf32>
  return %0 : tensor<?x8xf32>
}

// -----

!w = !qt.tensor<16x32xf32, #qt.float<f16>, #qt.panels<lanes = 8, vectors = 2, depth = 1, group = 32>>
!x = !qt.tensor<?x32xf32, #qt.int<8, token>, #qt.rows<stride = 64, group = 32, sums = 32>>
qt.weight @w : !w in "m.safetensors" at 0
func.func @float_weight(%x: tensor<?x32xf32>) -> tensor<?x16xf32> {
  %q = qt.quantize %x : tensor<?x32xf32> -> !x
  %w = qt.load @w : !w
  // expected-error @below {{multiplies '!qt.tensor<?x32xf32, #qt.int<8, token>, #qt.rows<stride = 64, group = 32, sums = 32>>' by '!qt.tensor<16x32xf32, #qt.float<f16>, #qt.panels<lanes = 8, vectors = 2, depth = 1, group = 32>>': there is no kernel for this pair}}
  // expected-error @below {{failed to legalize}}
  %y = qt.matmul %q, %w : !x, !w -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

func.func @activation_without_layout(%x: tensor<?x32xf32>) {
  // expected-error @below {{makes an activation without a layout (--cpu-pack)}}
  // expected-error @below {{failed to legalize}}
  %q = qt.quantize %x : tensor<?x32xf32> -> !qt.tensor<?x32xf32, #qt.int<8, token>>
  return
}

// -----

func.func @batched_rope(%x: tensor<2x?x64xf32>, %position: index) -> tensor<2x?x64xf32> {
  // expected-error @below {{is batched; kernels take one sequence}}
  // expected-error @below {{failed to legalize}}
  %0 = lm.rope %x at %position {base = 1.0e+04, head_size = 64, style = #lm.rope_style<half>} : tensor<2x?x64xf32>
  return %0 : tensor<2x?x64xf32>
}

// -----

// Without a cache this becomes plain loops.
func.func @batched_attention(%x: tensor<2x?x64xf32>, %cache: !lm.kv_cache<1 x 1 x 64 x f32>, %position: index) -> tensor<2x?x64xf32> {
  // expected-error @below {{is batched; kernels take one sequence}}
  // expected-error @below {{failed to legalize}}
  %0 = lm.attention %x, %x, %x cache %cache[0] at %position {heads = 1, kv_heads = 1, scale = 0.125} : tensor<2x?x64xf32>, tensor<2x?x64xf32>, tensor<2x?x64xf32>, !lm.kv_cache<1 x 1 x 64 x f32>
  return %0 : tensor<2x?x64xf32>
}

// -----

func.func @heads_of_24(%x: tensor<?x48xf32>, %cache: !lm.kv_cache<1 x 2 x 24 x f32>, %position: index) -> tensor<?x48xf32> {
  // expected-error @below {{has heads of 24; kernels need a multiple of 16}}
  // expected-error @below {{failed to legalize}}
  %0 = lm.attention %x, %x, %x cache %cache[0] at %position {heads = 2, kv_heads = 2, scale = 0.125} : tensor<?x48xf32>, tensor<?x48xf32>, tensor<?x48xf32>, !lm.kv_cache<1 x 2 x 24 x f32>
  return %0 : tensor<?x48xf32>
}

// -----

// expected-error @below {{returns 'f32'; compiled functions return tensors}}
func.func @returns_a_number(%x: f32) -> f32 {
  return %x : f32
}

// -----

func.func @observe_f16(%x: tensor<?x8xf16>) -> tensor<8xf32> {
  // expected-error @below {{observes 'tensor<?x8xf16>'; kernels read f32}}
  // expected-error @below {{failed to legalize}}
  %0 = qt.observe %x [sum_abs] site "w" : tensor<?x8xf16> -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

func.func @observe_vector(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @below {{observes 'tensor<8xf32>', which has no rows}}
  // expected-error @below {{failed to legalize}}
  %0 = qt.observe %x [sum_abs] site "w" : tensor<8xf32> -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

func.func @observe_batches(%x: tensor<?x?x8xf32>) -> tensor<8xf32> {
  // expected-error @below {{has dynamic leading dimensions besides the rows}}
  // expected-error @below {{failed to legalize}}
  %0 = qt.observe %x [sum_abs] site "w" : tensor<?x?x8xf32> -> tensor<8xf32>
  return %0 : tensor<8xf32>
}
