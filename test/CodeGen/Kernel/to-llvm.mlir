// RUN: quant-opt %s --kernel-to-llvm --split-input-file | FileCheck %s

// A barrier is a call of the runtime with the number of threads that come to it.
// Weights are in the packed file by now.
// CHECK: llvm.func @qm_barrier(!llvm.ptr, i64)
// CHECK-NOT: qt.weight
// CHECK-LABEL: func.func @barriers(
//  CHECK-SAME: %[[THREADS:[a-z0-9]+]]: index {kernel.role = "thread_count"}, %[[BARRIER:[a-z0-9]+]]: !llvm.ptr {kernel.role = "barrier"}
//       CHECK: %[[COUNT:.+]] = arith.index_cast %[[THREADS]] : index to i64
//       CHECK: llvm.call @qm_barrier(%[[BARRIER]], %[[COUNT]]) : (!llvm.ptr, i64) -> ()
//       CHECK: scf.if
//       CHECK: llvm.call @qm_barrier(%[[BARRIER]],
//   CHECK-NOT: kernel.barrier
qt.weight @w : tensor<8xf32> in "m.safetensors" at 0
func.func @barriers(%id: index {kernel.role = "thread_id"}, %threads: index {kernel.role = "thread_count"}, %barrier: !llvm.ptr {kernel.role = "barrier"}, %condition: i1) {
  kernel.barrier
  scf.if %condition {
    kernel.barrier
  }
  return
}

// -----

// No barrier, no declaration; other code is left alone.
// CHECK-LABEL: module
//   CHECK-NOT: qm_barrier
// CHECK-LABEL: func.func @no_barrier(
//  CHECK-NEXT: %[[SUM:.+]] = arith.addf
//  CHECK-NEXT: return %[[SUM]]
func.func @no_barrier(%a: f32, %b: f32) -> f32 {
  %0 = arith.addf %a, %b : f32
  return %0 : f32
}

// -----

// A declaration that is there already is used.
// CHECK-COUNT-1: llvm.func @qm_barrier
// CHECK-NOT: llvm.func @qm_barrier
llvm.func @qm_barrier(!llvm.ptr, i64)
func.func @declared(%threads: index {kernel.role = "thread_count"}, %barrier: !llvm.ptr {kernel.role = "barrier"}) {
  kernel.barrier
  return
}
