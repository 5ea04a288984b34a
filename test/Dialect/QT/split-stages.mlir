// RUN: quant-opt %s --qt-split-stages | FileCheck %s

qt.weight @gain : tensor<8xf32> in "m.safetensors"
qt.weight @up : tensor<8x8xf32> in "m.safetensors"
qt.weight @down : tensor<8x8xf32> in "m.safetensors"

// CHECK-NOT: func.func @f(

// The residual skips stage 1 and does not go through it: %x is the function's own
// argument, %h and %n are handed over by number.
// CHECK-LABEL: func.func @f_stage0(
//  CHECK-SAME: %[[X:.+]]: tensor<?x8xf32> {lm.name = "x", qt.argument = 1 : i64})
//  CHECK-SAME: -> (tensor<?x8xf32> {qt.live = [[N:[0-9]]] : i64}, tensor<2x8xf32> {qt.statistic = "range"}, tensor<8x8xf32> {qt.statistic = "gram"})
//  CHECK-SAME: qt.readers = ["up"], qt.site = "up", qt.stage = 0
//       CHECK: %[[GAIN:.+]] = qt.load @gain
//   CHECK-NOT: qt.load
//       CHECK: %[[NORM:.+]] = lm.rms_norm %[[X]], %[[GAIN]]
//       CHECK: %[[S:.+]]:2 = qt.observe %[[NORM]]
//       CHECK: return %[[NORM]], %[[S]]#0, %[[S]]#1

// The weight of an activation is read in the stage behind its observer. Sizes and
// weights are made again where they are needed.
// CHECK-LABEL: func.func @f_stage1(
//  CHECK-SAME: %[[X:.+]]: tensor<?x8xf32> {lm.name = "x", qt.argument = 1 : i64}, %[[N1:.+]]: tensor<?x8xf32> {qt.live = [[N]] : i64})
//  CHECK-SAME: -> (tensor<?x8xf32> {qt.live = [[H:[0-9]]] : i64}, tensor<8xf32> {qt.statistic = "sum_abs"})
//  CHECK-SAME: qt.site = "down", qt.stage = 1
//   CHECK-DAG: %[[UP:.+]] = qt.load @up
//   CHECK-DAG: %[[DIM:.+]] = tensor.dim %[[X]]
//   CHECK-NOT: qt.load
//       CHECK: %[[U:.+]] = lm.linear %[[N1]], %[[UP]]
//       CHECK: tensor.empty(%[[DIM]])
//       CHECK: %[[ACT:.+]] = linalg.exp ins(%[[U]]
//       CHECK: qt.observe %[[ACT]] [sum_abs]

// CHECK-LABEL: func.func @f_stage2(
//  CHECK-SAME: %[[X:.+]]: tensor<?x8xf32> {lm.name = "x", qt.argument = 1 : i64}, %[[H2:.+]]: tensor<?x8xf32> {qt.live = [[H]] : i64}) -> tensor<?x8xf32>
//  CHECK-SAME: attributes {qt.stage = 2 : i64}
//       CHECK: %[[DOWN:.+]] = qt.load @down
//       CHECK: %[[D:.+]] = lm.linear %[[H2]], %[[DOWN]]
//       CHECK: %[[Y:.+]] = arith.addf %[[X]], %[[D]]
//       CHECK: return %[[Y]]
func.func @f(%unused: index, %x: tensor<?x8xf32> {lm.name = "x"}) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %rows = tensor.dim %x, %c0 : tensor<?x8xf32>
  %gain = qt.load @gain : tensor<8xf32>
  %up = qt.load @up : tensor<8x8xf32>
  %down = qt.load @down : tensor<8x8xf32>
  %n = lm.rms_norm %x, %gain {eps = 1.0e-5} : tensor<?x8xf32>, tensor<8xf32>
  %s:2 = qt.observe %n [range, gram] site "up" {readers = ["up"]} : tensor<?x8xf32> -> tensor<2x8xf32>, tensor<8x8xf32>
  %u = lm.linear %n, %up : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32>
  %e = tensor.empty(%rows) : tensor<?x8xf32>
  %h = linalg.exp ins(%u : tensor<?x8xf32>) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %t = qt.observe %h [sum_abs] site "down" {readers = ["down"]} : tensor<?x8xf32> -> tensor<8xf32>
  %d = lm.linear %h, %down : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32>
  %y = arith.addf %x, %d : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// Nothing is observed here.
// CHECK-LABEL: func.func @other(
func.func @other(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  return %x : tensor<?x8xf32>
}
