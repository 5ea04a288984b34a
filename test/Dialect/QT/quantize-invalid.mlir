// RUN: rm -rf %t && split-file %s %t && cd %t
// RUN: %python %S/Inputs/make_safetensors.py w.safetensors w:F32:2x4:127,-1,2,64 nan:F32:2x4:1,2,3,4,5,6,nan big:F32:2x4:1e6 row:F32:1x256:1

// Each is refused with one line, and nothing is written.
// RUN: not quant-opt w.mlir --qt-quantize=recipe=int9 2>&1 | FileCheck %s --check-prefix=NAME --implicit-check-not=error
// NAME: error: recipe 'int9' is neither a file nor one of as-stored, f32, {{.*}}q8_0
// RUN: not quant-opt w.mlir --qt-quantize=recipe=. 2>&1 | FileCheck %s --check-prefix=FOLDER
// FOLDER: error: .: Is a directory
// RUN: not quant-opt w.mlir --qt-quantize=recipe=q4_0 2>&1 | FileCheck %s --check-prefix=BLOCK --implicit-check-not=note:
// BLOCK: w.mlir:1:1: error: recipe 'q4_0': does not fit weight 'w': {{.*}}32
// RUN: not quant-opt nan.mlir --qt-quantize=recipe=int4 2>&1 | FileCheck %s --check-prefix=NAN --implicit-check-not=note:
// NAN: nan.mlir:1:1: error: w.safetensors: tensor 'nan': NaN in row 1, column 2
// RUN: not quant-opt nan.mlir --qt-quantize=recipe=bf16 2>&1 | FileCheck %s --check-prefix=NAN
// RUN: not quant-opt big.mlir --qt-quantize=recipe=f16 2>&1 | FileCheck %s --check-prefix=BIG
// BIG: error: w.safetensors: tensor 'big': row 0, column 0 is 1e+06, too large for f16
// RUN: not quant-opt w.mlir "--qt-quantize=recipe=int4 weights-out=./w.safetensors" 2>&1 | FileCheck %s --check-prefix=OVER
// OVER: error: ./w.safetensors: weights-out would overwrite the file that weight 'w' is in
// RUN: not quant-opt w.mlir "--qt-quantize=recipe=int4 weights-out=no/where" 2>&1 | FileCheck %s --check-prefix=PATH
// PATH: error: no/where: {{.*}}No such file or directory
// RUN: not quant-opt gone.mlir --qt-quantize=recipe=int4 2>&1 | FileCheck %s --check-prefix=GONE
// GONE: error: w.safetensors: {{.*}}'gone'
// RUN: ls | FileCheck %s --check-prefix=LEFT --implicit-check-not=int --implicit-check-not=tmp
// LEFT: w.safetensors

// Recipes in files: the line that is wrong.
// RUN: not quant-opt w.mlir --qt-quantize=recipe=empty.yaml 2>&1 | FileCheck %s --check-prefix=EMPTY
// EMPTY: error: empty.yaml:1: is empty
// RUN: not quant-opt w.mlir --qt-quantize=recipe=syntax.yaml 2>&1 | FileCheck %s --check-prefix=SYNTAX
// SYNTAX: error: syntax.yaml:3: {{.+}}
// RUN: not quant-opt w.mlir --qt-quantize=recipe=scheme.yaml 2>&1 | FileCheck %s --check-prefix=SCHEME --implicit-check-not=scheme.yaml:1
// SCHEME: error: scheme.yaml:4: '#qt.int<9, channel>' is not a scheme: #qt.int has 2 to 8 bits, not 9
// RUN: not quant-opt w.mlir --qt-quantize=recipe=other.yaml 2>&1 | FileCheck %s --check-prefix=OTHER
// OTHER: error: other.yaml:4: '#qt.nonsense' is not a scheme: {{.+}}
// RUN: not quant-opt row.mlir --qt-quantize=recipe=read.yaml 2>&1 | FileCheck %s --check-prefix=READ --implicit-check-not=note:
// READ: error: w.safetensors: tensor 'row': iq2_s needs an importance matrix

//--- w.mlir
qt.weight @w : tensor<2x4xf32> in "w.safetensors"
func.func @f(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = qt.load @w : tensor<2x4xf32>
  %y = lm.linear %x, %w : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
//--- nan.mlir
qt.weight @nan : tensor<2x4xf32> in "w.safetensors"
func.func @f(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = qt.load @nan : tensor<2x4xf32>
  %y = lm.linear %x, %w : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
//--- big.mlir
qt.weight @big : tensor<2x4xf32> in "w.safetensors"
func.func @f(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = qt.load @big : tensor<2x4xf32>
  %y = lm.linear %x, %w : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
//--- gone.mlir
qt.weight @gone : tensor<2x4xf32> in "w.safetensors"
func.func @f(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = qt.load @gone : tensor<2x4xf32>
  %y = lm.linear %x, %w : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
//--- row.mlir
qt.weight @row : tensor<1x256xf32> in "w.safetensors"
func.func @f(%x: tensor<?x256xf32>) -> tensor<?x1xf32> {
  %w = qt.load @row : tensor<1x256xf32>
  %y = lm.linear %x, %w : tensor<?x256xf32>, tensor<1x256xf32> -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}
//--- empty.yaml
# nothing
//--- syntax.yaml
config_groups:
  a: {targets: [Linear]
  b: ]
//--- scheme.yaml
config_groups:
  a:
    targets: [Linear]
    weights: "#qt.int<9, channel>"
//--- other.yaml
config_groups:
  a:
    targets: [Linear]
    weights: "#qt.nonsense"
//--- read.yaml
config_groups:
  a:
    targets: [Linear]
    weights: "#qt.iq2_s"
