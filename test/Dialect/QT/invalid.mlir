// RUN: quant-opt %s --split-input-file --verify-diagnostics

// A case for every numbered rule of the qt dialect, and for the schemes' own.

// expected-error @+1 {{!qt.tensor C1: the rank must be at least 1}}
func.func private @tensor_c1_rank(!qt.tensor<f32, #qt.int<8, tensor>>)

// -----

// expected-error @+1 {{!qt.tensor C1: the element type is that of the numbers and must be a float, got 'i8'}}
func.func private @tensor_c1_type(!qt.tensor<4x32xi8, #qt.int<8, tensor>>)

// -----

// expected-error @+1 {{#qt.q4_0: a row must be a whole number of blocks of 32 values, got 33}}
func.func private @tensor_c2_q4_0(!qt.tensor<4x33xf32, #qt.q4_0>)

// -----

// expected-error @+1 {{#qt.q4_1: a row must be a whole number of blocks of 32 values, got 16}}
func.func private @tensor_c2_q4_1(!qt.tensor<4x16xf32, #qt.q4_1>)

// -----

// expected-error @+1 {{#qt.q8_0: a row must be a whole number of blocks of 32 values}}
func.func private @tensor_c2_q8_0(!qt.tensor<4x?xf32, #qt.q8_0>)

// -----

// expected-error @+1 {{#qt.int: the length of a row must be static}}
func.func private @tensor_c2_int(!qt.tensor<4x?xf32, #qt.int<8, token>>)

// -----

// expected-error @+1 {{expected a quantization scheme such as #qt.int<8, channel>, got 4 : i64}}
func.func private @no_scheme(!qt.tensor<4x32xf32, 4>)

// -----

// expected-error @+1 {{unknown attribute 'qt.q4_9'; known are}}
func.func private @unknown_scheme(!qt.tensor<4x32xf32, #qt.q4_9>)

// -----

// expected-error @+1 {{#qt.int has 2 to 8 bits, not 9}}
func.func private @int_bits(!qt.tensor<4x32xf32, #qt.int<9, channel>>)

// -----

// expected-error @+1 {{#qt.int: a group has at least 1 value, not 0}}
func.func private @int_group(!qt.tensor<4x32xf32, #qt.int<4, group = 0>>)

// -----

// expected-error @+1 {{#qt.int: scales are f32, f16 or bf16, not 'f64'}}
func.func private @int_scale(!qt.tensor<4x32xf32, #qt.int<4, channel, scale = f64>>)

// -----

// expected-error @+1 {{#qt.float stores f32, f16, bf16, f8E4M3FN, f8E5M2 or f4E2M1FN, not 'f64'}}
func.func private @float_type(!qt.tensor<4x32xf32, #qt.float<f64>>)

// -----

// expected-error @+1 {{#qt.float: 'f16' has no scales}}
func.func private @float_plain(!qt.tensor<4x32xf32, #qt.float<f16, channel>>)

// -----

// expected-error @+1 {{#qt.float: 'f8E4M3FN' needs to know what shares a scale: tensor, channel, token, group or block}}
func.func private @float_granularity(!qt.tensor<4x32xf32, #qt.float<f8E4M3FN>>)

// -----

// expected-error @+1 {{expected tensor, channel, token, group or block, got 'row'}}
func.func private @float_keyword(!qt.tensor<4x32xf32, #qt.float<f8E4M3FN, row>>)

// -----

// expected-error @+1 {{expected rows and columns of a block, such as 128x128}}
func.func private @float_block(!qt.tensor<4x32xf32, #qt.float<f8E4M3FN, block = 128>>)

// -----

// expected-error @+1 {{#qt.float: a group has at least 1 value}}
func.func private @float_group(!qt.tensor<4x32xf32, #qt.float<f8E4M3FN, group = 0>>)

// -----

// expected-error @+1 {{#qt.float: scales of type 'f8E8M0FNU' are those of groups}}
func.func private @float_mx(!qt.tensor<4x32xf32, #qt.float<f8E4M3FN, channel, scale = f8E8M0FNU>>)

// -----

// expected-error @+1 {{#qt.float: scales of type f8E4M3FN belong to f4E2M1FN, not 'f8E5M2'}}
func.func private @float_nv(!qt.tensor<4x32xf32, #qt.float<f8E5M2, group = 16, scale = f8E4M3FN>>)

// -----

// expected-error @+1 {{#qt.float: blocks are for matrices of a static shape}}
func.func private @float_shape(!qt.tensor<?x32xf32, #qt.float<f8E4M3FN, block = 16x16>>)

// -----

// expected-error @+1 {{expected nf4 or fp4, got 'nf3'}}
func.func private @codebook_table(!qt.tensor<4x32xf32, #qt.codebook<nf3, group = 64>>)

// -----

// expected-error @+1 {{#qt.codebook: a group has at least 1 value, not 0}}
func.func private @codebook_group(!qt.tensor<4x32xf32, #qt.codebook<nf4, group = 0>>)

// -----

// expected-error @+1 {{#qt.codebook: the shape must be static}}
func.func private @codebook_shape(!qt.tensor<?x32xf32, #qt.codebook<nf4, group = 64>>)

// -----

func.func @quantize_c2(%x: tensor<?x32xf32>, %m: tensor<16xf32>) {
  // expected-error @+1 {{'qt.quantize' op C2: the multiplier must be 'tensor<32xf32>', got 'tensor<16xf32>'}}
  %0 = qt.quantize %x by %m : tensor<?x32xf32>, tensor<16xf32> -> !qt.tensor<?x32xf32, #qt.int<8, token>>
  return
}

// -----

func.func @quantize_c3_type(%x: tensor<?x32xf32>, %s: tensor<2xf32>) {
  // expected-error @+1 {{'qt.quantize' op C3: the scale must be 'tensor<1xf32>', got 'tensor<2xf32>'}}
  %0 = qt.quantize %x scale %s : tensor<?x32xf32>, tensor<2xf32> -> !qt.tensor<?x32xf32, #qt.int<8, tensor>>
  return
}

// -----

func.func @quantize_c3_scheme(%x: tensor<?x32xf32>, %s: tensor<1xf32>) {
  // expected-error @+1 {{'qt.quantize' op C3: #qt.int<8, token> has not one scale for the whole tensor}}
  %0 = qt.quantize %x scale %s : tensor<?x32xf32>, tensor<1xf32> -> !qt.tensor<?x32xf32, #qt.int<8, token>>
  return
}

// -----

func.func @split_outliers_c1(%x: tensor<?x32xf32>) {
  // expected-error @+1 {{'qt.split_outliers' op C1: the threshold must be positive}}
  %0, %1 = qt.split_outliers %x {threshold = 0.0 : f64} : tensor<?x32xf32>
  return
}

// -----

// expected-error @+1 {{'qt.weight' op C1: a weight's shape must be static, got '!qt.tensor<?x32xf32, #qt.q4_0>'}}
qt.weight @weight_c1_dynamic : !qt.tensor<?x32xf32, #qt.q4_0> in "file"

// -----

// expected-error @+1 {{'qt.weight' op C1: the type must be a statically shaped float tensor or !qt.tensor, got 'tensor<4xi8>'}}
qt.weight @weight_c1_type : tensor<4xi8> in "file"

// -----

func.func @load_c1_missing() {
  // expected-error @+1 {{'qt.load' op C1: there is no qt.weight @nowhere}}
  %0 = qt.load @nowhere : tensor<4xf32>
  return
}

// -----

qt.weight @weight : tensor<4xf32> in "file"
func.func @load_c1_type() {
  // expected-error @+1 {{'qt.load' op C1: @weight is declared as 'tensor<4xf32>', not 'tensor<5xf32>'}}
  %0 = qt.load @weight : tensor<5xf32>
  return
}

// -----

func.func @assemble_c1_count(%codes: tensor<4x32xi8>) {
  // expected-error @+1 {{'qt.assemble' op C1: '!qt.tensor<4x32xf32, #qt.int<8, channel>>' is stored as 2 parts, got 1}}
  %0 = qt.assemble %codes : tensor<4x32xi8> -> !qt.tensor<4x32xf32, #qt.int<8, channel>>
  return
}

// -----

func.func @assemble_c1_shape(%codes: tensor<4x32xi8>, %scales: tensor<4xf32>) {
  // expected-error @+1 {{'qt.assemble' op C1: part 1 (scales) of '!qt.tensor<4x32xf32, #qt.int<8, channel>>' must be 'tensor<4x1xf32>', got 'tensor<4xf32>'}}
  %0 = qt.assemble %codes, %scales : tensor<4x32xi8>, tensor<4xf32> -> !qt.tensor<4x32xf32, #qt.int<8, channel>>
  return
}

// -----

func.func @parts_c1(%w: !qt.tensor<4x64xf32, #qt.q4_0>) {
  // expected-error @+1 {{'qt.parts' op C1: part 0 of '!qt.tensor<4x64xf32, #qt.q4_0>' must be 'tensor<4x2x18xi8>', got 'tensor<4x36xi8>'}}
  %0 = qt.parts %w : !qt.tensor<4x64xf32, #qt.q4_0> -> tensor<4x36xi8>
  return
}

// -----

func.func @quantize_c1(%x: tensor<4x32xf16>) {
  // expected-error @+1 {{'qt.quantize' op C1: shape and element type must agree: 'tensor<4x32xf16>' and '!qt.tensor<4x32xf32, #qt.int<8, token>>'}}
  %0 = qt.quantize %x : tensor<4x32xf16> -> !qt.tensor<4x32xf32, #qt.int<8, token>>
  return
}

// -----

func.func @dequantize_c1(%w: !qt.tensor<4x32xf32, #qt.q4_0>) {
  // expected-error @+1 {{'qt.dequantize' op C1: shape and element type must agree: 'tensor<4x33xf32>' and '!qt.tensor<4x32xf32, #qt.q4_0>'}}
  %0 = qt.dequantize %w : !qt.tensor<4x32xf32, #qt.q4_0> -> tensor<4x33xf32>
  return
}

// -----

func.func @matmul_c1_rank(%x: tensor<2x32xf32>, %w: !qt.tensor<2x4x32xf32, #qt.q4_0>) {
  // expected-error @+1 {{'qt.matmul' op C1: the weight must be [N, K], got '!qt.tensor<2x4x32xf32, #qt.q4_0>'}}
  %0 = qt.matmul %x, %w : tensor<2x32xf32>, !qt.tensor<2x4x32xf32, #qt.q4_0> -> tensor<2x4xf32>
  return
}

// -----

func.func @matmul_c1_k(%x: tensor<2x64xf32>, %w: !qt.tensor<4x32xf32, #qt.q4_0>) {
  // expected-error @+1 {{'qt.matmul' op C1: x and w must agree on K: 'tensor<2x64xf32>' and '!qt.tensor<4x32xf32, #qt.q4_0>'}}
  %0 = qt.matmul %x, %w : tensor<2x64xf32>, !qt.tensor<4x32xf32, #qt.q4_0> -> tensor<2x4xf32>
  return
}

// -----

func.func @matmul_c1_result(%x: !qt.tensor<2x32xf32, #qt.int<8, token>>, %w: !qt.tensor<4x32xf32, #qt.q4_0>) {
  // expected-error @+1 {{'qt.matmul' op C1: the result must have x's shape with N = 4 last, got 'tensor<2x5xf32>'}}
  %0 = qt.matmul %x, %w : !qt.tensor<2x32xf32, #qt.int<8, token>>, !qt.tensor<4x32xf32, #qt.q4_0> -> tensor<2x5xf32>
  return
}

// -----

func.func @matmul_c2(%x: tensor<2x32xf32>, %w: !qt.tensor<4x32xf32, #qt.q4_0>, %b: tensor<2xf32>) {
  // expected-error @+1 {{'qt.matmul' op C2: the bias must have shape [4], got 'tensor<2xf32>'}}
  %0 = qt.matmul %x, %w bias %b : tensor<2x32xf32>, !qt.tensor<4x32xf32, #qt.q4_0>, tensor<2xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @gather_c1_table(%ids: tensor<?xi32>, %table: !qt.tensor<32xf32, #qt.q8_0>) {
  // expected-error @+1 {{'qt.gather' op C1: the table must be [V, E], got '!qt.tensor<32xf32, #qt.q8_0>'}}
  %0 = qt.gather %ids, %table : tensor<?xi32>, !qt.tensor<32xf32, #qt.q8_0> -> tensor<?x32xf32>
  return
}

// -----

func.func @gather_c1_result(%ids: tensor<?xi32>, %table: !qt.tensor<9x32xf32, #qt.q8_0>) {
  // expected-error @+1 {{'qt.gather' op C1: the result must have ids' shape with E = 32 appended, got 'tensor<?x9xf32>'}}
  %0 = qt.gather %ids, %table : tensor<?xi32>, !qt.tensor<9x32xf32, #qt.q8_0> -> tensor<?x9xf32>
  return
}

// -----

func.func @observe_c1(%x: tensor<4x?xf32>) {
  // expected-error @+1 {{'qt.observe' op C1: the last dimension must be static, got 'tensor<4x?xf32>'}}
  %0 = qt.observe %x [sum_abs] site "w" : tensor<4x?xf32> -> tensor<?xf32>
  return
}

// -----

func.func @observe_c2_none(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{'qt.observe' op C2: has 0 statistics, but 0 results}}
  "qt.observe"(%x) <{site = "w", statistics = 0 : i32}> : (tensor<?x4xf32>) -> ()
  return
}

// -----

func.func @observe_c2_count(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{'qt.observe' op C2: has 2 statistics, but 1 results}}
  %0 = qt.observe %x [range, gram] site "w" : tensor<?x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @observe_c2_type(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{'qt.observe' op C2: gram is 'tensor<4x4xf32>', got 'tensor<4xf32>'}}
  %0 = qt.observe %x [gram] site "w" : tensor<?x4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @observe_unknown(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{unknown statistic 'median'; known are range, sum, sum_abs, gram, histogram}}
  %0 = qt.observe %x [median] site "w" : tensor<?x4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @cross_gram_c1(%x: tensor<4x?xf32>, %y: tensor<4x8xf32>) {
  // expected-error @+1 {{'qt.cross_gram' op C1: the last dimensions must be static, got 'tensor<4x?xf32>' and 'tensor<4x8xf32>'}}
  %0 = qt.cross_gram %x, %y : tensor<4x?xf32>, tensor<4x8xf32> -> tensor<?x8xf32>
  return
}

// -----

func.func @cross_gram_c1_result(%x: tensor<?x4xf32>, %y: tensor<?x8xf32>) {
  // expected-error @+1 {{'qt.cross_gram' op C1: the result is 'tensor<4x8xf32>', got 'tensor<8x4xf32>'}}
  %0 = qt.cross_gram %x, %y : tensor<?x4xf32>, tensor<?x8xf32> -> tensor<8x4xf32>
  return
}

// -----

func.func @cross_gram_c2(%x: tensor<3x4xf32>, %y: tensor<5x8xf32>) {
  // expected-error @+1 {{'qt.cross_gram' op C2: the rows of 'tensor<3x4xf32>' and 'tensor<5x8xf32>' do not match}}
  %0 = qt.cross_gram %x, %y : tensor<3x4xf32>, tensor<5x8xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @matmul_c3(%x: tensor<?x2x64xf32>, %w: !qt.tensor<48x64xf32, #qt.q8_0>, %experts: tensor<6xi32>) {
  // expected-error @+1 {{C3: experts must be [E + 1] and the weight's 48 rows a multiple of E, got 'tensor<6xi32>'}}
  %0 = qt.matmul %x, %w experts %experts : tensor<?x2x64xf32>, !qt.tensor<48x64xf32, #qt.q8_0> experts tensor<6xi32> -> tensor<?x2x16xf32>
  return
}
