// Factors are powers of two here: channel k of a site peaks at max[k], its
// weights at 1, so that strength 0.5 gives sqrt(max[k]).

// RUN: rm -rf %t && split-file %s %t && cd %t
// RUN: %python %S/Inputs/make_safetensors.py w.safetensors gain:F32:4:1 gain2:F32:4:1 q:F32:8x4:1 k:F32:4x4:1 v:F32:4x4:1 o:F32:4x8:1 up:F32:4x4:1 gate:F32:4x4:1 down:F32:4x4:1
// RUN: %python %S/Inputs/make_safetensors.py s.safetensors "format=quant-mlir statistics 1" model=test tokens=none "weights={\"q\": \"q\", \"k\": \"q\", \"v\": \"q\", \"o\": \"o\", \"gate\": \"gate\", \"up\": \"gate\", \"down\": \"down\"}" q.tokens:I64:1:1 q.min:F32:4:-1,-1,-64,0 q.max:F32:4:4,1,1,1 o.tokens:I64:1:1 o.min:F32:8:0 o.max:F32:8:16,1,1,1,16,1,1,1 gate.tokens:I64:1:1 gate.min:F32:4:-4 gate.max:F32:4:4 down.tokens:I64:1:1 down.min:F32:4:0 down.max:F32:4:1,1,1,256

// RUN: quant-opt model.mlir --qt-smooth="recipe=w8a8 calibration=s.safetensors strength=0.5 measure=max weights-out=out.safetensors" --verify-diagnostics | FileCheck model.mlir
// RUN: %python %S/Inputs/print_safetensors.py out.safetensors | FileCheck %s --check-prefix=FILE

// The norm's gain is divided, the columns of all its readers multiplied; v's
// rows are divided by what o's columns are multiplied by.
// FILE-DAG: q F32 [8, 4] [2.0, 1.0, 8.0, 1.0, 2.0
// FILE-DAG: k F32 [4, 4] [2.0, 1.0, 8.0, 1.0, 2.0
// FILE-DAG: v F32 [4, 4] [0.5, 0.25, 2.0, 0.25, 2.0, 1.0, 8.0, 1.0
// FILE-DAG: gain F32 [4] [0.5, 1.0, 0.125, 1.0]

// Two heads read one head of values, so that their channels share factors:
// channels 0 and 4 of o come from channel 0 of v.
// FILE-DAG: o F32 [4, 8] [4.0, 1.0, 1.0, 1.0, 4.0, 1.0, 1.0, 1.0,

// A product passes factors to the side that can take them: up, not gate, which
// goes through silu.
// FILE-DAG: down F32 [4, 4] [1.0, 1.0, 1.0, 16.0,
// FILE-DAG: up F32 [4, 4] [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0625, 0.0625, 0.0625, 0.0625]
// FILE-DAG: q.smoothing F32 [4] [2.0, 1.0, 8.0, 1.0]

// What nothing folds into is multiplied, and quantization takes the product over.
// RUN: quant-opt model.mlir --qt-smooth="recipe=w8a8 calibration=s.safetensors strength=0.5 measure=max multiply weights-out=m.safetensors" -o multiplied.mlir
// RUN: FileCheck %s --check-prefix=MULTIPLY --input-file=multiplied.mlir
// RUN: %python %S/Inputs/print_safetensors.py m.safetensors | FileCheck %s --check-prefix=MULTIPLY-FILE
// RUN: quant-opt multiplied.mlir --qt-quantize=recipe=w8a8 | FileCheck %s --check-prefix=FUSED
// RUN: quant-opt multiplied.mlir --qt-quantize=recipe=f32 | FileCheck %s --check-prefix=MULTIPLY-FLOAT
// MULTIPLY: qt.weight @gate.multiplier : tensor<4xf32> in "m.safetensors"
// MULTIPLY: %[[X:.+]] = lm.rms_norm %{{.*}}, %{{.*}} {eps = 1.000000e-05 : f64} : tensor<?x4xf32>, tensor<4xf32>
// MULTIPLY: %[[H:.+]] = lm.rms_norm
// MULTIPLY: %[[M:.+]] = qt.load @gate.multiplier
// MULTIPLY: %[[WIDE:.+]] = linalg.broadcast ins(%[[M]] : tensor<4xf32>) {{.*}} dimensions = [0]
// MULTIPLY: %[[P:.+]] = arith.mulf %[[H]], %[[WIDE]]
// MULTIPLY: lm.linear %[[P]], %{{.*}} : tensor<?x4xf32>, tensor<4x4xf32>
// MULTIPLY: lm.linear %[[P]], %{{.*}} : tensor<?x4xf32>, tensor<4x4xf32>
// The residual is not what the linears read.
// MULTIPLY: arith.addf %[[H]],
// MULTIPLY-FILE-DAG: gate F32 [4, 4] [2.0, 2.0, 2.0, 2.0,
// MULTIPLY-FILE-DAG: gate.multiplier F32 [4] [0.5, 0.5, 0.5, 0.5]
// FUSED-NOT: linalg.broadcast
// FUSED:     %[[M:.+]] = qt.load @gate.multiplier
// FUSED:     qt.quantize %{{.*}} by %[[M]] : tensor<?x4xf32>, tensor<4xf32> -> !qt.tensor<?x4xf32, #qt.int<8, token>>
// FUSED-NOT: linalg.broadcast
// MULTIPLY-FLOAT: %[[P:.+]] = arith.mulf
// MULTIPLY-FLOAT: qt.matmul %[[P]],

