// RUN: quant-opt %s --cpu-expand=target=cpu:x86-64-v3 --split-input-file --verify-diagnostics

func.func @quantize_of_odd_rows(%x: memref<?x6xf32>, %codes: memref<?x16xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %thread: index, %threads: index) {
  // expected-error @below {{has rows of 6 values in groups of 32; CPU kernels need multiples of 4}}
  kernel.quantize %x into %codes, %scales, %sums {group = 32, sumGroup = 32} : memref<?x6xf32>, memref<?x16xi32>, memref<?x1xf32>, memref<?x1xi32>
  return
}

// -----

func.func @floats_as_integers(%codes: memref<?x8xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has a weight without integer lanes}}
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 32, rows = 1, type = !qt.tensor<16x32xf32, #qt.float<f16>, #qt.panels<lanes = 8, vectors = 2, depth = 1, group = 32>>} : memref<?x8xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

func.func @halves(%codes: memref<?x16xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has activations of 'f16'; kernels for CPUs read f32}}
  kernel.matmul_float %codes, %weights[%offset] into %out {codes = f16, rows = 1, type = !qt.tensor<16x32xf32, #qt.q8_0, #qt.panels<lanes = 8, vectors = 2, depth = 4, group = 32>>} : memref<?x16xi32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

// Registers of AVX2 hold 8 lanes.
func.func @packed_for_another_target(%codes: memref<?x8xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has a weight packed for panels of 4 rows, but registers of cpu:x86-64-v3 have 8 lanes (--cpu-pack for the same target)}}
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 32, rows = 1, type = !qt.tensor<16x32xf32, #qt.q8_0, #qt.panels<lanes = 4, vectors = 1, depth = 4, group = 32>>} : memref<?x8xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

func.func @one_element(%x: memref<f32>, %thread: index, %threads: index) {
  // expected-error @below {{has no loop that threads could share}}
  linalg.generic {indexing_maps = [affine_map<() -> ()>], iterator_types = []} outs(%x : memref<f32>) {
  ^bb0(%a: f32):
    %0 = arith.negf %a : f32
    linalg.yield %0 : f32
  }
  return
}

// -----

func.func @no_pairs(%codes: memref<?x16xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has a weight packed by 1 values, not by pairs (--cpu-pack)}}
  kernel.matmul_bf16 %codes, %weights[%offset] into %out {group = 32, rows = 1, type = !qt.tensor<16x32xf32, #qt.float<bf16>, #qt.panels<lanes = 8, vectors = 2, depth = 1, group = 32>>} : memref<?x16xi32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

func.func @no_choice(%codes: memref<?x8xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has no rows of a tile (--cpu-choose-tiles)}}
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 32, type = !qt.tensor<16x32xf32, #qt.q8_0, #qt.panels<lanes = 8, vectors = 2, depth = 4, group = 32>>} : memref<?x8xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x16xf32>
  return
}
