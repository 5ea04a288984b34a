// RUN: quant-opt %s --convert-to-kernel=batch=32 --split-input-file | FileCheck %s

// A float weight without a scheme is a view of the packed bytes at its offset; a
// packed one is only its offset. Results get buffers of their own.
qt.weight @gain : tensor<8xf32> in "m.safetensors" at 4096
// CHECK-LABEL: func.func @norms(
//  CHECK-SAME: %[[X:.+]]: memref<?x8xf32>, %[[WEIGHTS:.+]]: memref<?xi8> {kernel.role = "weights"}) -> memref<?x8xf32> attributes {kernel.batch = 32 : i64}
//   CHECK-NOT: qt.load
//       CHECK: %[[AT:.+]] = arith.constant 4096 : index
//       CHECK: %[[GAIN:.+]] = memref.view %[[WEIGHTS]][%[[AT]]][] : memref<?xi8> to memref<8xf32>
//       CHECK: %[[ROWS:.+]] = memref.dim %[[X]], %{{.*}} : memref<?x8xf32>
//       CHECK: %[[A:.+]] = memref.alloc(%[[ROWS]]) : memref<?x8xf32>
//       CHECK: kernel.rms_norm %[[X]], %[[GAIN]] into %[[A]] {eps = 1.000000e-05 : f64}
//       CHECK: %[[B:.+]] = memref.alloc({{.*}}) : memref<?x8xf32>
//       CHECK: kernel.layer_norm %[[A]], %[[GAIN]] into %[[B]] {eps = 2.500000e-01 : f64}
//       CHECK: %[[C:.+]] = memref.alloc({{.*}}) : memref<?x8xf32>
//       CHECK: kernel.layer_norm %[[B]], %[[GAIN]] bias %[[GAIN]] into %[[C]]
//       CHECK: return %[[C]] : memref<?x8xf32>
func.func @norms(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %g = qt.load @gain : tensor<8xf32>
  %0 = lm.rms_norm %x, %g {eps = 1.0e-5} : tensor<?x8xf32>, tensor<8xf32>
  %1 = lm.layer_norm %0, %g {eps = 0.25} : tensor<?x8xf32>, tensor<8xf32>
  %2 = lm.layer_norm %1, %g bias %g {eps = 1.0e-5} : tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>
  return %2 : tensor<?x8xf32>
}

// -----

