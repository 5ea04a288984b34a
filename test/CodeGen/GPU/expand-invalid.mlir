// RUN: quant-opt %s --gpu-expand=target=cuda:sm_80 --split-input-file --verify-diagnostics

func.func @round(%x: memref<?x32xf32>, %out: memref<?x32xf32>, %thread: index, %threads: index) {
  // expected-error @below {{rounds to 'f16'; GPU kernels know f8E4M3FN, f8E5M2, bf16 and i8}}
  kernel.round %x into %out {type = f16, group = 32} : memref<?x32xf32>, memref<?x32xf32>
  return
}

// -----

func.func @observe(%x: memref<?x32xf32>, %parts: memref<4x64xi32>, %thread: index, %threads: index) {
  // expected-error @below {{has no GPU kernel yet}}
  kernel.histogram %x into %parts : memref<?x32xf32> into memref<4x64xi32>
  return
}

// -----

func.func @logarithm(%x: memref<?xf64>, %out: memref<?xf64>, %thread: index, %threads: index) {
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]} ins(%x : memref<?xf64>) outs(%out : memref<?xf64>) {
  ^bb0(%a: f64, %b: f64):
    // expected-error @below {{has no GPU code yet}}
    %l = math.log %a : f64
    linalg.yield %l : f64
  }
  return
}

// -----

func.func @far_apart(%x: memref<?x32xf32, strided<[?, 1]>>, %gain: memref<32xf32>, %out: memref<?x32xf32>, %thread: index, %threads: index) {
  // expected-error @below {{GPU kernels read rows at a known distance}}
  kernel.rms_norm %x, %gain into %out {eps = 1.0e-5 : f64} : memref<?x32xf32, strided<[?, 1]>>, memref<32xf32>, memref<?x32xf32>
  return
}

// -----

func.func @undecided(%x: memref<?x32xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has no forms (--gpu-choose-kernels)}}
  kernel.matmul_float %x, %weights[%offset] into %out {type = !qt.tensor<16x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

func.func @tokens(%x: memref<?x32xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has a form of 12 tokens; they are 1 to 64, of mma and stream a multiple of 8}}
  kernel.matmul_float %x, %weights[%offset] into %out {gpu.forms = [{form = "mma", tokens = 12, warps = 4}], type = !qt.tensor<16x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

func.func @warps(%x: memref<?x32xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has a form of 8 tokens and 33 warps; there is at least a token, and warps are 1 to 32}}
  kernel.matmul_float %x, %weights[%offset] into %out {gpu.forms = [{form = "mma", tokens = 8, warps = 33}], type = !qt.tensor<16x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

func.func @odd_stream(%x: memref<?x32xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has stream of 48 rows; they are 32 or 64}}
  kernel.matmul_float %x, %weights[%offset] into %out {gpu.forms = [{form = "stream", rows = 48, tokens = 8, warps = 4}], type = !qt.tensor<16x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

func.func @short_stream(%x: memref<?x24xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has groups of 12 values, which the form stream does not take (form mma)}}
  kernel.matmul_float %x, %weights[%offset] into %out {gpu.forms = [{form = "stream", rows = 32, tokens = 8, warps = 1}], type = !qt.tensor<16x24xf32, #qt.int<4, group = 12, scale = f16>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 12>>} : memref<?x24xf32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

func.func @scaled_tiles(%x: memref<?x32xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has scaled weights in the form tiles; only wgmma knows them}}
  kernel.matmul_float %x, %weights[%offset] into %out {gpu.forms = [{form = "tiles", rows = 32, scaled = 1, tokens = 64, warps = 1, stages = 2}], type = !qt.tensor<16x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

func.func @scaled_integers(%codes: memref<?x32xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x128xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has scaled weights; these are integers with scales, for activations of floats}}
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 128, gpu.forms = [{form = "wgmma", rows = 128, scaled = 1, tokens = 64, warps = 4, stages = 3}], type = !qt.tensor<128x128xf32, #qt.int<4, group = 128, scale = f16>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 128>>} : memref<?x32xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x128xf32>
  return
}

// -----

