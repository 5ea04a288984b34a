// @rough has values that two bits and a zero point hit exactly (-4 to 2 in
// steps of 2), @fine has not. Scales and zero points take 24 bits for 4 weights:
// 6 more for each than its code. So of 10 bits on average, rough takes 8 and
// fine 12.

// RUN: rm -rf %t && split-file %s %t && cd %t
// RUN: %python %S/Inputs/make_safetensors.py w.safetensors rough:F32:2x4:-4,-2,0,2 fine:F32:2x4:1,0.77,0.51,0.13
// RUN: %python %S/Inputs/make_safetensors.py s.safetensors "format=quant-mlir statistics 1" model=test tokens=none "weights={\"rough\": \"rough\", \"fine\": \"fine\"}" rough.tokens:I64:1:8 rough.hessian:F32:4x4:1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1 fine.tokens:I64:1:8 fine.hessian:F32:4x4:1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1

// RUN: quant-opt model.mlir --qt-allocate-bits="recipes=int2-g4-asym,int4-g4-asym,int6-g4-asym budget=10 calibration=s.safetensors out=r.yaml" | FileCheck model.mlir
// RUN: FileCheck model.mlir --check-prefix=RECIPE < r.yaml
// The recipe is one that the quantizer takes.
// RUN: quant-opt model.mlir --qt-quantize="recipe=r.yaml weights-out=q.safetensors" | FileCheck model.mlir --check-prefix=QUANTIZED

// RUN: not quant-opt model.mlir --qt-allocate-bits="recipes=int4-g4 budget=3 calibration=s.safetensors out=none.yaml" 2>&1 | FileCheck %s --check-prefix=SMALL
// SMALL: error: a budget of 3.00 bits per weight is too small: the smallest candidates take 8.00
// RUN: not ls none.yaml
// RUN: not quant-opt model.mlir --qt-allocate-bits="recipes=best budget=8 calibration=s.safetensors out=none.yaml" 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: error: recipe 'best' is neither a file nor one of
// RUN: not quant-opt model.mlir --qt-allocate-bits="recipes=q4_0 budget=8 calibration=s.safetensors out=none.yaml" 2>&1 | FileCheck %s --check-prefix=GRID
// GRID: error: recipe 'q4_0' cannot be a candidate: it has no grid for weight 'rough'
// RUN: not quant-opt model.mlir --qt-allocate-bits="recipes=int4-g4 budget=8 out=none.yaml" 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: qt-allocate-bits needs calibration=FILE, out=FILE and a budget

//--- model.mlir

// RECIPE:      # Made by qt-allocate-bits: 10.000 bits per weight of 10.000
// RECIPE:      int2-g4-asym:
// RECIPE-NEXT:   targets:
// RECIPE-NEXT:     - "rough"
// RECIPE-NEXT:   weights: "#qt.int<2, group = 4, scale = f16, zero = i2>"
// RECIPE-NEXT:   rounding: {method: nearest, range: extremes}
// RECIPE:      int6-g4-asym:
// RECIPE-NEXT:   targets:
// RECIPE-NEXT:     - "fine"

// CHECK:     qt.weight @rough : tensor<2x4xf32> in "w.safetensors"
// QUANTIZED: qt.weight @rough : !qt.tensor<2x4xf32, #qt.int<2, group = 4, scale = f16, zero = i2>>
// QUANTIZED: qt.weight @fine : !qt.tensor<2x4xf32, #qt.int<6, group = 4, scale = f16, zero = i6>>
module attributes {qt.fingerprint = "test"} {
  qt.weight @rough : tensor<2x4xf32> in "w.safetensors"
  qt.weight @fine : tensor<2x4xf32> in "w.safetensors"
  func.func @layers(%x: tensor<?x4xf32>, %y: tensor<?x4xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
    %rough = qt.load @rough : tensor<2x4xf32>
    %fine = qt.load @fine : tensor<2x4xf32>
    // CHECK: lm.linear
    %a = lm.linear %x, %rough : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
    %b = lm.linear %y, %fine : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
    return %a, %b : tensor<?x2xf32>, tensor<?x2xf32>
  }
}
