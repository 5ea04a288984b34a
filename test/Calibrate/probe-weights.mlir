// Rounded to codes 0 to 3 with a scale of 1, the 1.5 in @up becomes 2. Each
// token gives @up 2, -2, and so 2 instead of 3. @down does not change.

// RUN: rm -rf %t && split-file %s %t && cd %t
// RUN: %python %S/../Dialect/QT/Inputs/make_safetensors.py w.safetensors table:F32:4x4:2,-2,0.5,0 up:F32:4x4:3,1.5,0,0,0,0,0,0,0,0,0,0,0,0,0,0 down:F32:4x4:3,0,0,0,0
// RUN: %python -c "import numpy; numpy.save('t.npy', numpy.array([1, 3, 2], 'int32'))"

// RUN: quant-opt vectors.mlir --qt-probe-weights="tokens=t.npy out=v.json scheme='#qt.int<2, group = 4, scale = f16, zero = i2>'" | FileCheck vectors.mlir
// RUN: FileCheck vectors.mlir --check-prefix=FILE < v.json
// The same as logits: probabilities of e³ : 1 : 1 : 1 become e² : 1 : 1 : 1.
// RUN: quant-opt logits.mlir --qt-probe-weights="tokens=t.npy out=l.json source=here scheme='#qt.int<2, group = 4, scale = f16, zero = i2>'" -o logits.out
// RUN: FileCheck logits.mlir --check-prefix=FILE < l.json

// RUN: not quant-opt vectors.mlir --qt-probe-weights 2>&1 | FileCheck %s --check-prefix=NEEDS
// NEEDS: error: qt-probe-weights needs tokens=FILE.npy and out=FILE.json
// RUN: not quant-opt vectors.mlir --qt-probe-weights="tokens=no.npy out=n.json" 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: error: no.npy: No such file or directory
// RUN: not quant-opt vectors.mlir --qt-probe-weights="tokens=t.npy out=n.json scheme=int2" 2>&1 | FileCheck %s --check-prefix=SCHEME
// SCHEME: error: 'int2' is not a scheme
// RUN: not ls n.json

//--- vectors.mlir
// FILE: "down": 0,
// FILE: "up": 0.1111
// FILE: "format": "quant-mlir effects of weights 1"
// FILE: "model": "{{[0-9a-f]+}}"
// FILE: "scheme": "#qt.int<2, group = 4, scale = f16, zero = i2>"
// FILE: "tokens": "t.npy"

qt.weight @table : tensor<4x4xf32> in "w.safetensors"
qt.weight @up : tensor<4x4xf32> in "w.safetensors"
qt.weight @down : tensor<4x4xf32> in "w.safetensors"

// The module stays as it is.
// CHECK-LABEL: func.func @f(
//   CHECK-NOT: qt.observe
//       CHECK: lm.embedding
//       CHECK: lm.linear
func.func @f(%tokens: tensor<?xi32>) -> tensor<?x4xf32> {
  %table = qt.load @table : tensor<4x4xf32>
  %up = qt.load @up : tensor<4x4xf32>
  %down = qt.load @down : tensor<4x4xf32>
  %x = lm.embedding %tokens, %table : tensor<?xi32>, tensor<4x4xf32> -> tensor<?x4xf32>
  %y = lm.linear %x, %up : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
  %z = lm.linear %y, %down : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}

//--- logits.mlir
// A table that is the head, too, is not probed.
// FILE-NOT: table
// FILE: "up": 0.07159
// FILE-NOT: table
// FILE: "tokens": "here"

module attributes {lm.vocab_size = 4 : i64} {
  qt.weight @table : tensor<4x4xf32> in "w.safetensors"
  qt.weight @up : tensor<4x4xf32> in "w.safetensors"
  func.func @f(%tokens: tensor<?xi32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
    %table = qt.load @table : tensor<4x4xf32>
    %up = qt.load @up : tensor<4x4xf32>
    %x = lm.embedding %tokens, %table : tensor<?xi32>, tensor<4x4xf32> -> tensor<?x4xf32>
    %y = lm.linear %x, %up : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
    %z = lm.linear %x, %table : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
    return %y, %z : tensor<?x4xf32>, tensor<?x4xf32>
  }
}
