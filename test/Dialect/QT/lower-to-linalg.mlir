// RUN: split-file %s %t
// RUN: quant-opt %t/good.mlir --qt-to-linalg | FileCheck %t/good.mlir
// RUN: quant-opt %t/bad.mlir --qt-to-linalg --split-input-file --verify-diagnostics

// What is computed is checked with numbers in run-*.mlir; here is the form.

//--- good.mlir

// A quantized tensor is its parts, in signatures, calls and loops.
// CHECK-LABEL: func.func @signature
//  CHECK-SAME: (%[[CODES:.+]]: tensor<?x8xi8>, %[[SCALES:.+]]: tensor<?x2xf16>, %{{.*}}: index) -> (tensor<?x8xi8>, tensor<?x2xf16>)
//       CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[CODES]], %{{.*}} = %[[SCALES]])
//       CHECK: return %{{.*}}, %{{.*}} : tensor<?x8xi8>, tensor<?x2xf16>
!group = !qt.tensor<?x8xf32, #qt.int<8, group = 4, scale = f16>>
func.func @signature(%x: !group, %n: index) -> !group {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = scf.for %i = %c0 to %n step %c1 iter_args(%y = %x) -> (!group) {
    scf.yield %y : !group
  }
  return %0 : !group
}

// CHECK-LABEL: func.func @call
//       CHECK: %[[R:.+]]:2 = call @signature(%{{.*}}, %{{.*}}, %{{.*}}) : (tensor<?x8xi8>, tensor<?x2xf16>, index) -> (tensor<?x8xi8>, tensor<?x2xf16>)
//       CHECK: return %[[R]]#1
func.func @call(%x: !group, %n: index) -> tensor<?x2xf16> {
  %0 = call @signature(%x, %n) : (!group, index) -> !group
  %1, %2 = qt.parts %0 : !group -> tensor<?x8xi8>, tensor<?x2xf16>
  return %2 : tensor<?x2xf16>
}

// A table is never dequantized as a whole: an element is decoded as it is read.
// CHECK-LABEL: func.func @gather
//  CHECK-SAME: %[[IDS:.+]]: tensor<?xi32>, %[[BLOCKS:.+]]: tensor<1000x2x34xi8>
//       CHECK: linalg.generic {{.*}} ins(%[[IDS]] : tensor<?xi32>) outs(%{{.*}} : tensor<?x64xf32>)
//       CHECK: tensor.extract %[[BLOCKS]]
//       CHECK: linalg.yield
//   CHECK-NOT: linalg.generic
func.func @gather(%ids: tensor<?xi32>, %table: !qt.tensor<1000x64xf32, #qt.q8_0>) -> tensor<?x64xf32> {
  %0 = qt.gather %ids, %table : tensor<?xi32>, !qt.tensor<1000x64xf32, #qt.q8_0> -> tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}

//--- bad.mlir

qt.weight @w : !qt.tensor<4x32xf32, #qt.q4_0> in "file"
func.func @load() -> tensor<4x32xf32> {
  // expected-error @+1 {{'qt.load' op reads a file: run --qt-materialize-weights before --qt-to-linalg}}
  %0 = qt.load @w : !qt.tensor<4x32xf32, #qt.q4_0>
  %1 = qt.dequantize %0 : !qt.tensor<4x32xf32, #qt.q4_0> -> tensor<4x32xf32>
  return %1 : tensor<4x32xf32>
}

// -----

func.func @asymmetric(%x: tensor<4x32xf32>) -> !qt.tensor<4x32xf32, #qt.int<8, token, zero = i8>> {
  // expected-error @+1 {{'qt.quantize' op cannot quantize to #qt.int<8, token, zero = i8> while the program runs: the scheme is for stored weights}}
  %0 = qt.quantize %x : tensor<4x32xf32> -> !qt.tensor<4x32xf32, #qt.int<8, token, zero = i8>>
  return %0 : !qt.tensor<4x32xf32, #qt.int<8, token, zero = i8>>
}

// -----

func.func @blocks(%x: tensor<4x32xf32>) -> !qt.tensor<4x32xf32, #qt.q4_0> {
  // expected-error @+1 {{'qt.quantize' op cannot quantize to #qt.q4_0 while the program runs}}
  %0 = qt.quantize %x : tensor<4x32xf32> -> !qt.tensor<4x32xf32, #qt.q4_0>
  return %0 : !qt.tensor<4x32xf32, #qt.q4_0>
}

// -----

func.func @layout(%x: !qt.tensor<4x32xf32, #qt.int<8, token>, #qt.rows<stride = 64, group = 32, sums = 32>>) -> tensor<4x32xf32> {
  // expected-error @+1 {{'qt.dequantize' op has a tensor with a layout}}
  %0 = qt.dequantize %x : !qt.tensor<4x32xf32, #qt.int<8, token>, #qt.rows<stride = 64, group = 32, sums = 32>> -> tensor<4x32xf32>
  return %0 : tensor<4x32xf32>
}
