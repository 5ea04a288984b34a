// What quantc says of a model's weights: those that are alike in a line, all but
// the largest group with their names.

// RUN: rm -rf %t && split-file %s %t && cd %t
// RUN: %python %S/../Dialect/QT/Inputs/make_safetensors.py w.safetensors token_embd.weight:F32:3x32:1,2,3 blk.0.up.weight:F32:32x32:1,2 blk.1.up.weight:F32:32x32:1,2 blk.2.up.weight:F32:32x32:1,2 blk.3.up.weight:F32:32x32:1,2 blk.3.down.weight:F32:32x32:1,2
// RUN: quantc model.mlir --recipe recipe.yaml --target cpu:x86-64-v3 --name m -o out 2>&1 | FileCheck %s --match-full-lines --implicit-check-not={{.}}

// CHECK:      1 weight kept as #qt.float<f32>, inputs float, 32.00 bits: token_embd.weight
// CHECK-NEXT: 2 weights kept as #qt.float<f32>, inputs #qt.float<f8E4M3FN, token>, 32.00 bits: blk.{0,3}.up.weight
// CHECK-NEXT: 3 weights #qt.int<8, channel>, inputs #qt.int<8, token>, 9.00 bits

//--- recipe.yaml
config_groups:
  most:
    targets: [Linear]
    weights: {num_bits: 8}
    input_activations: {num_bits: 8}
  kept:
    targets: [blk.0.up, blk.3.up]
    input_activations: {type: float, num_bits: 8}

//--- model.mlir
qt.weight @token_embd.weight : tensor<3x32xf32> in "w.safetensors"
qt.weight @blk.0.up.weight : tensor<32x32xf32> in "w.safetensors"
qt.weight @blk.1.up.weight : tensor<32x32xf32> in "w.safetensors"
qt.weight @blk.2.up.weight : tensor<32x32xf32> in "w.safetensors"
qt.weight @blk.3.up.weight : tensor<32x32xf32> in "w.safetensors"
qt.weight @blk.3.down.weight : tensor<32x32xf32> in "w.safetensors"
func.func @forward(%ids: tensor<?xi32>) -> tensor<?x3xf32> {
  %table = qt.load @token_embd.weight : tensor<3x32xf32>
  %up0 = qt.load @blk.0.up.weight : tensor<32x32xf32>
  %up1 = qt.load @blk.1.up.weight : tensor<32x32xf32>
  %up2 = qt.load @blk.2.up.weight : tensor<32x32xf32>
  %up3 = qt.load @blk.3.up.weight : tensor<32x32xf32>
  %down3 = qt.load @blk.3.down.weight : tensor<32x32xf32>
  %0 = lm.embedding %ids, %table : tensor<?xi32>, tensor<3x32xf32> -> tensor<?x32xf32>
  %1 = lm.linear %0, %up0 : tensor<?x32xf32>, tensor<32x32xf32> -> tensor<?x32xf32>
  %2 = lm.linear %1, %up1 : tensor<?x32xf32>, tensor<32x32xf32> -> tensor<?x32xf32>
  %3 = lm.linear %2, %up2 : tensor<?x32xf32>, tensor<32x32xf32> -> tensor<?x32xf32>
  %4 = lm.linear %3, %up3 : tensor<?x32xf32>, tensor<32x32xf32> -> tensor<?x32xf32>
  %5 = lm.linear %4, %down3 : tensor<?x32xf32>, tensor<32x32xf32> -> tensor<?x32xf32>
  %6 = lm.linear %5, %table : tensor<?x32xf32>, tensor<3x32xf32> -> tensor<?x3xf32>
  return %6 : tensor<?x3xf32>
}
