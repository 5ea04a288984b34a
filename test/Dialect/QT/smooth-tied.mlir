// A table that is the head, too: scaling its columns for the head would change
// what is looked up.

// RUN: rm -rf %t && split-file %s %t && cd %t
// RUN: %python %S/Inputs/make_safetensors.py w.safetensors table:F32:8x4:1 gain:F32:4:1
// RUN: %python %S/Inputs/make_safetensors.py s.safetensors "format=quant-mlir statistics 1" model=test tokens=none "weights={\"table\": \"table\"}" table.tokens:I64:1:1 table.min:F32:4:0 table.max:F32:4:1,1,1,64

// Recipes for linears leave it alone, so there is nothing to smooth for.
// RUN: quant-opt model.mlir --qt-smooth="recipe=w8a8 calibration=s.safetensors strength=0.5 measure=max weights-out=out.safetensors" 2>&1 | FileCheck %s --check-prefix=LINEARS
// LINEARS-NOT: is not smoothed
// LINEARS:     qt.weight @table : tensor<8x4xf32> in "w.safetensors"
// LINEARS:     qt.weight @gain : tensor<4xf32> in "w.safetensors"

// Where it is rounded, too, that is said.
// RUN: quant-opt model.mlir --qt-smooth="recipe=all.yaml calibration=s.safetensors strength=0.5 measure=max weights-out=out.safetensors" 2>&1 | FileCheck %s --check-prefix=ALL
// ALL: remark: the input of 'table' is not smoothed: 'table' has other readers
// ALL: qt.weight @table : tensor<8x4xf32> in "w.safetensors"
// RUN: not ls out.safetensors

//--- all.yaml
config_groups:
  all:
    targets: [Linear, Embedding]
    weights: {num_bits: 8}
    input_activations: {num_bits: 8}

//--- model.mlir
module attributes {qt.fingerprint = "test"} {
  qt.weight @table : tensor<8x4xf32> in "w.safetensors"
  qt.weight @gain : tensor<4xf32> in "w.safetensors"
  func.func @model(%ids: tensor<?xi32>) -> tensor<?x8xf32> {
    %table = qt.load @table : tensor<8x4xf32>
    %x = lm.embedding %ids, %table : tensor<?xi32>, tensor<8x4xf32> -> tensor<?x4xf32>
    %gain = qt.load @gain : tensor<4xf32>
    %h = lm.rms_norm %x, %gain {eps = 1.0e-5} : tensor<?x4xf32>, tensor<4xf32>
    %y = lm.linear %h, %table : tensor<?x4xf32>, tensor<8x4xf32> -> tensor<?x8xf32>
    return %y : tensor<?x8xf32>
  }
}
