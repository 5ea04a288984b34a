// RUN: quant-opt %s --gpu-expand=target=cuda:sm_80 --split-input-file --verify-diagnostics

func.func @norm(%x: memref<?x32xf32>, %gain: memref<32xf32>, %out: memref<?x32xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has no GPU kernel yet}}
  kernel.rms_norm %x, %gain into %out {eps = 1.0e-5 : f64} : memref<?x32xf32>, memref<32xf32>, memref<?x32xf32>
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
  // expected-error @below {{has a form of 12 tokens and 4 warps; tokens are 1 to 64, of mma a multiple of 8, and warps 1 to 32}}
  kernel.matmul_float %x, %weights[%offset] into %out {gpu.forms = [{form = "mma", tokens = 12, warps = 4}], type = !qt.tensor<16x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

func.func @other_panels(%x: memref<?x32xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x32xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has a weight packed for panels of 32 rows, not 16 (--gpu-pack)}}
  kernel.matmul_float %x, %weights[%offset] into %out {gpu.forms = [{form = "dot", tokens = 1, warps = 4}], type = !qt.tensor<32x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 2, depth = 4, group = 32>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x32xf32>
  return
}

// -----

func.func @one_scale(%x: memref<?x32xf32>, %codes: memref<?x16xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %thread: index, %threads: index) {
  // expected-error @below {{finds one scale for all rows, which no GPU kernel does yet}}
  kernel.quantize %x into %codes, %scales, %sums {group = 32, sumGroup = 32, perTensor} : memref<?x32xf32>, memref<?x16xi32>, memref<?x1xf32>, memref<?x1xi32>
  return
}

// -----

func.func @experts(%x: memref<?x32xf32>, %weights: memref<?xi8>, %offset: index, %experts: memref<3xi32>, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  // expected-error @below {{has experts, which no GPU kernel has yet}}
  kernel.matmul_float %x, %weights[%offset] experts %experts into %out {gpu.forms = [{form = "dot", tokens = 1, warps = 4}], type = !qt.tensor<16x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?x32xf32>, memref<?xi8>, index, memref<3xi32>, memref<?x16xf32>
  return
}
