// One scale for all tokens, found by calibration. The input of calm: 192000
// values evenly on the bins 1280 to 1471 of a histogram, which are those from 1
// to 64, and a single one of 127, in bin 1503. That of loud: a root mean square
// of 1, a largest value of 30.

// RUN: rm -rf %t && split-file %s %t && cd %t
// RUN: %python %S/Inputs/make_safetensors.py w.safetensors calm.codes:I8:2x4:1 calm.scales:F32:2x1:1 loud:F32:2x4:127
// RUN: %python %S/Inputs/make_safetensors.py s.safetensors "format=quant-mlir statistics 1" model=test tokens=none "weights={\"calm\": \"calm\", \"loud\": \"loud\"}" calm.tokens:I64:1:48000 calm.min:F32:4:0 calm.max:F32:4:64,64,127,64 calm.hessian:F32:4x4:900 calm.histogram:I64:2048:0*1280,1000*192,0*31,1,0*544 loud.tokens:I64:1:900 loud.min:F32:4:-30 loud.max:F32:4:0 loud.hessian:F32:4x4:1 loud.histogram:I64:2048:0*1280,3600,0*767

// All that was seen: 127 / 127 and 30 / 127.
// RUN: sed s/OPTIONS// recipe.yaml > extremes.yaml
// RUN: quant-opt model.mlir --qt-quantize="recipe=extremes.yaml calibration=s.safetensors weights-out=extremes" | FileCheck model.mlir --check-prefixes=CHECK,STATIC
// RUN: %python %S/Inputs/print_safetensors.py extremes | FileCheck %s --check-prefix=EXTREMES
// EXTREMES: calm.input_scale F32 [1] [1.0]
// EXTREMES: loud.input_scale F32 [1] [0.2362

// 99.99 % of 192001 values: 981.8 of the thousand between 63 and 64.
// RUN: sed 's/OPTIONS/, range: percentile/' recipe.yaml > percentile.yaml
// RUN: quant-opt model.mlir --qt-quantize="recipe=percentile.yaml calibration=s.safetensors weights-out=percentile" -o /dev/null
// RUN: %python %S/Inputs/print_safetensors.py percentile | FileCheck %s --check-prefix=PERCENTILE
// PERCENTILE: calm.input_scale F32 [1] [0.50379
// RUN: sed 's/OPTIONS/, range: percentile, percentile: 50/' recipe.yaml > half.yaml
// RUN: quant-opt model.mlir --qt-quantize="recipe=half.yaml calibration=s.safetensors weights-out=half" -o /dev/null
// RUN: %python %S/Inputs/print_safetensors.py half | FileCheck %s --check-prefix=HALF
// HALF: calm.input_scale F32 [1] [0.0629

// One value of 127 is not worth a step twice as long: the next factor 0.99 ^ n
// above 64. For the distribution it counts a bit more.
// RUN: sed 's/OPTIONS/, range: mse/' recipe.yaml > mse.yaml
// RUN: quant-opt model.mlir --qt-quantize="recipe=mse.yaml calibration=s.safetensors weights-out=mse" -o /dev/null
// RUN: %python %S/Inputs/print_safetensors.py mse | FileCheck %s --check-prefix=MSE
// MSE: calm.input_scale F32 [1] [0.5048
// RUN: sed 's/OPTIONS/, range: kl/' recipe.yaml > kl.yaml
// RUN: quant-opt model.mlir --qt-quantize="recipe=kl.yaml calibration=s.safetensors weights-out=kl" -o /dev/null
// RUN: %python %S/Inputs/print_safetensors.py kl | FileCheck %s --check-prefix=KL
// KL: calm.input_scale F32 [1] [0.560

// An activation that sticks out further than is allowed has a scale a token.
// RUN: sed 's/OPTIONS/, max_crest: 25/' recipe.yaml > crest.yaml
// RUN: quant-opt model.mlir --qt-quantize="recipe=crest.yaml calibration=s.safetensors weights-out=crest" 2>&1 | FileCheck model.mlir --check-prefixes=CHECK,CREST

// What is known of an activation from before it was smoothed has no histogram.
// RUN: %python %S/Inputs/make_safetensors.py w.safetensors calm.codes:I8:2x4:1 calm.scales:F32:2x1:1 loud:F32:2x4:127 calm.smoothing:F32:4:1
// RUN: not quant-opt model.mlir --qt-quantize="recipe=mse.yaml calibration=s.safetensors weights-out=never" 2>&1 | FileCheck %s --check-prefix=SMOOTHED
// SMOOTHED: error: statistics that were collected before 'calm' was smoothed have no histogram of it; ranges other than extremes need tokens
// RUN: not ls never

//--- recipe.yaml
config_groups:
  all:
    targets: [Linear]
    weights: {num_bits: 8}
    input_activations: {num_bits: 8, strategy: tensor, dynamic: false OPTIONS}

//--- model.mlir
// CREST: remark: the input of 'loud' has a scale for each token: its crest is 30.0
module attributes {qt.fingerprint = "test"} {
  // CREST-NOT: qt.weight @loud.input_scale
  // CHECK-DAG: qt.weight @calm.input_scale : tensor<1xf32> in "{{extremes|crest}}"
  // STATIC-DAG: qt.weight @loud.input_scale : tensor<1xf32> in "extremes"
  // Rounded already: only its input changes.
  // CHECK: qt.weight @calm : {{.*}} in "w.safetensors"
  qt.weight @calm : !qt.tensor<2x4xf32, #qt.int<8, channel>> in "w.safetensors"
  // CHECK: qt.weight @loud : {{.*}} in "{{extremes|crest}}"
  qt.weight @loud : tensor<2x4xf32> in "w.safetensors"
  // CHECK-LABEL: func.func @f
  func.func @f(%x: tensor<?x4xf32>, %y: tensor<?x4xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
    %stored = qt.load @calm : !qt.tensor<2x4xf32, #qt.int<8, channel>>
    %calm = qt.dequantize %stored : !qt.tensor<2x4xf32, #qt.int<8, channel>> -> tensor<2x4xf32>
    %loud = qt.load @loud : tensor<2x4xf32>
    // STATIC-DAG: qt.quantize %arg1 scale %{{.+}} #qt.int<8, tensor>>
    // CREST-DAG: qt.quantize %arg1 : tensor<?x4xf32> -> {{.*}} #qt.int<8, token>>
    // CHECK-DAG: qt.quantize %arg0 scale %{{.+}} #qt.int<8, tensor>>
    %0 = lm.linear %x, %calm : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
    %1 = lm.linear %y, %loud : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
    return %0, %1 : tensor<?x2xf32>, tensor<?x2xf32>
  }
}
