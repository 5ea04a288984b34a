// RUN: quant-opt %s --gpu-pack=target=cuda:sm_80 --split-input-file --verify-diagnostics | FileCheck %s

// Panels of 16 rows, whatever the number of rows.
// CHECK: module attributes {{.*}}kernel.target = "cuda:sm_80"
// CHECK: qt.weight @w : !qt.tensor<48x64xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>> {{.*}} at 0
qt.weight @w : !qt.tensor<48x64xf32, #qt.q4_0> in "w.gguf"
func.func @integers(%x: tensor<?x64xf32>) -> tensor<?x48xf32> {
  %w = qt.load @w : !qt.tensor<48x64xf32, #qt.q4_0>
  %y = qt.matmul %x, %w : tensor<?x64xf32>, !qt.tensor<48x64xf32, #qt.q4_0> -> tensor<?x48xf32>
  return %y : tensor<?x48xf32>
}

// -----

// Activations are rounded once for both who multiply them, as f16, two to a word, and once for the
// one whose weight is bf16; f32 has no tensor cores. Rows of 128 bytes.
// CHECK-LABEL: func.func @halves
//       CHECK: %[[BF16:.+]] = qt.quantize %arg0 : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.float<bf16>, #qt.pairs<stride = 128, group = 0>>
//       CHECK: %[[F16:.+]] = qt.quantize %arg0 : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.float<f16>, #qt.pairs<stride = 128, group = 0>>
//   CHECK-NOT: qt.quantize
//       CHECK: qt.matmul %[[F16]], %{{.*}} #qt.q4_0
//       CHECK: qt.matmul %[[F16]], %{{.*}} #qt.codebook
//       CHECK: qt.matmul %[[BF16]], %{{.*}} #qt.float<bf16>
//       CHECK: qt.matmul %arg0, %{{.*}} #qt.float<f32>
qt.weight @a : !qt.tensor<48x64xf32, #qt.q4_0> in "w.gguf"
qt.weight @b : !qt.tensor<48x64xf32, #qt.codebook<nf4, group = 64>> in "w.safetensors"
qt.weight @c : !qt.tensor<48x64xf32, #qt.float<bf16>> in "w.safetensors"
qt.weight @d : !qt.tensor<48x64xf32, #qt.float<f32>> in "w.safetensors"
func.func @halves(%x: tensor<?x64xf32>) -> (tensor<?x48xf32>, tensor<?x48xf32>, tensor<?x48xf32>, tensor<?x48xf32>) {
  %a = qt.load @a : !qt.tensor<48x64xf32, #qt.q4_0>
  %b = qt.load @b : !qt.tensor<48x64xf32, #qt.codebook<nf4, group = 64>>
  %c = qt.load @c : !qt.tensor<48x64xf32, #qt.float<bf16>>
  %d = qt.load @d : !qt.tensor<48x64xf32, #qt.float<f32>>
  %y0 = qt.matmul %x, %a : tensor<?x64xf32>, !qt.tensor<48x64xf32, #qt.q4_0> -> tensor<?x48xf32>
  %y1 = qt.matmul %x, %b : tensor<?x64xf32>, !qt.tensor<48x64xf32, #qt.codebook<nf4, group = 64>> -> tensor<?x48xf32>
  %y2 = qt.matmul %x, %c : tensor<?x64xf32>, !qt.tensor<48x64xf32, #qt.float<bf16>> -> tensor<?x48xf32>
  %y3 = qt.matmul %x, %d : tensor<?x64xf32>, !qt.tensor<48x64xf32, #qt.float<f32>> -> tensor<?x48xf32>
  return %y0, %y1, %y2, %y3 : tensor<?x48xf32>, tensor<?x48xf32>, tensor<?x48xf32>, tensor<?x48xf32>
}

// -----

// Floats lie in words of four, too; the last word is filled up.
// CHECK: qt.weight @w : !qt.tensor<5x7xf32, #qt.float<bf16>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 8>>
qt.weight @w : !qt.tensor<5x7xf32, #qt.float<bf16>> in "w.safetensors"
func.func @floats(%x: tensor<?x7xf32>) -> tensor<?x5xf32> {
  %w = qt.load @w : !qt.tensor<5x7xf32, #qt.float<bf16>>
  %y = qt.matmul %x, %w : tensor<?x7xf32>, !qt.tensor<5x7xf32, #qt.float<bf16>> -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}

// -----

qt.weight @w : !qt.tensor<5x14xf32, #qt.float<f8E5M2, group = 7, scale = f32>> in "w.safetensors"
func.func @odd_groups(%x: tensor<?x14xf32>) -> tensor<?x5xf32> {
  // expected-error @below {{has groups of 7 floats; these kernels need a multiple of 4}}
  %w = qt.load @w : !qt.tensor<5x14xf32, #qt.float<f8E5M2, group = 7, scale = f32>>
  %y = qt.matmul %x, %w : tensor<?x14xf32>, !qt.tensor<5x14xf32, #qt.float<f8E5M2, group = 7, scale = f32>> -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}
