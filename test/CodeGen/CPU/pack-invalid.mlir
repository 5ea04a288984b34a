// RUN: quant-opt %s --cpu-pack=target=cpu:x86-64-v3 --split-input-file --verify-diagnostics

// A weight that some op computes cannot be packed before the program runs.
func.func @weight_from_an_argument(%x: !qt.tensor<?x32xf32, #qt.int<8, token>>, %w: !qt.tensor<16x32xf32, #qt.q8_0>) -> tensor<?x16xf32> {
  // expected-error @below {{needs a weight from a file (qt.load) to be packed}}
  %y = qt.matmul %x, %w : !qt.tensor<?x32xf32, #qt.int<8, token>>, !qt.tensor<16x32xf32, #qt.q8_0> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

func.func @table_from_an_argument(%ids: tensor<?xi32>, %table: !qt.tensor<16x32xf32, #qt.q8_0>) -> tensor<?x32xf32> {
  // expected-error @below {{needs a weight from a file (qt.load) to be packed}}
  %y = qt.gather %ids, %table : tensor<?xi32>, !qt.tensor<16x32xf32, #qt.q8_0> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----

qt.weight @w : !qt.tensor<16x36xf32, #qt.int<4, group = 6>> in "m.safetensors"
func.func @float_activation(%x: tensor<?x36xf32>) -> tensor<?x16xf32> {
  %w = qt.load @w : !qt.tensor<16x36xf32, #qt.int<4, group = 6>>
  // expected-error @below {{has groups of 6 values; kernels need a multiple of 4}}
  %y = qt.matmul %x, %w : tensor<?x36xf32>, !qt.tensor<16x36xf32, #qt.int<4, group = 6>> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// 48 and 32 have no common group that both end at.
qt.weight @w : !qt.tensor<16x96xf32, #qt.q8_0> in "m.gguf"
func.func @groups_that_do_not_fit(%x: tensor<?x96xf32>) -> tensor<?x16xf32> {
  %q = qt.quantize %x : tensor<?x96xf32> -> !qt.tensor<?x96xf32, #qt.int<8, group = 48>>
  %w = qt.load @w : !qt.tensor<16x96xf32, #qt.q8_0>
  // expected-error @below {{activation groups of 48 and weight groups of 32 do not fit: one must divide the other}}
  %y = qt.matmul %q, %w : !qt.tensor<?x96xf32, #qt.int<8, group = 48>>, !qt.tensor<16x96xf32, #qt.q8_0> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// A dot product takes four values at a time: 6 would end inside one.
qt.weight @w : !qt.tensor<16x48xf32, #qt.int<8, group = 6>> in "m.safetensors"
func.func @odd_group(%x: tensor<?x48xf32>) -> tensor<?x16xf32> {
  %q = qt.quantize %x : tensor<?x48xf32> -> !qt.tensor<?x48xf32, #qt.int<8, token>>
  %w = qt.load @w : !qt.tensor<16x48xf32, #qt.int<8, group = 6>>
  // expected-error @below {{has groups of 6 values; kernels need a multiple of 4}}
  %y = qt.matmul %q, %w : !qt.tensor<?x48xf32, #qt.int<8, token>>, !qt.tensor<16x48xf32, #qt.int<8, group = 6>> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// One weight has one layout.
qt.weight @w : !qt.tensor<16x64xf32, #qt.int<8, channel>> in "m.safetensors"
func.func @shared_weight(%x: tensor<?x64xf32>) -> (tensor<?x16xf32>, tensor<?x16xf32>) {
  %a = qt.quantize %x : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.int<8, token>>
  %b = qt.quantize %x : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.int<8, group = 32>>
  %w = qt.load @w : !qt.tensor<16x64xf32, #qt.int<8, channel>>
  // expected-error @below {{shares its weight with a matmul whose activations have other groups}}
  %y = qt.matmul %a, %w : !qt.tensor<?x64xf32, #qt.int<8, token>>, !qt.tensor<16x64xf32, #qt.int<8, channel>> -> tensor<?x16xf32>
  %z = qt.matmul %b, %w : !qt.tensor<?x64xf32, #qt.int<8, group = 32>>, !qt.tensor<16x64xf32, #qt.int<8, channel>> -> tensor<?x16xf32>
  return %y, %z : tensor<?x16xf32>, tensor<?x16xf32>
}

// -----

// expected-error @below {{is '!qt.tensor<2x16x32xf32, #qt.int<8, channel>>'; only matrices can be packed}}
qt.weight @w : !qt.tensor<2x16x32xf32, #qt.int<8, channel>> in "m.safetensors"
func.func @rank_three() -> !qt.tensor<2x16x32xf32, #qt.int<8, channel>> {
  %w = qt.load @w : !qt.tensor<2x16x32xf32, #qt.int<8, channel>>
  return %w : !qt.tensor<2x16x32xf32, #qt.int<8, channel>>
}

// -----

func.func @activation_without_a_matmul(%x: tensor<?x32xf32>) -> tensor<?x32xi8> {
  %q = qt.quantize %x : tensor<?x32xf32> -> !qt.tensor<?x32xf32, #qt.int<8, token>>
  // expected-error @below {{reads a quantized activation, but only qt.dequantize and qt.matmul with a packed weight have kernels}}
  %codes, %scales = qt.parts %q : !qt.tensor<?x32xf32, #qt.int<8, token>> -> tensor<?x32xi8>, tensor<?x1xf32>
  return %codes : tensor<?x32xi8>
}

// -----

// expected-error @below {{is 'tensor<16xf16>'; kernels read unquantized weights as f32}}
qt.weight @gain : tensor<16xf16> in "m.safetensors"
func.func @half_gain() -> tensor<16xf16> {
  %w = qt.load @gain : tensor<16xf16>
  return %w : tensor<16xf16>
}

// -----

// ... even when it is loaded twice.
qt.weight @w : !qt.tensor<16x64xf32, #qt.int<8, channel>> in "m.safetensors"
func.func @token(%x: tensor<?x64xf32>) -> tensor<?x16xf32> {
  %q = qt.quantize %x : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.int<8, token>>
  %w = qt.load @w : !qt.tensor<16x64xf32, #qt.int<8, channel>>
  %y = qt.matmul %q, %w : !qt.tensor<?x64xf32, #qt.int<8, token>>, !qt.tensor<16x64xf32, #qt.int<8, channel>> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}
func.func @groups(%x: tensor<?x64xf32>) -> tensor<?x16xf32> {
  %q = qt.quantize %x : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.int<8, group = 32>>
  // expected-error @below {{is multiplied with activations of other groups than another load of @w}}
  %w = qt.load @w : !qt.tensor<16x64xf32, #qt.int<8, channel>>
  %y = qt.matmul %q, %w : !qt.tensor<?x64xf32, #qt.int<8, group = 32>>, !qt.tensor<16x64xf32, #qt.int<8, channel>> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// kernel.quantize makes bytes: four bits would silently become eight.
qt.weight @w : !qt.tensor<16x64xf32, #qt.int<8, channel>> in "m.safetensors"
func.func @four_bits(%x: tensor<?x64xf32>) -> tensor<?x16xf32> {
  // expected-error @below {{makes #qt.int<4, token> when the program runs; kernels make symmetric 8-bit integers or 8-bit floats with f32 scales per token, group or tensor}}
  %q = qt.quantize %x : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.int<4, token>>
  %w = qt.load @w : !qt.tensor<16x64xf32, #qt.int<8, channel>>
  %y = qt.matmul %q, %w : !qt.tensor<?x64xf32, #qt.int<4, token>>, !qt.tensor<16x64xf32, #qt.int<8, channel>> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

qt.weight @w : !qt.tensor<16x64xf32, #qt.int<8, channel>> in "m.safetensors"
func.func @zero_points(%x: tensor<?x64xf32>) -> tensor<?x16xf32> {
  // expected-error @below {{makes #qt.int<8, token, zero = i8> when the program runs}}
  %q = qt.quantize %x : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.int<8, token, zero = i8>>
  %w = qt.load @w : !qt.tensor<16x64xf32, #qt.int<8, channel>>
  %y = qt.matmul %q, %w : !qt.tensor<?x64xf32, #qt.int<8, token, zero = i8>>, !qt.tensor<16x64xf32, #qt.int<8, channel>> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Scales are not rounded to half precision when they are made.
qt.weight @w : !qt.tensor<16x64xf32, #qt.int<8, channel>> in "m.safetensors"
func.func @half_scales(%x: tensor<?x64xf32>) -> tensor<?x16xf32> {
  // expected-error @below {{makes #qt.int<8, token, scale = f16> when the program runs}}
  %q = qt.quantize %x : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.int<8, token, scale = f16>>
  %w = qt.load @w : !qt.tensor<16x64xf32, #qt.int<8, channel>>
  %y = qt.matmul %q, %w : !qt.tensor<?x64xf32, #qt.int<8, token, scale = f16>>, !qt.tensor<16x64xf32, #qt.int<8, channel>> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Panels of 8 rows would have rows of two experts.
qt.weight @w : !qt.tensor<36x32xf32, #qt.q8_0> in "m.gguf"
func.func @experts(%x: tensor<?x2x32xf32>, %experts: tensor<4xi32>) -> tensor<?x2x12xf32> {
  %w = qt.load @w : !qt.tensor<36x32xf32, #qt.q8_0>
  // expected-error @below {{has experts of 12 rows; kernels need a multiple of 8}}
  %y = qt.matmul %x, %w experts %experts : tensor<?x2x32xf32>, !qt.tensor<36x32xf32, #qt.q8_0> experts tensor<4xi32> -> tensor<?x2x12xf32>
  return %y : tensor<?x2x12xf32>
}
