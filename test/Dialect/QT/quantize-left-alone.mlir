// RUN: rm -rf %t && split-file %s %t && cd %t
// RUN: %python %S/Inputs/make_safetensors.py w.safetensors w:F32:2x4:127,-1,2,64
// RUN: quant-opt shared.mlir --qt-quantize=recipe=w8a8 | FileCheck shared.mlir
// RUN: quant-opt constant.mlir --qt-quantize=recipe=w8a8 2>&1 | FileCheck constant.mlir
// RUN: quant-opt idle.mlir --qt-quantize=recipe=idle.yaml 2>&1 | FileCheck idle.mlir --implicit-check-not=warning
// RUN: quant-opt groups.mlir --qt-quantize=recipe=groups.yaml --split-input-file | FileCheck groups.mlir

//--- shared.mlir

// Something else reads the weight, too: it keeps the numbers it had.
// CHECK: qt.weight @w : tensor<2x4xf32> in "w.safetensors"
// CHECK: qt.weight @[[NEW:w_.*]] : !qt.tensor<2x4xf32, #qt.int<8, channel>> in "w.w8a8.safetensors" as "w"
qt.weight @w : tensor<2x4xf32> in "w.safetensors"
// CHECK-LABEL: func.func @shared
func.func @shared(%x: tensor<?x4xf32>) -> (tensor<?x2xf32>, tensor<2x4xf32>) {
  // CHECK-DAG: %[[OLD:.+]] = qt.load @w : tensor<2x4xf32>
  // CHECK-DAG: %[[W:.+]] = qt.load @[[NEW]]
  %w = qt.load @w : tensor<2x4xf32>
  // CHECK: %[[Y:.+]] = qt.matmul %{{.+}}, %[[W]]
  %y = lm.linear %x, %w : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
  // CHECK: return %[[Y]], %[[OLD]]
  return %y, %w : tensor<?x2xf32>, tensor<2x4xf32>
}

//--- constant.mlir

// CHECK: constant.mlir:[[#@LINE+5]]:8: warning: 'lm.linear' stays float: its weight is not in a file
// CHECK-LABEL: func.func @constant
func.func @constant(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = arith.constant dense<[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]> : tensor<2x4xf32>
  // CHECK: lm.linear
  %y = lm.linear %x, %w : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

//--- idle.mlir

// CHECK: warning: idle.yaml:5: 're:.*dwon' names no layer of this model
// CHECK: qt.weight @w : !qt.tensor<2x4xf32, #qt.float<f32>> in "w.safetensors"
qt.weight @w : tensor<2x4xf32> in "w.safetensors"
func.func @idle(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = qt.load @w : tensor<2x4xf32>
  %y = lm.linear %x, %w : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

//--- idle.yaml

ignore: [w]
config_groups:
  group_0:
    targets: [Linear, "re:.*dwon"]
    weights: {num_bits: 4}

//--- groups.mlir

// The activation's groups divide the weight's or are divided by them.
// CHECK-LABEL: func.func @larger
// CHECK: qt.quantize {{.*}} #qt.int<8, group = 32>>
qt.weight @w : !qt.tensor<2x384xf32, #qt.int<4, group = 64>> in "w.safetensors"
func.func @larger(%x: tensor<?x384xf32>) -> tensor<?x2xf32> {
  %q = qt.load @w : !qt.tensor<2x384xf32, #qt.int<4, group = 64>>
  %w = qt.dequantize %q : !qt.tensor<2x384xf32, #qt.int<4, group = 64>> -> tensor<2x384xf32>
  %y = lm.linear %x, %w : tensor<?x384xf32>, tensor<2x384xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

// CHECK-LABEL: func.func @smaller
// CHECK: qt.quantize {{.*}} #qt.int<8, group = 32>>
qt.weight @w : !qt.tensor<2x384xf32, #qt.int<4, group = 16>> in "w.safetensors"
func.func @smaller(%x: tensor<?x384xf32>) -> tensor<?x2xf32> {
  %q = qt.load @w : !qt.tensor<2x384xf32, #qt.int<4, group = 16>>
  %w = qt.dequantize %q : !qt.tensor<2x384xf32, #qt.int<4, group = 16>> -> tensor<2x384xf32>
  %y = lm.linear %x, %w : tensor<?x384xf32>, tensor<2x384xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

// CHECK-LABEL: func.func @neither
// CHECK: qt.quantize {{.*}} #qt.int<8, group = 48>>
qt.weight @w : !qt.tensor<2x384xf32, #qt.int<4, group = 48>> in "w.safetensors"
func.func @neither(%x: tensor<?x384xf32>) -> tensor<?x2xf32> {
  %q = qt.load @w : !qt.tensor<2x384xf32, #qt.int<4, group = 48>>
  %w = qt.dequantize %q : !qt.tensor<2x384xf32, #qt.int<4, group = 48>> -> tensor<2x384xf32>
  %y = lm.linear %x, %w : tensor<?x384xf32>, tensor<2x384xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

// A recipe may say so: the activation stays float, and nothing else changes.
// CHECK-LABEL: func.func @float
// CHECK-NOT: qt.quantize
// CHECK: qt.matmul %{{.+}}, %{{.+}} : tensor<?x384xf32>,
qt.weight @float.weight : !qt.tensor<2x384xf32, #qt.int<4, group = 32>> in "w.safetensors"
func.func @float(%x: tensor<?x384xf32>) -> tensor<?x2xf32> {
  %q = qt.load @float.weight : !qt.tensor<2x384xf32, #qt.int<4, group = 32>>
  %w = qt.dequantize %q : !qt.tensor<2x384xf32, #qt.int<4, group = 32>> -> tensor<2x384xf32>
  %y = lm.linear %x, %w : tensor<?x384xf32>, tensor<2x384xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

//--- groups.yaml

config_groups:
  group_0:
    targets: [float]
    weights: keep
    input_activations: float
