// RUN: quant-opt %s --gpu-launch --split-input-file --verify-diagnostics | FileCheck %s

// The second function of the GPU's is number 1; its arguments are in memory,
// 64 bits each, with pointers to them and a null. A block asks for shared memory.
// CHECK: llvm.func @qm_gpu_launch(i64, !llvm.ptr, i64, i64, i64, i64)
// CHECK-LABEL: func.func @host(
//  CHECK-SAME: %[[P:[a-z0-9]+]]: !llvm.ptr<1>, %[[ROWS:[a-z0-9]+]]: index, %[[SCALE:[a-z0-9]+]]: f32)
//       CHECK: %[[LIST:.+]] = llvm.alloca %{{.*}} x !llvm.array<4 x ptr>
//   CHECK-DAG: %[[WIDE:.+]] = arith.index_castui %[[ROWS]] : index to i64
//   CHECK-DAG: %[[MEMORY:.+]] = arith.extui %{{.*}} : i32 to i64
//   CHECK-DAG: llvm.store %[[P]], %{{.*}} : !llvm.ptr<1>, !llvm.ptr
//   CHECK-DAG: llvm.store %[[WIDE]], %{{.*}} : i64, !llvm.ptr
//   CHECK-DAG: %[[BITS:.+]] = arith.bitcast %[[SCALE]] : f32 to i32
//   CHECK-DAG: %[[SCALE64:.+]] = arith.extui %[[BITS]] : i32 to i64
//   CHECK-DAG: llvm.store %[[SCALE64]], %{{.*}} : i64, !llvm.ptr
//   CHECK-DAG: %[[NULL:.+]] = llvm.mlir.zero : !llvm.ptr
//   CHECK-DAG: %[[END:.+]] = llvm.getelementptr %[[LIST]][3]
//   CHECK-DAG: llvm.store %[[NULL]], %[[END]] : !llvm.ptr, !llvm.ptr
//       CHECK: %[[ONE:.+]] = llvm.mlir.constant(1 : i64) : i64
//       CHECK: llvm.call @qm_gpu_launch(%[[ONE]], %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %[[MEMORY]])
//   CHECK-NOT: gpu.launch_func
// The functions stay.
//       CHECK: gpu.module @kernels
module attributes {gpu.container_module} {
  func.func @host(%p: !llvm.ptr<1>, %rows: index, %scale: f32) {
    %one = arith.constant 1 : index
    %memory = arith.constant 1024 : i32
    gpu.launch_func @kernels::@second blocks in (%one, %rows, %one) threads in (%one, %one, %one) dynamic_shared_memory_size %memory args(%p : !llvm.ptr<1>, %rows : index, %scale : f32)
    return
  }
  gpu.module @kernels {
    llvm.func @first(%p: !llvm.ptr<1>) attributes {gpu.kernel, nvvm.kernel} {
      llvm.return
    }
    llvm.func @second(%p: !llvm.ptr<1>, %rows: i64, %scale: f32) attributes {gpu.kernel, nvvm.kernel} {
      llvm.return
    }
  }
}

// -----

// The buffer is in the GPU's memory.
func.func @reads(%ids: memref<?xi32>) -> i32 {
  %zero = arith.constant 0 : index
  // expected-error @below {{touches memory outside of kernels, which the host of a GPU cannot do}}
  %id = memref.load %ids[%zero] : memref<?xi32>
  return %id : i32
}
