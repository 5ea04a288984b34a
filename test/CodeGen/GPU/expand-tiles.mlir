// RUN: quant-opt %s --gpu-expand=target=cuda:sm_80 --canonicalize --cse --split-input-file | FileCheck %s --check-prefixes=CHECK,SM80
// RUN: quant-opt %s --gpu-expand=target=cuda:sm_89 --canonicalize --cse --split-input-file | FileCheck %s --check-prefixes=CHECK,SM89

// One warp, 32 rows by 8 tokens, in steps of 64 values: two for each group. A stage has
// 8 x 64 bytes of activations, 32 x 32 of weights and 64 for scales and sums, by 128.
// CHECK-LABEL: func.func @grouped(
//   CHECK-DAG: %[[BYTES:.+]] = arith.constant 3328 : i32
//       CHECK: gpu.launch_func @kernels::@grouped_tiles32x8 {{.*}}dynamic_shared_memory_size %[[BYTES]]
//       CHECK: llvm.mlir.global external @qm_shared() {addr_space = 3 : i32, alignment = 1024 : i64{{.*}}} : !llvm.array<0 x i8>
// Before the loop a step is on its way, its end a group of copies.
//       CHECK: gpu.func @grouped_tiles32x8(
//       CHECK: llvm.call_intrinsic "llvm.nvvm.cp.async.cg.shared.global.16"
//       CHECK: llvm.call_intrinsic "llvm.nvvm.cp.async.commit.group"
//       CHECK: scf.for
//       CHECK: scf.for
//       CHECK: llvm.call_intrinsic "llvm.nvvm.cp.async.wait.group"
//  CHECK-NEXT: llvm.call_intrinsic "llvm.nvvm.barrier.cta.sync.aligned.all"
//       CHECK: scf.if
//       CHECK: llvm.call_intrinsic "llvm.nvvm.cp.async.cg.shared.global.16"
//       CHECK: llvm.call_intrinsic "llvm.nvvm.cp.async.ca.shared.global.4"
//       CHECK: llvm.call_intrinsic "llvm.nvvm.cp.async.commit.group"
// Words of four rows, of two registers; then a token's.
// CHECK-COUNT-2: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
//       CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k32.row.col.u8.s8"
//   CHECK-NOT: llvm.call_intrinsic "llvm.nvvm.mma
// Scaled without a conversion: 8 * sum of codes and 1.5 * 2^23 go at once.
//       CHECK: arith.subf
//       CHECK: llvm.call_intrinsic "llvm.fma.f32"
func.func @grouped(%codes: memref<?x64xi32>, %scales: memref<?x1xf32>, %sums: memref<?x2xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x32xf32>, %thread: index, %threads: index) {
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 256, gpu.forms = [{form = "tiles", rows = 32, tokens = 8, warps = 1, stages = 2}], type = !qt.tensor<32x256xf32, #qt.int<4, group = 128, scale = f16>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 128>>} : memref<?x64xi32>, memref<?x1xf32>, memref<?x2xi32>, memref<?xi8>, index, memref<?x32xf32>
  return
}

// -----

// 8-bit floats are multiplied as f16, or as they are where a warp can.
// CHECK-LABEL: gpu.func @float8_tiles32x8(
//        SM80: llvm.nvvm.prmt
//        SM80: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.f32.f32"
//    SM89-NOT: llvm.nvvm.prmt
//        SM89: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k32.row.col.f32.e4m3.e4m3.f32"
func.func @float8(%codes: memref<?x64xi32>, %scales: memref<?x1xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x32xf32>, %thread: index, %threads: index) {
  kernel.matmul_float8 %codes scales %scales, %weights[%offset] into %out {codes = f8E4M3FN, group = 256, gpu.forms = [{form = "tiles", rows = 32, tokens = 8, warps = 1, stages = 2}], type = !qt.tensor<32x256xf32, #qt.float<f8E4M3FN, channel>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 256>>} : memref<?x64xi32>, memref<?x1xf32>, memref<?xi8>, index, memref<?x32xf32>
  return
}
