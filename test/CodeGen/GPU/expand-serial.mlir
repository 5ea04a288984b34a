// RUN: quant-opt %s --gpu-expand=target=cuda:sm_80 | FileCheck %s

// What is no kernel is run by one thread: a sum that goes on from row to row.

// CHECK-LABEL: func.func private @scf_for_0(
//       CHECK: gpu.launch_func @kernels::@scf_for_0_serial blocks in (%{{.+}}, %{{.+}}, %{{.+}}) threads in (%[[WARP:.+]], %{{.+}}, %{{.+}})
//   CHECK-NOT: memref.store
//       CHECK: func.func private @helper(
//       CHECK: scf.if
//  CHECK-NEXT: scf.yield
//       CHECK: gpu.func @scf_for_0_serial(%[[N:.+]]: index, %[[X:.+]]: !llvm.ptr<1>, %[[STRIDE:.+]]: index, %{{.+}}: index) kernel
//       CHECK: %[[THREAD:.+]] = arith.index_castui
//       CHECK: %[[FIRST:.+]] = arith.cmpi ult, %[[THREAD]], %{{.+}}
//       CHECK: scf.if %[[FIRST]] {
//       CHECK: scf.for %[[I:.+]] = %{{.+}} to %[[N]]
//       CHECK: %[[BEFORE:.+]] = arith.subi %[[I]], %[[ONE:.+]] : index
//       CHECK: arith.muli %[[BEFORE]], %[[STRIDE]]
//       CHECK: %[[A:.+]] = llvm.load
//       CHECK: arith.cmpf ogt, %[[A]]
//       CHECK: scf.if
//       CHECK: arith.muli %[[I]], %[[STRIDE]]
//       CHECK: llvm.store
func.func private @scf_for_0(%n: index, %x: memref<?x4xf32, strided<[?, 1]>>, %thread: index, %threads: index) {
  %c0 = arith.constant 0 : index
  %first = arith.cmpi eq, %thread, %c0 : index
  scf.if %first {
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %none = arith.constant 0.0 : f32
    scf.for %i = %c1 to %n step %c1 {
      %before = arith.subi %i, %c1 : index
      %a = memref.load %x[%before, %c2] : memref<?x4xf32, strided<[?, 1]>>
      %some = arith.cmpf ogt, %a, %none : f32
      scf.if %some {
        %b = memref.load %x[%i, %c2] : memref<?x4xf32, strided<[?, 1]>>
        %sum = arith.addf %a, %b : f32
        memref.store %sum, %x[%i, %c2] : memref<?x4xf32, strided<[?, 1]>>
      }
    }
  }
  return
}

// Somebody else's branch, in front of the kernels above, is not for a thread of the GPU.
func.func private @helper(%condition: i1, %a: index, %b: index) -> index {
  %chosen = scf.if %condition -> index {
    scf.yield %a : index
  } else {
    scf.yield %b : index
  }
  return %chosen : index
}
