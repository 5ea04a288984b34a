// RUN: quant-opt %s --gpu-expand=target=cuda:sm_80 --canonicalize --cse | FileCheck %s

// Of two experts each may begin a block more than their rows fill together.
// CHECK-LABEL: func.func @matmul(
//   CHECK-DAG: %[[TWO:.+]] = arith.constant 2 : index
//       CHECK: %[[ROWS:.+]] = memref.dim
//       CHECK: %[[BLOCKS:.+]] = arith.addi %[[ROWS]], %[[TWO]]
//       CHECK: gpu.launch_func @kernels::@matmul_dot blocks in (%{{.*}}, %[[BLOCKS]],
// A block looks for its rows' expert, and does nothing if it has none.
//       CHECK: gpu.func @matmul_dot(
//       CHECK: %[[BLOCK:.+]] = arith.index_cast
//       CHECK: %[[FOUND:.+]]:4 = scf.for %{{.*}} = %{{.*}} to %[[E:.+]] step
//       CHECK: %[[THERE:.+]] = arith.cmpi ult, %[[FOUND]]#1, %[[E]]
//       CHECK: scf.if %[[THERE]] {
//       CHECK: llvm.call_intrinsic "llvm.nvvm.shfl.sync.bfly.i32"
func.func @matmul(%x: memref<?x32xf32>, %weights: memref<?xi8>, %offset: index, %experts: memref<3xi32>, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  kernel.matmul_float %x, %weights[%offset] experts %experts into %out {gpu.forms = [{form = "dot", tokens = 1, warps = 4}], type = !qt.tensor<16x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?x32xf32>, memref<?xi8>, index, memref<3xi32>, memref<?x16xf32>
  return
}
