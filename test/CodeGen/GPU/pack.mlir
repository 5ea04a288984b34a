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