// RUN: not quant-opt model.mlir --qt-smooth=recipe=w8a8 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: qt-smooth needs statistics of activations: calibration=FILE
// RUN: not quant-opt other.mlir --qt-smooth="calibration=s.safetensors measure=max" 2>&1 | FileCheck %s --check-prefix=OTHER
// OTHER: error: s.safetensors: statistics of another model
// RUN: not quant-opt model.mlir --qt-smooth="calibration=s.safetensors" 2>&1 | FileCheck %s --check-prefix=HESSIAN
// HESSIAN: error: s.safetensors: has no Hessians of the activations, which are needed

//--- other.mlir
module attributes {qt.fingerprint = "another"} {}

//--- model.mlir
// CHECK: qt.fingerprint = "test"
module attributes {qt.fingerprint = "test"} {
  // CHECK: qt.weight @gain : tensor<4xf32> in "out.safetensors"
  qt.weight @gain : tensor<4xf32> in "w.safetensors"
  // The residual reads this norm's result, too: left alone.
  // CHECK: qt.weight @gain2 : tensor<4xf32> in "w.safetensors"
  qt.weight @gain2 : tensor<4xf32> in "w.safetensors"
  qt.weight @q : tensor<8x4xf32> in "w.safetensors"
  qt.weight @k : tensor<4x4xf32> in "w.safetensors"
  qt.weight @v : tensor<4x4xf32> in "w.safetensors"
  qt.weight @o : tensor<4x8xf32> in "w.safetensors"
  // CHECK: qt.weight @gate : tensor<4x4xf32> in "w.safetensors"
  qt.weight @gate : tensor<4x4xf32> in "w.safetensors"
  qt.weight @up : tensor<4x4xf32> in "w.safetensors"
  qt.weight @down : tensor<4x4xf32> in "w.safetensors"
  func.func @layer(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
    %gain = qt.load @gain : tensor<4xf32>
    %q = qt.load @q : tensor<8x4xf32>
    %k = qt.load @k : tensor<4x4xf32>
    %v = qt.load @v : tensor<4x4xf32>
    %o = qt.load @o : tensor<4x8xf32>
    %h = lm.rms_norm %x, %gain {eps = 1.0e-5} : tensor<?x4xf32>, tensor<4xf32>
    %qs = lm.linear %h, %q : tensor<?x4xf32>, tensor<8x4xf32> -> tensor<?x8xf32>
    %ks = lm.linear %h, %k : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
    %vs = lm.linear %h, %v : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
    %a = lm.attention %qs, %ks, %vs {heads = 2, kv_heads = 1, scale = 0.5} : tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x4xf32>
    %y = lm.linear %a, %o : tensor<?x8xf32>, tensor<4x8xf32> -> tensor<?x4xf32>

    %gain2 = qt.load @gain2 : tensor<4xf32>
    %gate = qt.load @gate : tensor<4x4xf32>
    %up = qt.load @up : tensor<4x4xf32>
    %down = qt.load @down : tensor<4x4xf32>
    // expected-remark @below {{the input of 'gate' is not smoothed: 'arith.addf' reads it too}}
    %h2 = lm.rms_norm %y, %gain2 {eps = 1.0e-5} : tensor<?x4xf32>, tensor<4xf32>
    %g = lm.linear %h2, %gate : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
    %s = lm.activation silu %g : tensor<?x4xf32>
    %u = lm.linear %h2, %up : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
    %p = arith.mulf %s, %u : tensor<?x4xf32>
    %d = lm.linear %p, %down : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
    %r = arith.addf %h2, %d : tensor<?x4xf32>
    return %r : tensor<?x4xf32>
  }
}
