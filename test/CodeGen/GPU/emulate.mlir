// RUN: quant-opt %s --gpu-emulate --split-input-file --verify-diagnostics | FileCheck %s

// Operands and results go through memory; a launch names the function and where its
// arguments are.
// CHECK-DAG: llvm.func @qm_emulate_launch(!llvm.ptr, !llvm.ptr, i64, i64, i64, i64)
// CHECK-DAG: llvm.func @qm_emulate_prmt(!llvm.ptr, !llvm.ptr)
// CHECK-LABEL: func.func @host
//       CHECK: %[[THREAD:.+]] = llvm.mlir.addressof @permute.thread
//       CHECK: llvm.call @qm_emulate_launch(%[[THREAD]],
//   CHECK-NOT: gpu.
// CHECK-LABEL: llvm.func internal @permute(
//       CHECK: llvm.call @qm_emulate_prmt(
//       CHECK: llvm.load %{{.*}} : !llvm.ptr -> i32
// CHECK-LABEL: llvm.func internal @permute.thread(%{{.*}}: !llvm.ptr)
//       CHECK: llvm.call @permute(%{{.*}}) : (!llvm.ptr<1>) -> ()
module attributes {gpu.container_module} {
  func.func @host(%p: !llvm.ptr<1>) {
    %one = arith.constant 1 : index
    gpu.launch_func @kernels::@permute blocks in (%one, %one, %one) threads in (%one, %one, %one) args(%p : !llvm.ptr<1>)
    return
  }
  gpu.module @kernels {
    llvm.func @permute(%p: !llvm.ptr<1>) attributes {gpu.kernel, nvvm.kernel} {
      %a = llvm.load %p : !llvm.ptr<1> -> i32
      %b = llvm.call_intrinsic "llvm.nvvm.prmt"(%a, %a, %a) : (i32, i32, i32) -> i32
      llvm.store %b, %p : i32, !llvm.ptr<1>
      llvm.return
    }
  }
}

// -----

module attributes {gpu.container_module} {
  gpu.module @kernels {
    llvm.func @unknown() attributes {gpu.kernel, nvvm.kernel} {
      %0 = llvm.mlir.constant(1 : i32) : i32
      // expected-error @below {{calls llvm.nvvm.nanosleep, which the emulator does not know}}
      llvm.call_intrinsic "llvm.nvvm.nanosleep"(%0) : (i32) -> ()
      llvm.return
    }
  }
}
