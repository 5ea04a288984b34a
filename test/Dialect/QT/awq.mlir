// Channel 1 of both activations is 16 times as loud as channel 0, whose weight
// decides the step of rounding. Multiplied by 16^r, channel 1 is rounded more
// finely until its weight is the larger one.

// RUN: rm -rf %t && split-file %s %t && cd %t
// RUN: %python %S/Inputs/make_safetensors.py w.safetensors gain:F32:2:1 gain2:F32:2:1 first:F32:1x2:7,0.4375 second:F32:1x2:7,0.4375
// RUN: %python %S/Inputs/make_safetensors.py s.safetensors "format=quant-mlir statistics 1" model=test tokens=none "weights={\"first\": \"first\", \"second\": \"second\"}" first.tokens:I64:1:8 first.mean_abs:F32:2:1,16 first.hessian:F32:2x2:1,0,0,256 second.tokens:I64:1:8 second.mean_abs:F32:2:1,16 second.hessian:F32:2x2:1,0,0,256

// RUN: quant-opt model.mlir --qt-awq="recipe=int4 calibration=s.safetensors weights-out=out.safetensors" --verify-diagnostics | FileCheck model.mlir
// RUN: %python %S/Inputs/print_safetensors.py out.safetensors | FileCheck %s --check-prefix=FILE

// RUN: quant-opt model.mlir --qt-awq="recipe=int4 calibration=s.safetensors multiply weights-out=m.safetensors" -o multiplied.mlir
// RUN: FileCheck %s --check-prefix=MULTIPLY --input-file=multiplied.mlir
// RUN: %python %S/Inputs/print_safetensors.py m.safetensors | FileCheck %s --check-prefix=MULTIPLY-FILE
// RUN: quant-opt multiplied.mlir --qt-quantize=recipe=int4 | FileCheck %s --check-prefix=FUSED

// Of r = 0, 0.05, ... the best is 0.85, whose s is (16^-0.425, 16^0.425).
// FILE-DAG: first F32 [1, 2] [2.154502{{.*}}, 1.42144
// FILE-DAG: gain F32 [2] [3.24900{{.*}}, 0.307786
// FILE-DAG: first.smoothing F32 [2] [0.307786{{.*}}, 3.24900

// What nothing folds into is multiplied, and quantization takes the product over.
// MULTIPLY: %[[M:.+]] = qt.load @second.multiplier
// MULTIPLY: %[[WIDE:.+]] = linalg.broadcast ins(%[[M]] : tensor<2xf32>)
// MULTIPLY: %[[P:.+]] = arith.mulf %{{.*}}, %[[WIDE]]
// MULTIPLY: lm.linear %[[P]],
// MULTIPLY-FILE-DAG: second F32 [1, 2] [2.154502{{.*}}, 1.42144
// MULTIPLY-FILE-DAG: second.multiplier F32 [2] [3.24900{{.*}}, 0.307786
// FUSED: %[[M:.+]] = qt.load @second.multiplier
// FUSED: qt.quantize %{{.*}} by %[[M]] : tensor<?x2xf32>, tensor<2xf32>

// What the recipe keeps is not scaled.
// RUN: quant-opt model.mlir --qt-awq="recipe=as-stored calibration=s.safetensors multiply weights-out=k.safetensors" | FileCheck %s --check-prefix=KEPT
// KEPT-NOT: k.safetensors

// RUN: not quant-opt model.mlir --qt-awq=recipe=int4 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: qt-awq needs statistics of activations: calibration=FILE

//--- model.mlir
// CHECK: qt.fingerprint = "test"
module attributes {qt.fingerprint = "test"} {
  // CHECK: qt.weight @gain : tensor<2xf32> in "out.safetensors"
  qt.weight @gain : tensor<2xf32> in "w.safetensors"
  // CHECK: qt.weight @gain2 : tensor<2xf32> in "w.safetensors"
  qt.weight @gain2 : tensor<2xf32> in "w.safetensors"
  // CHECK: qt.weight @first : tensor<1x2xf32> in "out.safetensors"
  qt.weight @first : tensor<1x2xf32> in "w.safetensors"
  // The residual reads this norm's result, too: left alone.
  // CHECK: qt.weight @second : tensor<1x2xf32> in "w.safetensors"
  qt.weight @second : tensor<1x2xf32> in "w.safetensors"
  func.func @layer(%x: tensor<?x2xf32>) -> (tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x2xf32>) {
    %gain = qt.load @gain : tensor<2xf32>
    %gain2 = qt.load @gain2 : tensor<2xf32>
    %first = qt.load @first : tensor<1x2xf32>
    %second = qt.load @second : tensor<1x2xf32>
    %h = lm.rms_norm %x, %gain {eps = 1.0e-5} : tensor<?x2xf32>, tensor<2xf32>
    %a = lm.linear %h, %first : tensor<?x2xf32>, tensor<1x2xf32> -> tensor<?x1xf32>
    // expected-remark @below {{the input of 'second' is not smoothed: 'func.return' reads it too}}
    %g = lm.rms_norm %x, %gain2 {eps = 1.0e-5} : tensor<?x2xf32>, tensor<2xf32>
    %b = lm.linear %g, %second : tensor<?x2xf32>, tensor<1x2xf32> -> tensor<?x1xf32>
    return %a, %b, %g : tensor<?x1xf32>, tensor<?x1xf32>, tensor<?x2xf32>
  }
}
