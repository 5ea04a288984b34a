// RUN: rm -rf %t && split-file %s %t && cd %t
// RUN: %python %S/Inputs/make_safetensors.py w.safetensors whole:F32:2x256:1,-2,3 part:F32:2x96:1,-2,3 none:F32:2x40:1,-2,3

// Rows that are no whole super-blocks get blocks of 32, as llama-quantize gives
// them.
// RUN: quant-opt fits.mlir --qt-quantize=recipe=q4_K | FileCheck fits.mlir --check-prefix=Q4
// RUN: quant-opt fits.mlir --qt-quantize=recipe=q6_K-a32 | FileCheck fits.mlir --check-prefix=Q6
// RUN: quant-opt fits.mlir --qt-quantize=recipe=own.yaml | FileCheck fits.mlir --check-prefix=OWN

// Those that fit nothing are refused, as is what fits not without a fallback.
// RUN: not quant-opt none.mlir --qt-quantize=recipe=q5_K 2>&1 | FileCheck %s --check-prefix=NONE --implicit-check-not=q5_K:
// NONE: none.mlir:1:1: error: recipe 'q5_K': does not fit weight 'none': #qt.q5_1: a row must be a whole number of blocks of 32 values, got 40
// RUN: not quant-opt fits.mlir --qt-quantize=recipe=without.yaml 2>&1 | FileCheck %s --check-prefix=WITHOUT
// WITHOUT: error: without.yaml:4: does not fit weight 'part': #qt.q4_K: a row must be a whole number of blocks of 256 values, got 96
// RUN: not quant-opt fits.mlir --qt-quantize=recipe=kept.yaml 2>&1 | FileCheck %s --check-prefix=KEPT
// KEPT: error: kept.yaml:5: a fallback is a scheme

//--- fits.mlir
// Q4:  qt.weight @whole : !qt.tensor<2x256xf32, #qt.q4_K>
// Q6:  qt.weight @whole : !qt.tensor<2x256xf32, #qt.q6_K>
// OWN: qt.weight @whole : !qt.tensor<2x256xf32, #qt.q4_K>
qt.weight @whole : tensor<2x256xf32> in "w.safetensors"
// Q4:  qt.weight @part : !qt.tensor<2x96xf32, #qt.q5_0>
// Q6:  qt.weight @part : !qt.tensor<2x96xf32, #qt.q8_0>
// OWN: qt.weight @part : !qt.tensor<2x96xf32, #qt.int<4, group = 32>>
qt.weight @part : tensor<2x96xf32> in "w.safetensors"
// Activations meet the scheme that was taken.
// Q4: qt.quantize %arg1 {{.*}}group = 32
// Q4: qt.quantize %arg0 {{.*}}group = 128
// Q6-NOT: qt.quantize
func.func @f(%x: tensor<?x256xf32>, %y: tensor<?x96xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
  %w = qt.load @whole : tensor<2x256xf32>
  %v = qt.load @part : tensor<2x96xf32>
  %0 = lm.linear %x, %w : tensor<?x256xf32>, tensor<2x256xf32> -> tensor<?x2xf32>
  %1 = lm.linear %y, %v : tensor<?x96xf32>, tensor<2x96xf32> -> tensor<?x2xf32>
  return %0, %1 : tensor<?x2xf32>, tensor<?x2xf32>
}
//--- none.mlir
qt.weight @none : tensor<2x40xf32> in "w.safetensors"
func.func @f(%x: tensor<?x40xf32>) -> tensor<?x2xf32> {
  %w = qt.load @none : tensor<2x40xf32>
  %0 = lm.linear %x, %w : tensor<?x40xf32>, tensor<2x40xf32> -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}
//--- own.yaml
config_groups:
  all:
    targets: [Linear]
    weights: "#qt.q4_K"
    fallback: {num_bits: 4, group_size: 32}
//--- without.yaml
config_groups:
  all:
    targets: [Linear]
    weights: "#qt.q4_K"
//--- kept.yaml
config_groups:
  all:
    targets: [Linear]
    weights: "#qt.q4_K"
    fallback: keep
