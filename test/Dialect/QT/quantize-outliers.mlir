// RUN: rm -rf %t && mkdir %t && cd %t
// RUN: %python %S/Inputs/make_safetensors.py w.safetensors up:F32:2x4:127,-1,2,3 gate:F32:2x4:1
// RUN: quant-opt %s --qt-quantize="recipe=int8-llm weights-out=q.safetensors" | FileCheck %s
// RUN: quant-opt %s --qt-quantize="recipe=int8-llm weights-out=q.safetensors" --pack=target=cpu:x86-64-v4 | FileCheck %s --check-prefix=PACK
// RUN: quant-opt %s --qt-quantize="recipe=nf4 weights-out=n.safetensors" | FileCheck %s --check-prefix=NF4
// RUN: quant-opt %s --qt-quantize="recipe=nf4-a8 weights-out=n.safetensors" | FileCheck %s --check-prefix=NF4-A8
// RUN: %python %S/Inputs/print_safetensors.py n.safetensors | FileCheck %s --check-prefix=NF4-FILE

qt.weight @up.weight : tensor<2x4xf32> in "w.safetensors" as "up"
qt.weight @gate.weight : tensor<2x4xf32> in "w.safetensors" as "gate"

// Outliers are taken apart once for all readers; the bias is added once.
// CHECK-LABEL: func.func @forward
//  CHECK-SAME: (%[[X:.+]]: tensor<?x4xf32>, %[[B:.+]]: tensor<2xf32>)
//       CHECK: %[[IN:.+]], %[[OUT:.+]] = qt.split_outliers %[[X]] : tensor<?x4xf32>
//       CHECK: %[[Q:.+]] = qt.quantize %[[IN]] : tensor<?x4xf32> -> !qt.tensor<?x4xf32, #qt.int<8, token>>
//       CHECK: %[[UP:.+]] = qt.load @up.weight
//       CHECK: %[[A:.+]] = qt.matmul %[[Q]], %[[UP]] bias %[[B]]
//       CHECK: %[[O:.+]] = qt.matmul %[[OUT]], %[[UP]] : tensor<?x4xf32>
//       CHECK: arith.addf %[[A]], %[[O]]
//   CHECK-NOT: qt.split_outliers
//       CHECK: %[[GATE:.+]] = qt.load @gate.weight
//       CHECK: qt.matmul %[[Q]], %[[GATE]]
//       CHECK: qt.matmul %[[OUT]], %[[GATE]]

// Both products read one packed weight.
// PACK: qt.weight @up.weight : !qt.tensor<2x4xf32, #qt.int<8, channel>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>

// NF4: qt.weight @up.weight : !qt.tensor<2x4xf32, #qt.codebook<nf4, group = 64>> in "n.safetensors"
// NF4: qt.matmul %arg0, %{{.*}} : tensor<?x4xf32>, !qt.tensor<2x4xf32, #qt.codebook<nf4, group = 64>>
// NF4-A8: qt.quantize %{{.*}} -> !qt.tensor<?x4xf32, #qt.int<8, group = 64>>
// 127, -1, 2, 3 over 127: 1, then near -0.008, 0.016, 0.024: zero.
// NF4-FILE: up.weight.codes U8 [2, 4] [15, 7, 7, 7,
// NF4-FILE: up.weight.scales F32 [2, 1] [127.0,
func.func @forward(%x: tensor<?x4xf32>, %bias: tensor<2xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
  %u = qt.load @up.weight : tensor<2x4xf32>
  %0 = lm.linear %x, %u bias %bias : tensor<?x4xf32>, tensor<2x4xf32>, tensor<2xf32> -> tensor<?x2xf32>
  %g = qt.load @gate.weight : tensor<2x4xf32>
  %1 = lm.linear %x, %g : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
  return %0, %1 : tensor<?x2xf32>, tensor<?x2xf32>
}
