// RUN: rm -rf %t && split-file %s %t && cd %t
// RUN: %python %S/../Dialect/QT/Inputs/make_safetensors.py w.safetensors table:F32:4x4:1,-2,0.5,0 up:F32:4x4:2,0,0,0,0
// RUN: %python -c "import numpy; numpy.save('t.npy', numpy.array([1, 3, 2], 'int32'))"

// RUN: quant-opt model.mlir --qt-calibrate="tokens=t.npy out=s.safetensors statistics=range,mean,mean_abs,hessian" | FileCheck model.mlir
// RUN: %python %S/../Dialect/QT/Inputs/print_safetensors.py s.safetensors | FileCheck model.mlir --check-prefix=FILE

// RUN: not quant-opt model.mlir --qt-calibrate 2>&1 | FileCheck model.mlir --check-prefix=NEEDS
// RUN: not quant-opt model.mlir --qt-calibrate="tokens=no.npy out=s.safetensors" 2>&1 | FileCheck model.mlir --check-prefix=MISSING
// RUN: not quant-opt model.mlir --qt-calibrate="tokens=t.npy out=s.safetensors statistics=median" 2>&1 | FileCheck model.mlir --check-prefix=UNKNOWN
// RUN: not quant-opt model.mlir --qt-calibrate="tokens=t.npy out=s.safetensors target=cpu:aarch64" 2>&1 | FileCheck model.mlir --check-prefix=TARGET

//--- model.mlir
// NEEDS: error: qt-calibrate needs tokens=FILE.npy and out=FILE.safetensors
// MISSING: error: no.npy: No such file or directory
// UNKNOWN: error: unknown statistic 'median'; known are range, mean, mean_abs, hessian, histogram
// TARGET: error: target cpu:aarch64 cannot run in this process

qt.weight @table : tensor<4x4xf32> in "w.safetensors"
qt.weight @up : tensor<4x4xf32> in "w.safetensors"

// All rows of the table are alike, so every token gives the same.
// FILE: up.tokens I64 [1] [3]
// FILE: up.min F32 [4] [1.0, -2.0, 0.5, 0.0]
// FILE: up.max F32 [4] [1.0, -2.0, 0.5, 0.0]
// FILE: up.mean F32 [4] [1.0, -2.0, 0.5, 0.0]
// FILE: up.mean_abs F32 [4] [1.0, 2.0, 0.5, 0.0]
// FILE: up.hessian F32 [4, 4] [1.0, -2.0, 0.5, 0.0, -2.0, 4.0, -1.0, 0.0, 0.5, -1.0, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0]
// FILE-NOT: histogram

// The module stays as it is.
// CHECK-LABEL: func.func @f(
//   CHECK-NOT: qt.observe
//       CHECK: lm.embedding
//       CHECK: lm.linear
func.func @f(%tokens: tensor<?xi32>) -> tensor<?x4xf32> {
  %table = qt.load @table : tensor<4x4xf32>
  %up = qt.load @up : tensor<4x4xf32>
  %x = lm.embedding %tokens, %table : tensor<?xi32>, tensor<4x4xf32> -> tensor<?x4xf32>
  %y = lm.linear %x, %up : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
