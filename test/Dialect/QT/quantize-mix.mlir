// RUN: rm -rf %t && mkdir %t && cd %t
// RUN: %python %S/Inputs/make_safetensors.py w.safetensors token_embd.weight:F32:2x256:1,-2,3 blk.0.attn_v.weight:F32:256x256:1,-2,3 blk.0.ffn_down.weight:F32:256x96:1,-2,3 blk.1.attn_v.weight:F32:256x256:1,-2,3 blk.1.ffn_down.weight:F32:256x96:1,-2,3
// RUN: quant-opt %s --qt-quantize=recipe=Q4_K_M | FileCheck %s
// RUN: quant-opt %s --qt-quantize=recipe=Q4_K_M-a32 | FileCheck %s --check-prefix=FLOAT

// The last of two layers gets more bits, the table, which is the head too, as
// well; rows of 96 are blocks of 32.
//      CHECK: module attributes {qt.recipe = "Q4_K_M"}
//  CHECK-DAG: @token_embd.weight : !qt.tensor<2x256xf32, #qt.q6_K>
//  CHECK-DAG: @blk.0.attn_v.weight : !qt.tensor<256x256xf32, #qt.q4_K>
//  CHECK-DAG: @blk.0.ffn_down.weight : !qt.tensor<256x96xf32, #qt.q5_0>
//  CHECK-DAG: @blk.1.attn_v.weight : !qt.tensor<256x256xf32, #qt.q6_K>
//  CHECK-DAG: @blk.1.ffn_down.weight : !qt.tensor<256x96xf32, #qt.q8_0>
// Also the input of the head is rounded, as in a file of this mix that is
// compiled as stored: y once for both layers that read it.
// CHECK-COUNT-4: qt.quantize
// FLOAT-NOT: qt.quantize
qt.weight @token_embd.weight : tensor<2x256xf32> in "w.safetensors"
qt.weight @blk.0.attn_v.weight : tensor<256x256xf32> in "w.safetensors"
qt.weight @blk.0.ffn_down.weight : tensor<256x96xf32> in "w.safetensors"
qt.weight @blk.1.attn_v.weight : tensor<256x256xf32> in "w.safetensors"
qt.weight @blk.1.ffn_down.weight : tensor<256x96xf32> in "w.safetensors"
func.func @f(%ids: tensor<?xi32>, %y: tensor<?x96xf32>) -> (tensor<?x256xf32>, tensor<?x256xf32>, tensor<?x2xf32>) {
  %table = qt.load @token_embd.weight : tensor<2x256xf32>
  %x = lm.embedding %ids, %table : tensor<?xi32>, tensor<2x256xf32> -> tensor<?x256xf32>
  %v0 = qt.load @blk.0.attn_v.weight : tensor<256x256xf32>
  %0 = lm.linear %x, %v0 : tensor<?x256xf32>, tensor<256x256xf32> -> tensor<?x256xf32>
  %d0 = qt.load @blk.0.ffn_down.weight : tensor<256x96xf32>
  %1 = lm.linear %y, %d0 : tensor<?x96xf32>, tensor<256x96xf32> -> tensor<?x256xf32>
  %v1 = qt.load @blk.1.attn_v.weight : tensor<256x256xf32>
  %2 = lm.linear %0, %v1 : tensor<?x256xf32>, tensor<256x256xf32> -> tensor<?x256xf32>
  %d1 = qt.load @blk.1.ffn_down.weight : tensor<256x96xf32>
  %3 = lm.linear %y, %d1 : tensor<?x96xf32>, tensor<256x96xf32> -> tensor<?x256xf32>
  %4 = lm.linear %2, %table : tensor<?x256xf32>, tensor<2x256xf32> -> tensor<?x2xf32>
  return %1, %3, %4 : tensor<?x256xf32>, tensor<?x256xf32>, tensor<?x2xf32>
}
