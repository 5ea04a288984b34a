// RUN: rm -rf %t && split-file %s %t && cd %t
// RUN: %python %S/Inputs/make_safetensors.py w.safetensors table:F32:3x4:1,2,3,4 layers.up:F32:2x4:127,-1,2,63.6,0,0,0,-254 down.weight.codes:I8:2x4:1,2,3,4 down.weight.scales:F32:2x1:0.5,2

// RUN: quant-opt model.mlir --qt-quantize | FileCheck model.mlir --check-prefixes=ALL,STORED
// RUN: quant-opt model.mlir --qt-quantize="recipe=w8a8 weights-out=w8a8.safetensors" | FileCheck model.mlir --check-prefixes=ALL,W8A8
// RUN: %python %S/Inputs/print_safetensors.py w8a8.safetensors | FileCheck model.mlir --check-prefix=W8A8-FILE
// RUN: quant-opt model.mlir --qt-quantize=recipe=int4-g2-asym | FileCheck model.mlir --check-prefixes=ALL,INT4
// RUN: %python %S/Inputs/print_safetensors.py w.int4-g2-asym.safetensors | FileCheck model.mlir --check-prefix=INT4-FILE
// RUN: quant-opt model.mlir --qt-quantize=recipe=f16 | FileCheck model.mlir --check-prefixes=ALL,F16
// RUN: %python %S/Inputs/print_safetensors.py w.f16.safetensors | FileCheck model.mlir --check-prefix=F16-FILE
// RUN: quant-opt model.mlir --qt-quantize=recipe=by-layer.yaml | FileCheck model.mlir --check-prefixes=ALL,LAYER

// What was quantized can be packed, or run as it is.
// RUN: quant-opt model.mlir --qt-quantize=recipe=w8a8 --pack=target=cpu:x86-64-v3 -o /dev/null
// RUN: quant-opt model.mlir --qt-quantize=recipe=w8a8 --qt-materialize-weights --lm-to-linalg --qt-to-linalg | FileCheck %s --check-prefix=LINALG
// LINALG-NOT: = qt.
// LINALG:     return

//--- model.mlir

// ALL: module attributes {qt.recipe = "{{as-stored|w8a8|int4-g2-asym|f16|by-layer}}"}

// The table is the head, too: recipes for linears leave it alone. What was
// plain is a float scheme now.
// STORED: qt.weight @token_embd.weight : !qt.tensor<3x4xf32, #qt.float<f32>> in "w.safetensors" as "table"
// W8A8:   qt.weight @token_embd.weight : !qt.tensor<3x4xf32, #qt.float<f32>> in "w.safetensors" as "table"
// INT4:   qt.weight @token_embd.weight : !qt.tensor<3x4xf32, #qt.float<f32>> in "w.safetensors" as "table"
// LAYER:  qt.weight @token_embd.weight : !qt.tensor<3x4xf32, #qt.float<f32>> in "w.safetensors" as "table"
// F16:    qt.weight @token_embd.weight : !qt.tensor<3x4xf32, #qt.float<f16>> in "w.f16.safetensors" {qt.error = {{[0-9.e+-]+}} : f64}
// F16-FILE: token_embd.weight F16 [3, 4] [1.0, 2.0, 3.0, 4.0,
qt.weight @token_embd.weight : tensor<3x4xf32> in "w.safetensors" as "table"

// One scale a row: 127 / 127 and 254 / 127. 63.6 rounds to 64.
// STORED: qt.weight @up.weight : !qt.tensor<2x4xf32, #qt.float<f32>> in "w.safetensors" as "layers.up"
// W8A8:   qt.weight @up.weight : !qt.tensor<2x4xf32, #qt.int<8, channel>> in "w8a8.safetensors" {qt.error = {{[0-9.e+-]+}} : f64}
// W8A8-FILE: up.weight.codes I8 [2, 4] [127, -1, 2, 64, 0, 0, 0, -127]
// W8A8-FILE: up.weight.scales F32 [2, 1] [1.0, 2.0]
// LAYER:  qt.weight @up.weight : !qt.tensor<2x4xf32, #qt.int<4, group = 4>> in "w.by-layer.safetensors" {qt.error = {{[0-9.e+-]+}} : f64}
qt.weight @up.weight : tensor<2x4xf32> in "w.safetensors" as "layers.up"

