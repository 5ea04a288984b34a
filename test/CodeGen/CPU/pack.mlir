// RUN: quant-opt %s --cpu-pack=target=cpu:x86-64-v4+vnni --split-input-file | FileCheck %s --check-prefixes=CHECK,WIDE
// RUN: quant-opt %s --cpu-pack=target=cpu:x86-64-v3 --split-input-file | FileCheck %s --check-prefixes=CHECK,NARROW
// RUN: quant-opt %s --cpu-pack=target=cpu:aarch64 --split-input-file | FileCheck %s --check-prefixes=CHECK,NEON

// One scale per row on both sides: the whole row is one group. 64 rows fill whole
// panels of 16 x 2, 8 x 2 and 4 x 4 lanes. 64 * 128 codes and 64 scales of 4 bytes
// are 8448 bytes, a multiple of 64, and the next weight follows at once.
// CHECK: module attributes {
// WIDE-SAME: kernel.target = "cpu:x86-64-v4+vnni"
// NARROW-SAME: kernel.target = "cpu:x86-64-v3"
// NEON-SAME: kernel.target = "cpu:aarch64"
// CHECK-SAME: kernel.weights_bytes = 8704
//   WIDE: qt.weight @w : !qt.tensor<64x128xf32, #qt.int<8, channel>, #qt.panels<lanes = 16, vectors = 2, depth = 4, group = 128>> in "m.safetensors" at 0
// NARROW: qt.weight @w : !qt.tensor<64x128xf32, #qt.int<8, channel>, #qt.panels<lanes = 8, vectors = 2, depth = 4, group = 128>> in "m.safetensors" at 0
//   NEON: qt.weight @w : !qt.tensor<64x128xf32, #qt.int<8, channel>, #qt.panels<lanes = 4, vectors = 4, depth = 4, group = 128>> in "m.safetensors" at 0
// CHECK: qt.weight @bias : tensor<64xf32> in "m.safetensors" at 8448
qt.weight @w : !qt.tensor<64x128xf32, #qt.int<8, channel>> in "m.safetensors"
qt.weight @bias : tensor<64xf32> in "m.safetensors"
// CHECK-LABEL: func.func @one_scale_per_row
//       CHECK: %[[X:.+]] = qt.quantize %{{.*}} : tensor<?x128xf32> -> !qt.tensor<?x128xf32, #qt.int<8, token>, #qt.rows<stride = 128, group = 128, sums = 128>>
//       CHECK: %[[W:.+]] = qt.load @w : !qt.tensor<64x128xf32, #qt.int<8, channel>, #qt.panels<
//       CHECK: %[[B:.+]] = qt.load @bias : tensor<64xf32>
//       CHECK: qt.matmul %[[X]], %[[W]] bias %[[B]]
func.func @one_scale_per_row(%x: tensor<?x128xf32>) -> tensor<?x64xf32> {
  %q = qt.quantize %x : tensor<?x128xf32> -> !qt.tensor<?x128xf32, #qt.int<8, token>>
  %w = qt.load @w : !qt.tensor<64x128xf32, #qt.int<8, channel>>
  %b = qt.load @bias : tensor<64xf32>
  %y = qt.matmul %q, %w bias %b : !qt.tensor<?x128xf32, #qt.int<8, token>>, !qt.tensor<64x128xf32, #qt.int<8, channel>>, tensor<64xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// The smaller of the two groups is the panel's and the period of the sums: here
// the weight's 32, with two of them to a scale of the activation.
// CHECK: qt.weight @w : !qt.tensor<{{.*}} #qt.panels<{{.*}} group = 32>>
qt.weight @w : !qt.tensor<64x128xf32, #qt.q4_0> in "m.gguf"
// CHECK-LABEL: func.func @weight_group_is_smaller
//       CHECK: qt.quantize {{.*}} #qt.rows<stride = 128, group = 64, sums = 32>>
func.func @weight_group_is_smaller(%x: tensor<?x128xf32>) -> tensor<?x64xf32> {
  %q = qt.quantize %x : tensor<?x128xf32> -> !qt.tensor<?x128xf32, #qt.int<8, group = 64>>
  %w = qt.load @w : !qt.tensor<64x128xf32, #qt.q4_0>
  %y = qt.matmul %q, %w : !qt.tensor<?x128xf32, #qt.int<8, group = 64>>, !qt.tensor<64x128xf32, #qt.q4_0> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// ... and here the activation's.
// CHECK: qt.weight @w : !qt.tensor<{{.*}} #qt.int<8, channel>, #qt.panels<{{.*}} group = 32>>
qt.weight @w : !qt.tensor<64x128xf32, #qt.int<8, channel>> in "m.safetensors"
// CHECK-LABEL: func.func @activation_group_is_smaller
//       CHECK: qt.quantize {{.*}} #qt.rows<stride = 128, group = 32, sums = 32>>
func.func @activation_group_is_smaller(%x: tensor<?x128xf32>) -> tensor<?x64xf32> {
  %q = qt.quantize %x : tensor<?x128xf32> -> !qt.tensor<?x128xf32, #qt.int<8, group = 32>>
  %w = qt.load @w : !qt.tensor<64x128xf32, #qt.int<8, channel>>
  %y = qt.matmul %q, %w : !qt.tensor<?x128xf32, #qt.int<8, group = 32>>, !qt.tensor<64x128xf32, #qt.int<8, channel>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// 96 = a group and a half of 64: rows are padded to 128 values, scales are not
// invented for the padding.
// CHECK: qt.weight @w : !qt.tensor<64x96xf32, #qt.int<4, group = 64>, #qt.panels<{{.*}} group = 64>>
qt.weight @w : !qt.tensor<64x96xf32, #qt.int<4, group = 64>> in "m.safetensors"
// CHECK-LABEL: func.func @group_and_a_half
//       CHECK: qt.quantize {{.*}} #qt.rows<stride = 128, group = 128, sums = 64>>
func.func @group_and_a_half(%x: tensor<?x96xf32>) -> tensor<?x64xf32> {
  %q = qt.quantize %x : tensor<?x96xf32> -> !qt.tensor<?x96xf32, #qt.int<8, token>>
  %w = qt.load @w : !qt.tensor<64x96xf32, #qt.int<4, group = 64>>
  %y = qt.matmul %q, %w : !qt.tensor<?x96xf32, #qt.int<8, token>>, !qt.tensor<64x96xf32, #qt.int<4, group = 64>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// 40 values with one scale are walked in steps of 32: padded to 64.
// CHECK: qt.weight @w : !qt.tensor<64x40xf32, #qt.int<8, channel>, #qt.panels<{{.*}} group = 64>>
qt.weight @w : !qt.tensor<64x40xf32, #qt.int<8, channel>> in "m.safetensors"
// CHECK-LABEL: func.func @short_rows
//       CHECK: qt.quantize {{.*}} #qt.rows<stride = 64, group = 64, sums = 64>>
func.func @short_rows(%x: tensor<?x40xf32>) -> tensor<?x64xf32> {
  %q = qt.quantize %x : tensor<?x40xf32> -> !qt.tensor<?x40xf32, #qt.int<8, token>>
  %w = qt.load @w : !qt.tensor<64x40xf32, #qt.int<8, channel>>
  %y = qt.matmul %q, %w : !qt.tensor<?x40xf32, #qt.int<8, token>>, !qt.tensor<64x40xf32, #qt.int<8, channel>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// 48 rows are three registers of 16 lanes: no panel of two, which would need
// masks. Three panels of 16 on AVX2, three on NEON.
//   WIDE: qt.weight @w : {{.*}} #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>
// NARROW: qt.weight @w : {{.*}} #qt.panels<lanes = 8, vectors = 2, depth = 4, group = 32>>
//   NEON: qt.weight @w : {{.*}} #qt.panels<lanes = 4, vectors = 4, depth = 4, group = 32>>
qt.weight @w : !qt.tensor<48x32xf32, #qt.q8_0> in "m.gguf"
// CHECK-LABEL: func.func @whole_panels
func.func @whole_panels(%x: tensor<?x32xf32>) -> tensor<?x48xf32> {
  %q = qt.quantize %x : tensor<?x32xf32> -> !qt.tensor<?x32xf32, #qt.int<8, group = 32>>
  %w = qt.load @w : !qt.tensor<48x32xf32, #qt.q8_0>
  %y = qt.matmul %q, %w : !qt.tensor<?x32xf32, #qt.int<8, group = 32>>, !qt.tensor<48x32xf32, #qt.q8_0> -> tensor<?x48xf32>
  return %y : tensor<?x48xf32>
}

// -----

// Two readers with different periods of sums: the activation is quantized once for
// each, and once for readers that agree.
qt.weight @a : !qt.tensor<64x128xf32, #qt.q4_0> in "m.gguf"
qt.weight @b : !qt.tensor<64x128xf32, #qt.int<8, channel>> in "m.safetensors"
// CHECK-LABEL: func.func @readers_that_disagree
//  CHECK-SAME: %[[IN:.+]]: tensor<?x128xf32>
//   CHECK-DAG: %[[Q32:.+]] = qt.quantize %[[IN]] {{.*}} sums = 32>>
//   CHECK-DAG: %[[Q128:.+]] = qt.quantize %[[IN]] {{.*}} sums = 128>>
//   CHECK-NOT: qt.quantize
//       CHECK: qt.matmul %[[Q32]]
//       CHECK: qt.matmul %[[Q128]]
//       CHECK: qt.matmul %[[Q32]]
func.func @readers_that_disagree(%x: tensor<?x128xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  %q = qt.quantize %x : tensor<?x128xf32> -> !qt.tensor<?x128xf32, #qt.int<8, token>>
  %a = qt.load @a : !qt.tensor<64x128xf32, #qt.q4_0>
  %b = qt.load @b : !qt.tensor<64x128xf32, #qt.int<8, channel>>
  %0 = qt.matmul %q, %a : !qt.tensor<?x128xf32, #qt.int<8, token>>, !qt.tensor<64x128xf32, #qt.q4_0> -> tensor<?x64xf32>
  %1 = qt.matmul %q, %b : !qt.tensor<?x128xf32, #qt.int<8, token>>, !qt.tensor<64x128xf32, #qt.int<8, channel>> -> tensor<?x64xf32>
  %2 = qt.matmul %q, %a : !qt.tensor<?x128xf32, #qt.int<8, token>>, !qt.tensor<64x128xf32, #qt.q4_0> -> tensor<?x64xf32>
  return %0, %1, %2 : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}

// -----

// Floats need no words of four: depth 1, and no layout of the activation. A weight
// that nothing reads gets no place and disappears.
// CHECK: module attributes {{.*}}kernel.weights_bytes = 16384
// CHECK-NOT: @unread
// CHECK: qt.weight @w : !qt.tensor<64x128xf32, #qt.float<f16>, #qt.panels<lanes = {{[0-9]+}}, vectors = {{[0-9]+}}, depth = 1, group = 128>> in "m.safetensors" at 0
qt.weight @unread : !qt.tensor<64x128xf32, #qt.float<f16>> in "m.safetensors"
qt.weight @w : !qt.tensor<64x128xf32, #qt.float<f16>> in "m.safetensors"
// CHECK-LABEL: func.func @floats
//       CHECK: qt.matmul {{.*}} : tensor<?x128xf32>, !qt.tensor<
func.func @floats(%x: tensor<?x128xf32>) -> tensor<?x64xf32> {
  %w = qt.load @w : !qt.tensor<64x128xf32, #qt.float<f16>>
  %y = qt.matmul %x, %w : tensor<?x128xf32>, !qt.tensor<64x128xf32, #qt.float<f16>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// Three bits in groups of 16, which are four words: a register of the third bit has
// room for eight, and two registers of rows share it. So 32 rows of 256 have 224 bytes
// in each of 16 groups (128 + 64 of codes, 32 of scales) and 64 of factors.
// CHECK: module attributes {{.*}}kernel.weights_bytes = 3648
qt.weight @w : !qt.tensor<32x256xf32, #qt.q3_K> in "m.gguf"
// CHECK-LABEL: func.func @short_groups
func.func @short_groups(%x: tensor<?x256xf32>) -> tensor<?x32xf32> {
  %q = qt.quantize %x : tensor<?x256xf32> -> !qt.tensor<?x256xf32, #qt.int<8, group = 32>>
  %w = qt.load @w : !qt.tensor<32x256xf32, #qt.q3_K>
  %y = qt.matmul %q, %w : !qt.tensor<?x256xf32, #qt.int<8, group = 32>>, !qt.tensor<32x256xf32, #qt.q3_K> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----

// One scale for 256 values and activations in groups of 32: it stands in front of the
// eight groups of 256 bytes, 64 bytes for 32 rows, and not in each.
// CHECK: module attributes {{.*}}kernel.weights_bytes = 2112
qt.weight @w : !qt.tensor<32x256xf32, #qt.tq2_0> in "m.gguf"
// CHECK-LABEL: func.func @shared_scales
func.func @shared_scales(%x: tensor<?x256xf32>) -> tensor<?x32xf32> {
  %q = qt.quantize %x : tensor<?x256xf32> -> !qt.tensor<?x256xf32, #qt.int<8, group = 32>>
  %w = qt.load @w : !qt.tensor<32x256xf32, #qt.tq2_0>
  %y = qt.matmul %q, %w : !qt.tensor<?x256xf32, #qt.int<8, group = 32>>, !qt.tensor<32x256xf32, #qt.tq2_0> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----

// A table that is looked up and multiplied has the layout of the matmul, whichever
// comes first; one that is only looked up has its rows one behind the other, in
// groups of its own scheme.
// CHECK: qt.weight @tied : {{.*}} #qt.panels<{{.*}} group = 32>>
// CHECK: qt.weight @table : {{.*}} #qt.panels<lanes = 1, vectors = 1, {{.*}} group = 128>>
qt.weight @tied : !qt.tensor<64x128xf32, #qt.int<8, channel>> in "m.safetensors"
qt.weight @table : !qt.tensor<64x128xf32, #qt.int<8, channel>> in "m.safetensors"
// CHECK-LABEL: func.func @tables
//       CHECK: %[[TIED:.+]] = qt.load @tied : {{.*}} group = 32>>
//       CHECK: qt.gather %{{.*}}, %[[TIED]] : tensor<?xi32>, !qt.tensor<{{.*}} group = 32>> -> tensor<?x128xf32>
func.func @tables(%ids: tensor<?xi32>, %x: tensor<?x128xf32>) -> (tensor<?x128xf32>, tensor<?x128xf32>, tensor<?x64xf32>) {
  %w = qt.load @tied : !qt.tensor<64x128xf32, #qt.int<8, channel>>
  %0 = qt.gather %ids, %w : tensor<?xi32>, !qt.tensor<64x128xf32, #qt.int<8, channel>> -> tensor<?x128xf32>
  %t = qt.load @table : !qt.tensor<64x128xf32, #qt.int<8, channel>>
  %1 = qt.gather %ids, %t : tensor<?xi32>, !qt.tensor<64x128xf32, #qt.int<8, channel>> -> tensor<?x128xf32>
  %q = qt.quantize %x : tensor<?x128xf32> -> !qt.tensor<?x128xf32, #qt.int<8, group = 32>>
  %again = qt.load @tied : !qt.tensor<64x128xf32, #qt.int<8, channel>>
  %2 = qt.matmul %q, %again : !qt.tensor<?x128xf32, #qt.int<8, group = 32>>, !qt.tensor<64x128xf32, #qt.int<8, channel>> -> tensor<?x64xf32>
  return %0, %1, %2 : tensor<?x128xf32>, tensor<?x128xf32>, tensor<?x64xf32>
}

// -----

// Offsets are multiples of 64 whatever the sizes: 3 floats take a cache line.
// CHECK: module attributes {{.*}}kernel.weights_bytes = 128
// CHECK: qt.weight @a : tensor<3xf32> {{.*}} at 0
// CHECK: qt.weight @b : tensor<3xf32> {{.*}} at 64
qt.weight @a : tensor<3xf32> in "m.safetensors"
qt.weight @b : tensor<3xf32> in "m.safetensors"
// What is no weight stays as it is.
// CHECK-LABEL: func.func @alignment
//  CHECK-NEXT: %[[A:.+]] = qt.load @a : tensor<3xf32>
//  CHECK-NEXT: %[[B:.+]] = qt.load @b : tensor<3xf32>
//  CHECK-NEXT: %[[C:.+]] = arith.addf %[[A]], %[[B]] : tensor<3xf32>
//  CHECK-NEXT: return %[[C]]
func.func @alignment() -> tensor<3xf32> {
  %a = qt.load @a : tensor<3xf32>
  %b = qt.load @b : tensor<3xf32>
  %c = arith.addf %a, %b : tensor<3xf32>
  return %c : tensor<3xf32>
}
