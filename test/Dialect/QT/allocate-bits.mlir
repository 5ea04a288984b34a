// @rough lies on a grid of two bits and a zero point (-4 to 2 in steps of 2),
// @fine does not. Scale and zero point take 18, 20 or 22 bits for 4 weights: the
// formats take 6.5, 9 and 11.5 bits per weight. @table is looked up.

// RUN: rm -rf %t && split-file %s %t && cd %t
// RUN: %python %S/Inputs/make_safetensors.py w.safetensors table:F32:4x4:1 rough:F32:2x4:-4,-2,0,2 fine:F32:2x4:1,0.77,0.51,0.13
// RUN: %python %S/Inputs/make_safetensors.py s.safetensors "format=quant-mlir statistics 1" model=test tokens=none "weights={\"rough\": \"rough\", \"fine\": \"fine\"}" rough.tokens:I64:1:8 rough.min:F32:4:-1 rough.max:F32:4:1 rough.mean_abs:F32:4:1 rough.hessian:F32:4x4:1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1 fine.tokens:I64:1:8 fine.min:F32:4:-1 fine.max:F32:4:1 fine.mean_abs:F32:4:1 fine.hessian:F32:4x4:1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1
// RUN: %python %S/Inputs/make_safetensors.py part.safetensors "format=quant-mlir statistics 1" model=test tokens=none "weights={\"rough\": \"rough\"}" rough.tokens:I64:1:8 rough.min:F32:4:-1 rough.max:F32:4:1 rough.mean_abs:F32:4:1 rough.hessian:F32:4x4:1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1

// RUN: quant-opt model.mlir --qt-allocate-bits="recipes=int2-g4-asym,int4-g4-asym-gptq,int6-g4-asym-gptq budget=9 calibration=s.safetensors out=r.yaml" | FileCheck model.mlir
// RUN: FileCheck model.mlir --check-prefix=RECIPE < r.yaml
// The recipe is one that the quantizer takes.
// RUN: quant-opt model.mlir --qt-quantize="recipe=r.yaml calibration=s.safetensors weights-out=q.safetensors" | FileCheck model.mlir --check-prefix=QUANTIZED

// A recipe that keeps a weight costs its stored bits and loses nothing.
// RUN: quant-opt model.mlir --qt-allocate-bits="recipes=int2-g4-asym-gptaq budget=24 calibration=s.safetensors out=corrected.yaml" -o model.out
// RUN: FileCheck model.mlir --check-prefix=CORRECTED --input-file=corrected.yaml
// RUN: quant-opt model.mlir --qt-allocate-bits="recipes=as-stored,int2-g4-asym budget=24 calibration=s.safetensors out=kept.yaml measure=gptq" -o model.out
// RUN: FileCheck %s --check-prefix=KEPT < kept.yaml
// KEPT: # kept as stored: 1 weights, 32.0000 bits per weight
// KEPT: 'int2-g4-asym': # 1 weights, 6.5000 bits per weight, loss 0
// KEPT: - 'rough'
// KEPT-NOT: fine

// With what rounding does to the output the loss of a weight is that, if it is
// rounded like this.
// RUN: echo '{"format": "quant-mlir effects of weights 1", "model": "test", "scheme": "#qt.int<2, group = 4, scale = f16, zero = i2>", "effects": {"rough": 0.5, "fine": 0.25}}' > e.json
// RUN: quant-opt model.mlir --qt-allocate-bits="recipes=int2-g4-asym budget=8 calibration=s.safetensors effects=e.json out=effects.yaml" -o model.out
// RUN: FileCheck %s --check-prefix=EFFECTS < effects.yaml
// EFFECTS: # predicted loss: 0.25, the sum over 2 weights of what each does to the model's output
// RUN: sed -e s/fine/other/ e.json > other.json
// RUN: not quant-opt model.mlir --qt-allocate-bits="recipes=int2-g4-asym budget=8 calibration=s.safetensors effects=other.json out=none.yaml" 2>&1 | FileCheck %s --check-prefix=OTHER
// OTHER: error: other.json: has no effect of weight 'fine'
// RUN: sed -e s/int/word/ e.json > word.json
// RUN: not quant-opt model.mlir --qt-allocate-bits="recipes=int2-g4-asym budget=8 calibration=s.safetensors effects=word.json out=none.yaml" 2>&1 | FileCheck %s --check-prefix=WORD
// WORD: error: word.json: '#qt.word<2, group = 4, scale = f16, zero = i2>' is not a scheme
// RUN: not quant-opt model.mlir --qt-allocate-bits="recipes=int2-g4-asym budget=8 calibration=s.safetensors effects=no.json out=none.yaml" 2>&1 | FileCheck %s --check-prefix=ABSENT
// ABSENT: error: no.json: cannot be read