!w = !qt.tensor<16x96xf32, #qt.q8_0, #qt.panels<lanes = 8, vectors = 2, depth = 4, group = 32>>
!x = !qt.tensor<?x96xf32, #qt.int<8, token>, #qt.rows<stride = 128, group = 96, sums = 32>>
qt.weight @w : !w in "m.gguf" at 64
qt.weight @bias : tensor<16xf32> in "m.gguf" at 4096
// A quantized activation becomes three buffers: 128 bytes are 32 words a row, one
// scale a row, and a sum for each 32 of the 96 values.
// CHECK-LABEL: func.func @matmul_int(
//  CHECK-SAME: %[[X:.+]]: memref<?x96xf32>, %[[WEIGHTS:.+]]: memref<?xi8>
//       CHECK: %[[CODES:.+]] = memref.alloc({{.*}}) : memref<?x32xi32>
//       CHECK: %[[SCALES:.+]] = memref.alloc({{.*}}) : memref<?x1xf32>
//       CHECK: %[[SUMS:.+]] = memref.alloc({{.*}}) : memref<?x3xi32>
//       CHECK: kernel.quantize %[[X]] into %[[CODES]], %[[SCALES]], %[[SUMS]] {group = 96 : i64, sumGroup = 32 : i64}
//       CHECK: %[[OFFSET:.+]] = arith.constant 64 : index
//       CHECK: %[[OUT:.+]] = memref.alloc({{.*}}) : memref<?x16xf32>
//       CHECK: kernel.matmul_int %[[CODES]], %[[SCALES]], %[[SUMS]], %[[WEIGHTS]][%[[OFFSET]]] bias %{{.*}} into %[[OUT]] {group = 96 : i64, type = !qt.tensor<16x96xf32, #qt.q8_0,
func.func @matmul_int(%x: tensor<?x96xf32>) -> tensor<?x16xf32> {
  %q = qt.quantize %x : tensor<?x96xf32> -> !x
  %w = qt.load @w : !w
  %b = qt.load @bias : tensor<16xf32>
  %y = qt.matmul %q, %w bias %b : !x, !w, tensor<16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

!w = !qt.tensor<32x32xf32, #qt.float<f16>, #qt.panels<lanes = 8, vectors = 2, depth = 1, group = 32>>
qt.weight @w : !w in "m.safetensors" at 0
// An addition of something that is there already moves into the matmul ...
// CHECK-LABEL: func.func @residual(
//  CHECK-SAME: %[[X:.+]]: memref<?x32xf32>,
//       CHECK: kernel.matmul_float %[[X]], %{{.*}}[%{{.*}}] residual %[[X]] into %[[OUT:.+]] {type
//   CHECK-NOT: arith.addf
//       CHECK: %[[T:.+]] = bufferization.to_tensor %[[OUT]] restrict
//       CHECK: %[[B:.+]] = bufferization.to_buffer %[[T]]
//       CHECK: return %[[B]]
func.func @residual(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %w = qt.load @w : !w
  %y = qt.matmul %x, %w : tensor<?x32xf32>, !w -> tensor<?x32xf32>
  %z = arith.addf %x, %y : tensor<?x32xf32>
  return %z : tensor<?x32xf32>
}

// ... also when the other side is computed later, which the matmul then waits for.
// CHECK-LABEL: func.func @residual_computed_later(
//       CHECK: kernel.rms_norm %{{.*}} into %[[NORM:.+]] {eps
//       CHECK: kernel.matmul_float {{.*}} residual %[[NORM]] into
//   CHECK-NOT: arith.addf
func.func @residual_computed_later(%x: tensor<?x32xf32>, %gain: tensor<32xf32>) -> tensor<?x32xf32> {
  %w = qt.load @w : !w
  %y = qt.matmul %x, %w : tensor<?x32xf32>, !w -> tensor<?x32xf32>
  %n = lm.rms_norm %x, %gain {eps = 1.0e-5} : tensor<?x32xf32>, tensor<32xf32>
  %z = arith.addf %y, %n : tensor<?x32xf32>
  return %z : tensor<?x32xf32>
}

// A second addition finds the place taken: one of the two matmuls adds the other.
// CHECK-LABEL: func.func @two_matmuls(
//       CHECK: kernel.matmul_float %{{.*}}[%{{.*}}] into %[[A:.+]] {type
//       CHECK: kernel.matmul_float {{.*}} residual %{{.*}} into
//   CHECK-NOT: arith.addf
//   CHECK-NOT: kernel.matmul_float
//       CHECK: return
func.func @two_matmuls(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %w = qt.load @w : !w
  %y = qt.matmul %x, %w : tensor<?x32xf32>, !w -> tensor<?x32xf32>
  %z = qt.matmul %y, %w : tensor<?x32xf32>, !w -> tensor<?x32xf32>
  %sum = arith.addf %y, %z : tensor<?x32xf32>
  return %sum : tensor<?x32xf32>
}

// The matmul's result is needed without the addition, too: left alone.
// CHECK-LABEL: func.func @result_read_twice(
//       CHECK: kernel.matmul_float
//   CHECK-NOT: residual
//       CHECK: arith.addf
func.func @result_read_twice(%x: tensor<?x32xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>) {
  %w = qt.load @w : !w
  %y = qt.matmul %x, %w : tensor<?x32xf32>, !w -> tensor<?x32xf32>
  %z = arith.addf %x, %y : tensor<?x32xf32>
  return %y, %z : tensor<?x32xf32>, tensor<?x32xf32>
}

// -----

!w = !qt.tensor<64x32xf32, #qt.float<f16>, #qt.panels<lanes = 8, vectors = 2, depth = 1, group = 32>>
qt.weight @table : !w in "m.safetensors" at 128
// Kernels know rows; other leading dimensions are folded into them.
// CHECK-LABEL: func.func @leading_dimensions(
//  CHECK-SAME: %[[IDS:.+]]: memref<2x3xi32>, %[[WEIGHTS:.+]]: memref<?xi8>
//       CHECK: %[[OUT:.+]] = memref.alloc() : memref<2x3x32xf32>
//   CHECK-DAG: %[[FLAT:.+]] = memref.collapse_shape %[[IDS]] {{\[\[}}0, 1]] : memref<2x3xi32> into memref<6xi32>
//   CHECK-DAG: %[[ROWS:.+]] = memref.collapse_shape %[[OUT]] {{\[\[}}0, 1], [2]] : memref<2x3x32xf32> into memref<6x32xf32>
//       CHECK: kernel.gather %[[FLAT]], %[[WEIGHTS]][%{{.*}}] into %[[ROWS]] {type = !qt.tensor<64x32xf32, #qt.float<f16>,
//       CHECK: %[[IN:.+]] = memref.collapse_shape %[[OUT]] {{.*}} into memref<6x32xf32>
//       CHECK: kernel.matmul_float %[[IN]], %[[WEIGHTS]]
//       CHECK: return %{{.*}} : memref<2x3x64xf32>
func.func @leading_dimensions(%ids: tensor<2x3xi32>) -> tensor<2x3x64xf32> {
  %w = qt.load @table : !w
  %x = qt.gather %ids, %w : tensor<2x3xi32>, !w -> tensor<2x3x32xf32>
  %y = qt.matmul %x, %w : tensor<2x3x32xf32>, !w -> tensor<2x3x64xf32>
  return %y : tensor<2x3x64xf32>
}

// -----

// A cache is a buffer of which only the number of positions is open.
// CHECK-LABEL: func.func @attention(
//  CHECK-SAME: %[[Q:[a-z0-9]+]]: memref<?x256xf32>, %[[K:[a-z0-9]+]]: memref<?x128xf32>, %[[V:[a-z0-9]+]]: memref<?x128xf32>,
//  CHECK-SAME: %[[CACHE:[a-z0-9]+]]: memref<30x2x2x?x64xf16> {kernel.role = "cache"}, %[[POSITION:[a-z0-9]+]]: index, %{{.*}}: memref<?xi8> {kernel.role = "weights"})
//       CHECK: kernel.rope %[[Q]] at %[[POSITION]] into %[[ROPED:.+]] {base = 1.000000e+04 : f64, divisors = array<f64: 1.000000e+00, 2.000000e+00>, headSize = 64 : i64, rotarySize = 4 : i64, style = #lm.rope_style<half>}
//       CHECK: %[[LAYER:.+]] = arith.constant 7 : index
//       CHECK: kernel.cache_write %[[K]], %[[V]] into %[[CACHE]][%[[LAYER]]] at %[[POSITION]]
//       CHECK: %[[PARTIALS:.+]] = memref.alloc() : memref<8x2x8x80xf32>
//       CHECK: kernel.attention %[[ROPED]], %[[CACHE]][%[[LAYER]]] at %[[POSITION]] partials %[[PARTIALS]] into %[[OUT:.+]] {causal, heads = 4 : i64, scale = 1.250000e-01 : f64, softcap = 3.000000e+01 : f64, window = 128 : i64}
//       CHECK: kernel.merge_attention %[[PARTIALS]] at %[[POSITION]] into %[[OUT]] {heads = 4 : i64}
func.func @attention(%q: tensor<?x256xf32>, %k: tensor<?x128xf32>, %v: tensor<?x128xf32>, %cache: !lm.kv_cache<30 x 2 x 64 x f16>, %position: index) -> tensor<?x256xf32> {
  %0 = lm.rope %q at %position {base = 1.0e+04, divisors = array<f64: 1.0, 2.0>, head_size = 64, rotary_size = 4, style = #lm.rope_style<half>} : tensor<?x256xf32>
  %1 = lm.attention %0, %k, %v cache %cache[7] at %position {causal, heads = 4, kv_heads = 2, scale = 0.125, softcap = 30.0, window = 128} : tensor<?x256xf32>, tensor<?x128xf32>, tensor<?x128xf32>, !lm.kv_cache<30 x 2 x 64 x f16>
  return %1 : tensor<?x256xf32>
}

// Without a cache keys and values are put in a cache's order all the same, in a
// buffer of whole blocks of 16 positions.
// CHECK-LABEL: func.func @attention_without_cache(
//  CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?x128xf32>, %[[MASK:[a-z0-9]+]]: memref<?x?xf32>
//   CHECK-DAG: %[[FIRST:.+]] = arith.constant 0 : index
//   CHECK-DAG: %[[C16:.+]] = arith.constant 16 : index
//       CHECK: %[[BLOCKS:.+]] = arith.ceildivui %{{.*}}, %[[C16]]
//       CHECK: %[[POSITIONS:.+]] = arith.muli %[[BLOCKS]], %[[C16]]
//       CHECK: %[[CACHE:.+]] = memref.alloc(%[[POSITIONS]]) : memref<1x2x2x?x64xf32>
//       CHECK: kernel.cache_write %[[X]], %[[X]] into %[[CACHE]]
//       CHECK: kernel.attention %[[X]], %[[CACHE]]{{.*}} mask %[[MASK]] into %{{.*}} {heads = 2 : i64, scale = 1.250000e-01 : f64}
func.func @attention_without_cache(%x: tensor<?x128xf32>, %mask: tensor<?x?xf32>) -> tensor<?x128xf32> {
  %0 = lm.attention %x, %x, %x mask %mask {heads = 2, kv_heads = 2, scale = 0.125} : tensor<?x128xf32>, tensor<?x128xf32>, tensor<?x128xf32> mask tensor<?x?xf32>
  return %0 : tensor<?x128xf32>
}

// 20 tokens need two blocks.
// CHECK-LABEL: func.func @known_number_of_tokens(
//       CHECK: memref.alloc() : memref<1x2x2x32x64xf32>
func.func @known_number_of_tokens(%x: tensor<20x128xf32>) -> tensor<20x128xf32> {
  %0 = lm.attention %x, %x, %x {causal, heads = 2, kv_heads = 2, scale = 0.125} : tensor<20x128xf32>, tensor<20x128xf32>, tensor<20x128xf32>
  return %0 : tensor<20x128xf32>
}

// -----

// Activation functions become linalg; what is neither lm nor qt stays on tensors.
// CHECK-LABEL: func.func @between_kernels(
//  CHECK-SAME: %[[X:.+]]: memref<?x8xf32>,
//       CHECK: %[[T:.+]] = bufferization.to_tensor %[[X]] restrict : memref<?x8xf32> to tensor<?x8xf32>
//       CHECK: %[[RELU:.+]] = linalg.generic {{.*}} ins(%[[T]] : tensor<?x8xf32>)
//       CHECK: arith.maximumf
//       CHECK: %[[SUM:.+]] = arith.mulf %[[RELU]], %[[T]] : tensor<?x8xf32>
//       CHECK: %[[B:.+]] = bufferization.to_buffer %[[SUM]]
//       CHECK: return %[[B]]
func.func @between_kernels(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = lm.activation relu %x : tensor<?x8xf32>
  %1 = arith.mulf %0, %x : tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// -----

// Statistics. Columns are packed in 70 / 32 panels for the products; 16 shares of
// the rows are counted apart and added up.
// CHECK-LABEL: func.func @observe(
//  CHECK-SAME: %[[X:.+]]: memref<?x70xf32>,
//       CHECK: %[[RANGE:.+]] = memref.alloc() : memref<2x70xf32>
//       CHECK: %[[SUM:.+]] = memref.alloc() : memref<70xf32>
//       CHECK: %[[GRAM:.+]] = memref.alloc() : memref<70x70xf32>
//       CHECK: %[[COUNTS:.+]] = memref.alloc() : memref<2048xi32>
//       CHECK: kernel.observe_channels %[[X]] range %[[RANGE]] sum_abs %[[SUM]]
//       CHECK: %[[ROWS:.+]] = memref.dim %[[X]]
//       CHECK: %[[PACKED:.+]] = memref.alloc(%[[ROWS]]) : memref<3x?x32xf32>
//       CHECK: kernel.pack_columns %[[X]] into %[[PACKED]]
//       CHECK: kernel.gram %[[PACKED]] into %[[GRAM]]
//       CHECK: %[[PARTS:.+]] = memref.alloc() : memref<16x2048xi32>
//       CHECK: kernel.histogram %[[X]] into %[[PARTS]]
//       CHECK: linalg.fill {{.*}} outs(%[[COUNTS]]
//       CHECK: linalg.generic {{.*}} ins(%[[PARTS]] : {{.*}}) outs(%[[COUNTS]]
//       CHECK: return %[[RANGE]], %[[SUM]], %[[GRAM]], %[[COUNTS]]
func.func @observe(%x: tensor<?x70xf32>) -> (tensor<2x70xf32>, tensor<70xf32>, tensor<70x70xf32>, tensor<2048xi32>) {
  %0:4 = qt.observe %x [range, sum_abs, gram, histogram] site "w" : tensor<?x70xf32> -> tensor<2x70xf32>, tensor<70xf32>, tensor<70x70xf32>, tensor<2048xi32>
  return %0#0, %0#1, %0#2, %0#3 : tensor<2x70xf32>, tensor<70xf32>, tensor<70x70xf32>, tensor<2048xi32>
}

// Only what was asked for.
// CHECK-LABEL: func.func @observe_one(
//       CHECK: %[[SUM:.+]] = memref.alloc() : memref<8xf32>
//       CHECK: kernel.observe_channels %{{.*}} sum_abs %[[SUM]]
//   CHECK-NOT: kernel.
//       CHECK: return
func.func @observe_one(%x: tensor<2x3x8xf32>) -> tensor<8xf32> {
  %0 = qt.observe %x [sum_abs] site "w" : tensor<2x3x8xf32> -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// Two activations side by side.
// CHECK-LABEL: func.func @cross_gram(
//  CHECK-SAME: %[[X:.+]]: memref<?x70xf32>, %[[Y:.+]]: memref<?x8xf32>,
//       CHECK: %[[OUT:.+]] = memref.alloc() : memref<70x8xf32>
//   CHECK-DAG: kernel.pack_columns %[[X]] into %[[PX:.+]] : memref<?x70xf32> into memref<3x?x32xf32>
//   CHECK-DAG: kernel.pack_columns %[[Y]] into %[[PY:.+]] : memref<?x8xf32> into memref<1x?x32xf32>
//       CHECK: kernel.gram %[[PX]] by %[[PY]] into %[[OUT]]
func.func @cross_gram(%x: tensor<?x70xf32>, %y: tensor<?x8xf32>) -> tensor<70x8xf32> {
  %0 = qt.cross_gram %x, %y : tensor<?x70xf32>, tensor<?x8xf32> -> tensor<70x8xf32>
  return %0 : tensor<70x8xf32>
}

// Codes are as long as the program's own dimension says; kernels see rows. Each of 2
// experts has 16 of the weight's rows.
qt.weight @of_experts : !qt.tensor<32x32xf32, #qt.q8_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>> in "m.gguf" at 0
// CHECK-LABEL: func.func @experts(
//  CHECK-SAME: %[[X:.+]]: memref<?x4x32xf32>, %[[EXPERTS:.+]]: memref<3xi32>,
//       CHECK: %[[CODES:.+]] = memref.alloc(%{{.*}}) : memref<?x4x16xi32>
//       CHECK: %[[CODE_ROWS:.+]] = memref.collapse_shape %[[CODES]] {{\[\[}}0, 1], [2]] : memref<?x4x16xi32> into memref<?x16xi32>
//       CHECK: kernel.quantize %{{.*}} into %[[CODE_ROWS]]
//       CHECK: %[[OUT:.+]] = memref.alloc(%{{.*}}) : memref<?x4x16xf32>
//       CHECK: kernel.matmul_int {{.*}} experts %[[EXPERTS]] into %{{.*}} {group = 32 : i64, type = !qt.tensor<16x32xf32, #qt.q8_0,
func.func @experts(%x: tensor<?x4x32xf32>, %experts: tensor<3xi32>) -> tensor<?x4x16xf32> {
  %q = qt.quantize %x : tensor<?x4x32xf32> -> !qt.tensor<?x4x32xf32, #qt.int<8, token>, #qt.rows<stride = 64, group = 32, sums = 32>>
  %w = qt.load @of_experts : !qt.tensor<32x32xf32, #qt.q8_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>
  %y = qt.matmul %q, %w experts %experts : !qt.tensor<?x4x32xf32, #qt.int<8, token>, #qt.rows<stride = 64, group = 32, sums = 32>>, !qt.tensor<32x32xf32, #qt.q8_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>> experts tensor<3xi32> -> tensor<?x4x16xf32>
  return %y : tensor<?x4x16xf32>
}
