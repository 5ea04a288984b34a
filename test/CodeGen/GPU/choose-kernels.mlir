// RUN: quant-opt %s --gpu-choose-kernels=target=cuda:sm_90a | FileCheck %s

// Up to eight rows, 16, 64; tiles for more, no larger than the weight.
// CHECK-LABEL: func.func @integers
//       CHECK: gpu.forms = [{form = "stream", most = 8 : i64, rows = 32 : i64, tokens = 8 : i64, warps = 8 : i64}, {form = "stream", most = 16 : i64, rows = 32 : i64, tokens = 16 : i64, warps = 8 : i64}, {form = "stream", most = 64 : i64, rows = 32 : i64, tokens = 32 : i64, warps = 8 : i64}, {form = "tiles", rows = 32 : i64, stages = 4 : i64, tokens = 64 : i64, warps = 2 : i64}]
func.func @integers(%x: memref<?x32xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  kernel.matmul_float %x, %weights[%offset] into %out {type = !qt.tensor<16x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// Two panels for one block, as 132 processors have something to do then. Products of four warps
// until two thirds of the processors have a tile of twice as many rows and tokens.
// CHECK-LABEL: func.func @large
//       CHECK: {form = "stream", most = 64 : i64, rows = 32 : i64, tokens = 32 : i64, warps = 8 : i64}, {form = "wgmma", most = 704 : i64, rows = 128 : i64, stages = 4 : i64, tokens = 64 : i64, warps = 4 : i64}, {form = "wgmma", rows = 256 : i64, stages = 4 : i64, tokens = 128 : i64, warps = 8 : i64}]
func.func @large(%x: memref<?x4096xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x4096xf32>, %thread: index, %threads: index) {
  kernel.matmul_float %x, %weights[%offset] into %out {type = !qt.tensor<4096x4096xf32, #qt.float<bf16>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 4096>>} : memref<?x4096xf32>, memref<?xi8>, index, memref<?x4096xf32>
  return
}

// With sums of a group beside those of all, half as many tokens: integers of both sides cannot be
// scaled before they are multiplied. Scales of short groups leave registers for 16 tokens. Bytes are
// multiplied 32 at a time, which groups of 16 are not: small tiles, of half the rows of activations
// until two thirds of the processors have a whole one, until half of them have a large one.
// CHECK-LABEL: func.func @groups
//       CHECK: {form = "stream", most = 32 : i64, rows = 32 : i64, tokens = 32 : i64, warps = 8 : i64}, {form = "wgmma", rows = 128 : i64, stages = 4 : i64, tokens = 64 : i64, warps = 4 : i64}]
//       CHECK: {form = "stream", most = 32 : i64, rows = 32 : i64, tokens = 16 : i64, warps = 8 : i64}, {form = "tiles", most = 88 : i64, rows = 64 : i64, stages = 4 : i64, tokens = 32 : i64, warps = 4 : i64}, {form = "tiles", most = 132 : i64, rows = 64 : i64, stages = 4 : i64, tokens = 64 : i64, warps = 4 : i64}, {form = "tiles", rows = 128 : i64, stages = 4 : i64, tokens = 64 : i64, warps = 4 : i64}]
func.func @groups(%codes: memref<?x1024xi32>, %scales: memref<?x32xf32>, %sums: memref<?x32xi32>, %short: memref<?x256xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x4096xf32>, %thread: index, %threads: index) {
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 128, type = !qt.tensor<4096x4096xf32, #qt.int<4, group = 128, scale = f16>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 128>>} : memref<?x1024xi32>, memref<?x32xf32>, memref<?x32xi32>, memref<?xi8>, index, memref<?x4096xf32>
  kernel.matmul_int %codes, %scales, %short, %weights[%offset] into %out {group = 128, type = !qt.tensor<4096x4096xf32, #qt.int<4, group = 16, scale = f16>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 16>>} : memref<?x1024xi32>, memref<?x32xf32>, memref<?x256xi32>, memref<?xi8>, index, memref<?x4096xf32>
  return
}

// Floats are: then there is room for as many tokens as without groups. A weight of many rows has 64
// of them in a block of few tokens, and enough blocks of many.
// CHECK-LABEL: func.func @scaled
//       CHECK: gpu.forms = [{form = "stream", most = 8 : i64, rows = 64 : i64, tokens = 8 : i64, warps = 8 : i64}, {form = "stream", most = 32 : i64, rows = 64 : i64, tokens = 16 : i64, warps = 8 : i64}, {form = "wgmma", most = 176 : i64, rows = 128 : i64, stages = 4 : i64, tokens = 64 : i64, warps = 4 : i64}, {form = "wgmma", rows = 256 : i64, scaled = 1 : i64, stages = 4 : i64, tokens = 128 : i64, warps = 8 : i64}]
func.func @scaled(%codes: memref<?x2048xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16384xf32>, %thread: index, %threads: index) {
  kernel.matmul_float %codes, %weights[%offset] into %out {codes = f16, type = !qt.tensor<16384x4096xf32, #qt.int<4, group = 128, scale = f16>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 128>>} : memref<?x2048xi32>, memref<?xi8>, index, memref<?x16384xf32>
  return
}

// One row of bytes with one scale is for lanes.
// CHECK-LABEL: func.func @one
//       CHECK: gpu.forms = [{form = "dot", tokens = 1 : i64, warps = 8 : i64}, {form = "stream", most = 8
func.func @one(%codes: memref<?x1024xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x4096xf32>, %thread: index, %threads: index) {
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 4096, type = !qt.tensor<4096x4096xf32, #qt.int<8, channel>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 4096>>} : memref<?x1024xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x4096xf32>
  return
}

// A group of twelve values ends within what tensor cores multiply at once.
// CHECK-LABEL: func.func @short_groups
//   CHECK-NOT: "tiles"
func.func @short_groups(%x: memref<?x24xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  kernel.matmul_float %x, %weights[%offset] into %out {type = !qt.tensor<16x24xf32, #qt.int<4, group = 12, scale = f16>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 12>>} : memref<?x24xf32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// Tensor cores have no f32.
// CHECK-LABEL: func.func @wide
//   CHECK-NOT: "mma"
func.func @wide(%x: memref<?x32xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  kernel.matmul_float %x, %weights[%offset] into %out {type = !qt.tensor<16x32xf32, #qt.float<f32>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// Attention of a block for each head and row, until these are two for each of 132 processors; then
// of 64 rows: 21 tokens of three heads that share keys. What is kept as f32 is not rounded, and
// tensor cores take 16 elements at a time.
// CHECK-LABEL: func.func @attend
//       CHECK: {causal, gpu.forms = [{form = "heads", most = 44 : i64, tokens = 1 : i64, warps = 8 : i64}, {form = "flash", rows = 64 : i64, tokens = 21 : i64, warps = 4 : i64}], heads = 6
//       CHECK: {causal, gpu.forms = [{form = "heads", tokens = 1 : i64, warps = 8 : i64}], heads = 6
//       CHECK: {causal, gpu.forms = [{form = "heads", tokens = 1 : i64, warps = 8 : i64}], heads = 2
func.func @attend(%query: memref<?x192xf32>, %short: memref<?x16xf32>, %cache: memref<2x2x2x?x32xf16>, %exact: memref<2x2x2x?x32xf32>, %odd: memref<2x2x2x?x8xf16>, %layer: index, %position: index, %out: memref<?x192xf32>, %thread: index, %threads: index) {
  kernel.attention %query, %cache[%layer] at %position into %out {heads = 6, scale = 0.125 : f64, causal} : memref<?x192xf32>, memref<2x2x2x?x32xf16>, index, index, memref<?x192xf32>
  kernel.attention %query, %exact[%layer] at %position into %out {heads = 6, scale = 0.125 : f64, causal} : memref<?x192xf32>, memref<2x2x2x?x32xf32>, index, index, memref<?x192xf32>
  kernel.attention %short, %odd[%layer] at %position into %short {heads = 2, scale = 0.125 : f64, causal} : memref<?x16xf32>, memref<2x2x2x?x8xf16>, index, index, memref<?x16xf32>
  return
}

// With room for parts, few rows over many positions come first: two tokens of the three heads that
// share keys are six of eight rows that there is room for. What merges them does nothing otherwise.
// CHECK-LABEL: func.func @split
//       CHECK: gpu.forms = [{form = "split", most = 2 : i64, positions = 1024 : i64, tokens = 1 : i64, warps = 8 : i64}, {form = "heads", most = 44
//       CHECK: gpu.forms = [{form = "segments", most = 2 : i64, positions = 1024 : i64, tokens = 1 : i64, warps = 8 : i64}]
func.func @split(%query: memref<?x192xf32>, %cache: memref<2x2x2x?x32xf16>, %layer: index, %position: index, %partials: memref<8x2x8x48xf32>, %out: memref<?x192xf32>, %thread: index, %threads: index) {
  kernel.attention %query, %cache[%layer] at %position partials %partials into %out {heads = 6, scale = 0.125 : f64, causal} : memref<?x192xf32>, memref<2x2x2x?x32xf16>, index, index, memref<8x2x8x48xf32>, memref<?x192xf32>
  kernel.merge_attention %partials at %position into %out {heads = 6} : memref<8x2x8x48xf32> into memref<?x192xf32>
  return
}

// What somebody has chosen stays.
// CHECK-LABEL: func.func @chosen
//       CHECK: gpu.forms = [{form = "mma", tokens = 8 : i64, warps = 2 : i64}]
func.func @chosen(%x: memref<?x32xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  kernel.matmul_float %x, %weights[%offset] into %out {gpu.forms = [{form = "mma", tokens = 8, warps = 2}], type = !qt.tensor<16x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x16xf32>
  return
}