// RUN: not quant-opt model.mlir --qt-allocate-bits="recipes=int4-g4 budget=3 calibration=s.safetensors out=none.yaml" 2>&1 | FileCheck %s --check-prefix=SMALL
// SMALL: error: a budget of 3 bits per weight is too small: the smallest formats take 8
// RUN: not quant-opt model.mlir --qt-allocate-bits="recipes=best budget=8 calibration=s.safetensors out=none.yaml" 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: error: recipe 'best' is neither a file nor one of
// RUN: not quant-opt model.mlir --qt-allocate-bits="recipes=w4a16-awq budget=8 calibration=s.safetensors out=none.yaml" 2>&1 | FileCheck %s --check-prefix=SMOOTH
// SMOOTH: error: recipe 'w4a16-awq' smooths activations, which cannot be chosen for single layers
// RUN: not quant-opt model.mlir --qt-allocate-bits="recipes=w8a8-static budget=8 calibration=s.safetensors out=none.yaml" 2>&1 | FileCheck %s --check-prefix=STATIC
// STATIC: error: recipe 'w8a8-static' has static scales of activations
// RUN: not quant-opt model.mlir --qt-allocate-bits="recipes=q4_0 budget=8 calibration=s.safetensors out=none.yaml" 2>&1 | FileCheck %s --check-prefix=FIT
// FIT: error: recipe 'q4_0': does not fit weight 'rough'
// RUN: not quant-opt model.mlir --qt-allocate-bits="recipes=as-stored budget=8 calibration=s.safetensors out=none.yaml" 2>&1 | FileCheck %s --check-prefix=NOTHING
// NOTHING: error: the recipes change no linear of this model
// RUN: not quant-opt model.mlir --qt-allocate-bits="recipes=int4-g4 budget=8 out=none.yaml" 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: qt-allocate-bits needs statistics of activations: calibration=FILE
// RUN: not quant-opt model.mlir --qt-allocate-bits="recipes=int4-g4 budget=8 calibration=part.safetensors out=none.yaml" 2>&1 | FileCheck %s --check-prefix=PART
// PART: error: part.safetensors: has no statistics of what weight 'fine' is multiplied with
// RUN: not quant-opt model.mlir --qt-allocate-bits="recipes=int4-g4 budget=0 calibration=s.safetensors out=none.yaml" 2>&1 | FileCheck %s --check-prefix=BUDGET
// BUDGET: error: budget must be a positive number of bits per weight
// RUN: not quant-opt model.mlir --qt-allocate-bits="recipes=int4-g4 measure=best calibration=s.safetensors out=none.yaml" 2>&1 | FileCheck %s --check-prefix=MEASURE
// MEASURE: error: measure 'best' is neither nearest nor gptq
// RUN: not ls none.yaml

//--- model.mlir

// RECIPE:      # budget: 9 bits per weight
// RECIPE-NEXT: # reached: 9.0000 bits per weight
// RECIPE-NEXT: # predicted loss: {{.*}}, the sum over 2 weights
// RECIPE-NEXT: config_groups:
// RECIPE-NEXT:   'int2-g4-asym': # 1 weights, 6.5000 bits per weight, loss 0
// RECIPE-NEXT:     weights: '#qt.int<2, group = 4, scale = f16, zero = i2>'
// RECIPE-NEXT:     rounding: {method: nearest, range: extremes}
// RECIPE-NEXT:     targets:
// RECIPE-NEXT:       - 'rough'
// RECIPE-NEXT:   'int6-g4-asym-gptq': # 1 weights, 11.5000 bits per weight, loss
// RECIPE-NEXT:     weights: '#qt.int<6, group = 4, scale = f16, zero = i6>'
// RECIPE-NEXT:     rounding: {method: gptq, range: calibrated, damping: 0.01, act_order: true}
// RECIPE-NEXT:     targets:
// RECIPE-NEXT:       - 'fine'
// RECIPE-NEXT: ignore:
// RECIPE-NEXT:   - 'table'
// RECIPE-NOT:  table

// CHECK:     qt.weight @rough : tensor<2x4xf32> in "w.safetensors"
// QUANTIZED: qt.weight @rough : !qt.tensor<2x4xf32, #qt.int<2, group = 4, scale = f16, zero = i2>>
// QUANTIZED: qt.weight @fine : !qt.tensor<2x4xf32, #qt.int<6, group = 4, scale = f16, zero = i6>>
module attributes {qt.fingerprint = "test"} {
  qt.weight @table : tensor<4x4xf32> in "w.safetensors"
  qt.weight @rough : tensor<2x4xf32> in "w.safetensors"
  qt.weight @fine : tensor<2x4xf32> in "w.safetensors"
  func.func @layers(%ids: tensor<?xi32>, %y: tensor<?x4xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
    %table = qt.load @table : tensor<4x4xf32>
    %rough = qt.load @rough : tensor<2x4xf32>
    %fine = qt.load @fine : tensor<2x4xf32>
    %x = lm.embedding %ids, %table : tensor<?xi32>, tensor<4x4xf32> -> tensor<?x4xf32>
    // CHECK: lm.linear
    %a = lm.linear %x, %rough : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
    %b = lm.linear %y, %fine : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
    return %a, %b : tensor<?x2xf32>, tensor<?x2xf32>
  }
}

// CORRECTED: rounding: {method: gptq, range: calibrated, damping: 0.01, act_order: true, correction: 0.5}