func.func @what_words(%codes: memref<?x16xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has activations of f32, or of words with `codes`, f16 or bf16, that say what they are}}
  kernel.matmul_float %codes, %weights[%offset] into %out {type = !qt.tensor<16x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?x16xi32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

func.func @odd_tile(%x: memref<?x32xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has tiles of 64 rows by 64 tokens, 3 warps and 4 stages; a warp takes 32 rows and a multiple of 8 tokens, and there are two stages or more}}
  kernel.matmul_float %x, %weights[%offset] into %out {gpu.forms = [{form = "tiles", rows = 64, tokens = 64, warps = 3, stages = 4}], type = !qt.tensor<16x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

func.func @short_groups(%x: memref<?x24xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has groups of 12 values; tiles have 16 or a multiple of 32, wgmma of bytes a multiple of 32 (form mma)}}
  kernel.matmul_float %x, %weights[%offset] into %out {gpu.forms = [{form = "tiles", rows = 32, tokens = 64, warps = 1, stages = 2}], type = !qt.tensor<16x24xf32, #qt.int<4, group = 12, scale = f16>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 12>>} : memref<?x24xf32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

func.func @large_tile(%x: memref<?x32xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has tiles of 212992 bytes of shared memory; sm_80 has 166912}}
  kernel.matmul_float %x, %weights[%offset] into %out {gpu.forms = [{form = "tiles", rows = 1024, tokens = 512, warps = 32, stages = 4}], type = !qt.tensor<16x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

func.func @other_panels(%x: memref<?x32xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x32xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has a weight packed for panels of 32 rows, not 16 (--gpu-pack)}}
  kernel.matmul_float %x, %weights[%offset] into %out {gpu.forms = [{form = "dot", tokens = 1, warps = 4}], type = !qt.tensor<32x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 2, depth = 4, group = 32>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x32xf32>
  return
}

// -----

func.func @half_a_group_of_warps(%codes: memref<?x32xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x128xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has wgmma of 64 rows by 64 tokens, 4 warps and 3 stages; a warp takes 32 rows, four of them are together, tokens are a multiple of 8 and at most 256, and there are three stages or more}}
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 128, gpu.forms = [{form = "wgmma", rows = 64, tokens = 64, warps = 4, stages = 3}], type = !qt.tensor<128x128xf32, #qt.int<4, group = 128, scale = f16>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 128>>} : memref<?x32xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x128xf32>
  return
}

// -----

func.func @older(%codes: memref<?x32xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x128xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has the form wgmma, which sm_80 does not know}}
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 128, gpu.forms = [{form = "wgmma", rows = 128, tokens = 64, warps = 4, stages = 3}], type = !qt.tensor<128x128xf32, #qt.int<4, group = 128, scale = f16>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 128>>} : memref<?x32xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x128xf32>
  return
}

// -----

func.func @no_parts(%query: memref<?x128xf32>, %cache: memref<2x2x2x?x32xf16>, %layer: index, %position: index, %out: memref<?x128xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has the form split, and no room for its parts}}
  kernel.attention %query, %cache[%layer] at %position into %out {gpu.forms = [{form = "split", positions = 1024, tokens = 1, warps = 8}, {form = "heads", tokens = 1, warps = 8}], heads = 4, scale = 0.125 : f64, causal} : memref<?x128xf32>, memref<2x2x2x?x32xf16>, index, index, memref<?x128xf32>
  return
}

// -----

func.func @no_positions(%x: memref<?x256xf32>, %codes: memref<?x64xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %thread: index, %threads: index) {
  // expected-error @below {{has a form for 64 positions and more, and sees none}}
  kernel.quantize %x into %codes, %scales, %sums {gpu.forms = [{form = "rows", positions = 64, tokens = 1, warps = 8}], group = 256, sumGroup = 256} : memref<?x256xf32>, memref<?x64xi32>, memref<?x1xf32>, memref<?x1xi32>
  return
}

// -----

func.func @many_heads(%query: memref<?x192xf32>, %cache: memref<2x2x2x?x32xf16>, %layer: index, %position: index, %out: memref<?x192xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has the form flash of 32 rows and 2 warps; there are 16 rows for each warp, all heads of a token's keys, and these have a multiple of 16 elements, at most 256}}
  kernel.attention %query, %cache[%layer] at %position into %out {gpu.forms = [{form = "flash", rows = 32, tokens = 11, warps = 2}], heads = 6, scale = 0.125 : f64, causal} : memref<?x192xf32>, memref<2x2x2x?x32xf16>, index, index, memref<?x192xf32>
  return
}

// -----

func.func @pairs(%x: memref<?x64xf32>, %codes: memref<?x32xi32>, %scales: memref<?x1xf32>, %thread: index, %threads: index) {
  // expected-error @below {{makes 'f8E4M3FN' of rows of 64 values in groups of 64; GPU kernels make f16, bf16, and bytes of f8E4M3FN and f8E5M2, of multiples of 4}}
  kernel.encode %x into %codes scales %scales {type = f8E4M3FN, group = 64} : memref<?x64xf32>, memref<?x32xi32>, memref<?x1xf32>
  return
}

// -----

func.func private @local(%x: memref<8xf32>, %i: index, %thread: index, %threads: index) {
  %c0 = arith.constant 0 : index
  %first = arith.cmpi eq, %thread, %c0 : index
  scf.if %first {
    // expected-error @below {{has no GPU code yet}}
    %own = memref.alloca() : memref<8xf32>
    %v = memref.load %x[%i] : memref<8xf32>
    memref.store %v, %own[%i] : memref<8xf32>
  }
  return
}
