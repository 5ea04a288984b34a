// RUN: quant-opt %s --gpu-expand=target=cuda:sm_80 --canonicalize --cse | FileCheck %s

// Thread 0 of the host launches: dot products for one row, tensor cores for more,
// of eight rows each. 48 rows of the weight are three panels, a block for each; two
// warps share K.
// CHECK-LABEL: func.func @matmul(
//  CHECK-SAME: %[[CODES:[a-z0-9]+]]: memref<?x32xi32>, {{.*}}%[[OUT:[a-z0-9]+]]: memref<?x48xf32>, %[[THREAD:[a-z0-9]+]]: index,
//   CHECK-DAG: %[[TWO:.+]] = arith.constant 2 : index
//   CHECK-DAG: %[[THREE:.+]] = arith.constant 3 : index
//   CHECK-DAG: %[[LANES:.+]] = arith.constant 64 : index
//       CHECK: %[[ROWS:.+]] = memref.dim %[[OUT]]
//       CHECK: scf.if
//       CHECK: %[[ONE:.+]] = arith.cmpi ult, %[[ROWS]], %[[TWO]]
//       CHECK: scf.if %[[ONE]] {
//       CHECK: gpu.launch_func @kernels::@matmul_dot blocks in (%[[THREE]], %[[ROWS]], %{{.*}}) threads in (%[[LANES]],
//       CHECK: } else {
//       CHECK: %[[TILES:.+]] = arith.divui %{{.*}}, %{{.*}} : index
//       CHECK: gpu.launch_func @kernels::@matmul_mma8 blocks in (%[[THREE]], %[[TILES]],
func.func @matmul(%codes: memref<?x32xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x48xf32>, %thread: index, %threads: index) {
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 128, gpu.forms = [{form = "dot", tokens = 1, warps = 2}, {form = "mma", tokens = 8, warps = 2}], type = !qt.tensor<48x128xf32, #qt.int<4, channel, scale = f32>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 128>>} : memref<?x32xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x48xf32>
  return
}

// Sixteen bytes are a word of four rows; a nibble each for two words, and the
// scheme subtracts nothing: the offset of 8 is taken from the sum, once.
//       CHECK: gpu.module @kernels
//       CHECK: gpu.func @matmul_dot({{.*}}) kernel attributes {known_block_size = array<i32: 64, 1, 1>, nvvm.minctasm = 1 : i32}
//       CHECK: scf.for
//       CHECK: llvm.load {{.*}} : !llvm.ptr<1> -> vector<4xi32>
// CHECK-COUNT-8: llvm.call_intrinsic "llvm.nvvm.idp4a.u.s"
//   CHECK-NOT: llvm.call_intrinsic "llvm.nvvm.idp4a.u.s"
//       CHECK: llvm.call_intrinsic "llvm.nvvm.shfl.sync.bfly.i32"
// Sums of integers are added over the block before they are scaled.
//       CHECK: llvm.store %{{.*}}, %{{.*}} : i32, !llvm.ptr<3>
//       CHECK: llvm.call_intrinsic "llvm.nvvm.barrier.cta.sync.aligned.all"
//       CHECK: llvm.load {{.*}} : !llvm.ptr<3> -> i32
//       CHECK: arith.sitofp
//       CHECK: gpu.func @matmul_mma8(
//       CHECK: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k32.row.col.u8.s8"
//   CHECK-NOT: llvm.call_intrinsic "llvm.nvvm.mma
//       CHECK: llvm.call_intrinsic "llvm.nvvm.barrier.cta.sync.aligned.all"