// Requantized from what the stored codes stand for: 0.5, 1, 1.5, 2 and 2, 4, 6,
// 8. In pairs with 0: scales 1/15, 2/15, 4/15 and 8/15 in f16.
// STORED: qt.weight @down.weight : !qt.tensor<2x4xf32, #qt.int<8, channel>> in "w.safetensors"
// W8A8:   qt.weight @down.weight : !qt.tensor<2x4xf32, #qt.int<8, channel>> in "w.safetensors"
// INT4:   qt.weight @down.weight : !qt.tensor<2x4xf32, #qt.int<4, group = 2, scale = f16, zero = i4>> in "w.int4-g2-asym.safetensors"
// INT4-FILE: down.weight.codes U8 [2, 4] [8, 15, 11, 15, 8, 15, 11, 15]
// INT4-FILE: down.weight.scales F16 [2, 2] [0.0666{{[0-9]*}}, 0.1333{{[0-9]*}}, 0.2666{{[0-9]*}}, 0.5332
// INT4-FILE: down.weight.zeros U8 [2, 2] [0, 0, 0, 0]
// F16-FILE:  down.weight F16 [2, 4] [0.5, 1.0, 1.5, 2.0, 2.0, 4.0, 6.0, 8.0]
// LAYER:  qt.weight @down.weight : !qt.tensor<2x4xf32, #qt.int<8, channel>> in "w.safetensors"
qt.weight @down.weight : !qt.tensor<2x4xf32, #qt.int<8, channel>> in "w.safetensors"

// ALL-LABEL: func.func @forward
//   ALL-NOT:   lm.
//   ALL-NOT:   qt.dequantize
func.func @forward(%ids: tensor<?xi32>, %x: tensor<?x4xf32>, %bias: tensor<2xf32>)
    -> (tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x3xf32>) {
  %table = qt.load @token_embd.weight : tensor<3x4xf32>
  %stored = qt.load @down.weight : !qt.tensor<2x4xf32, #qt.int<8, channel>>
  %down = qt.dequantize %stored : !qt.tensor<2x4xf32, #qt.int<8, channel>> -> tensor<2x4xf32>
  %up = qt.load @up.weight : tensor<2x4xf32>
  // W8A8:     %[[Q:.+]] = qt.quantize %{{.+}} -> !qt.tensor<?x4xf32, #qt.int<8, token>>
  // W8A8-NOT: qt.quantize
  // INT4:     %[[Q:.+]] = qt.quantize %{{.+}} -> !qt.tensor<?x4xf32, #qt.int<8, group = 32>>
  // INT4-NOT: qt.quantize
  // LAYER:    qt.quantize %{{.+}} -> !qt.tensor<?x4xf32, #qt.int<8, group = 8>>
  // F16-NOT:  qt.quantize

  // ALL:    qt.gather %{{.+}}, %{{.+}} : tensor<?xi32>, !qt.tensor<3x4xf32, #qt.float<{{f16|f32}}>>
  %0 = lm.embedding %ids, %table : tensor<?xi32>, tensor<3x4xf32> -> tensor<?x4xf32>
  // STORED: qt.matmul %{{.+}}, %{{.+}} bias %{{.+}} : tensor<?x4xf32>, !qt.tensor<2x4xf32, #qt.float<f32>>, tensor<2xf32>
  // W8A8:   qt.matmul %[[Q]], %{{.+}} bias %{{.+}} : {{.*}}, !qt.tensor<2x4xf32, #qt.int<8, channel>>, tensor<2xf32>
  // INT4:   qt.matmul %[[Q]], %{{.+}} bias
  %1 = lm.linear %x, %up bias %bias : tensor<?x4xf32>, tensor<2x4xf32>, tensor<2xf32> -> tensor<?x2xf32>
  // STORED: qt.matmul {{.*}} : !qt.tensor<?x4xf32, #qt.int<8, group = 32>>, !qt.tensor<2x4xf32, #qt.int<8, channel>>
  // W8A8:   qt.matmul %[[Q]]
  // INT4:   qt.matmul %[[Q]]
  %2 = lm.linear %x, %down : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
  // ALL:    qt.matmul {{.*}} : tensor<?x4xf32>, !qt.tensor<3x4xf32, #qt.float<{{f16|f32}}>> -> tensor<?x3xf32>
  %3 = lm.linear %0, %table : tensor<?x4xf32>, tensor<3x4xf32> -> tensor<?x3xf32>
  return %1, %2, %3 : tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x3xf32>
}

//--- by-layer.yaml

config_groups:
  # The class reaches up.weight, too, but its name is closer.
  rest:
    targets: [Linear]
    weights: "#qt.int<8, channel>"
  ups:
    targets: ["re:u[p]"]
    weights: {num_bits: 4, group_size: 4}
    input_activations: "#qt.int<8, group = 8>"
