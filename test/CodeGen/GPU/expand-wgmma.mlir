// RUN: quant-opt %s --gpu-expand=target=cuda:sm_90a --canonicalize --cse | FileCheck %s

// Four warps, 128 rows by 8 tokens, in steps of 128 values, a group each. What a product reads stays
// for a step more, so that of three stages only one is copied ahead.
// CHECK-LABEL: func.func @grouped(
//       CHECK: gpu.launch_func @kernels::@grouped_wgmma128x8 {{.*}} threads in (%c128, %c1, %c1)
// CHECK-LABEL: func.func @float8(
//       CHECK: gpu.func @grouped_wgmma128x8(
//       CHECK: scf.for
//       CHECK: llvm.call_intrinsic "llvm.nvvm.cp.async.wait.group"(%c0_i32
// What copies have brought products see when all have waited for it.
//  CHECK-NEXT: llvm.call_intrinsic "llvm.nvvm.barrier.cta.sync.aligned.all"
// The weights of eight words, each of four rows, are decoded before the products of before are waited for.
// CHECK-COUNT-8: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
//       CHECK: llvm.call_intrinsic "llvm.nvvm.wgmma.wait_group.sync.aligned"
// Until then registers of operands are not used again.
//  CHECK-NEXT: llvm.inline_asm has_side_effects "", "=r,=r,=r,=r,=r,=r,=r,=r,{{(r,)+}}0,1,2,3,4,5,6,7"
//       CHECK: llvm.call_intrinsic "llvm.nvvm.wgmma.fence.sync.aligned"
// Rows of 128 bytes: the swizzle of that, 1024 bytes from eight tokens to the next.
//       CHECK: %[[PLACE:.+]] = llvm.ptrtoint %{{.*}} : !llvm.ptr<3> to i64
//       CHECK: %[[X:.+]] = arith.ori %{{.*}}, %c4611686293305360384_i64
// CHECK-COUNT-8: llvm.inline_asm has_side_effects "wgmma.mma_async.sync.aligned.m64n8k32.s32.u8.s8 {$0, $1, $2, $3}, {$4, $5, $6, $7}, $8, 1;", "=r,=r,=r,=r,r,r,r,r,l,0,1,2,3"
//   CHECK-NOT: wgmma.mma_async
//       CHECK: llvm.call_intrinsic "llvm.nvvm.wgmma.commit_group.sync.aligned"
//       CHECK: llvm.call_intrinsic "llvm.nvvm.wgmma.wait_group.sync.aligned"
//       CHECK: llvm.call_intrinsic "llvm.fma.f32"
func.func @grouped(%codes: memref<?x64xi32>, %scales: memref<?x2xf32>, %sums: memref<?x2xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x128xf32>, %thread: index, %threads: index) {
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 128, gpu.forms = [{form = "wgmma", rows = 128, tokens = 8, warps = 4, stages = 3}], type = !qt.tensor<128x256xf32, #qt.int<4, group = 128, scale = f16>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 128>>} : memref<?x64xi32>, memref<?x2xf32>, memref<?x2xi32>, memref<?xi8>, index, memref<?x128xf32>
  return
}

// 8-bit floats as they are: no byte is moved between memory and the product.
//       CHECK: gpu.func @float8_wgmma128x8(
//   CHECK-NOT: llvm.nvvm.prmt
//       CHECK: llvm.inline_asm has_side_effects "wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e5m2 {$0, $1, $2, $3}, {$4, $5, $6, $7}, $8, 1, 1, 1;", "=f,=f,=f,=f,r,r,r,r,l,0,1,2,3"
func.func @float8(%codes: memref<?x64xi32>, %scales: memref<?x1xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x128xf32>, %thread: index, %threads: index) {
  kernel.matmul_float8 %codes scales %scales, %weights[%offset] into %out {codes = f8E5M2, group = 256, gpu.forms = [{form = "wgmma", rows = 128, tokens = 8, warps = 4, stages = 3}], type = !qt.tensor<128x256xf32, #qt.float<f8E4M3FN, channel>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 256>>} : memref<?x64xi32>, memref<?x1xf32>, memref<?xi8>, index, memref<?x128xf32>
  return
}
