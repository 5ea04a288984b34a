// RUN: quant-opt %s --kernel-distribute --split-input-file | FileCheck %s

#rows = affine_map<(d0, d1) -> (d0, d1)>

// Kernels that are alike share a function, and row-local ones that follow each
// other on the same rows do not wait: the thread that made a row reads it. A matmul
// reads rows that others made: it does.
// CHECK-LABEL: func.func @barriers(
//  CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?x32xf32>,
//  CHECK-SAME: %[[THREAD:[a-z0-9]+]]: index {kernel.role = "thread_id"}, %[[THREADS:[a-z0-9]+]]: index {kernel.role = "thread_count"}, %{{[a-z0-9]+}}: !llvm.ptr {kernel.role = "barrier"}) attributes {llvm.emit_c_interface}
//  CHECK-NEXT: call @[[NORM:kernel_rms_norm_0]](%[[X]], %[[GAIN:.+]], %[[A:.+]], %[[THREAD]], %[[THREADS]])
//  CHECK-NEXT: call @[[NORM]](%[[A]], %[[GAIN]], %[[B:.+]], %[[THREAD]], %[[THREADS]])
//  CHECK-NEXT: call @[[NEGATE:linalg_generic_1]](%[[B]], %[[A]], %[[THREAD]], %[[THREADS]])
//  CHECK-NEXT: kernel.barrier
//  CHECK-NEXT: call @[[MATMUL:kernel_matmul_float_2]](%[[A]], %{{.*}}, %{{.*}}, %[[B]], %[[THREAD]], %[[THREADS]])
//  CHECK-NEXT: kernel.barrier
//  CHECK-NEXT: call @[[OTHER:kernel_rms_norm_3]](%[[B]],
//  CHECK-NEXT: return
//       CHECK: func.func private @[[NORM]](%[[X:.+]]: memref<?x32xf32>, %[[GAIN:.+]]: memref<32xf32>, %[[A:.+]]: memref<?x32xf32>, %{{.*}}: index, %{{.*}}: index) attributes {no_inline, passthrough = ["no-builtins"]}
//  CHECK-NEXT: kernel.rms_norm %[[X]], %[[GAIN]] into %[[A]] {eps = 1.000000e-05 : f64}
//  CHECK-NEXT: return
//       CHECK: func.func private @[[NEGATE]](
//  CHECK-NEXT: linalg.generic
//       CHECK: func.func private @[[MATMUL]](
//  CHECK-NEXT: kernel.matmul_float
//       CHECK: func.func private @[[OTHER]](
//  CHECK-NEXT: kernel.rms_norm {{.*}} {eps = 2.500000e-01 : f64}
func.func @barriers(%x: memref<?x32xf32>, %gain: memref<32xf32>, %weights: memref<?xi8>, %offset: index, %a: memref<?x32xf32>, %b: memref<?x32xf32>) {
  kernel.rms_norm %x, %gain into %a {eps = 1.0e-5} : memref<?x32xf32>, memref<32xf32>, memref<?x32xf32>
  kernel.rms_norm %a, %gain into %b {eps = 1.0e-5} : memref<?x32xf32>, memref<32xf32>, memref<?x32xf32>
  linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]} ins(%b : memref<?x32xf32>) outs(%a : memref<?x32xf32>) {
  ^bb0(%in: f32, %out: f32):
    %0 = arith.negf %in : f32
    linalg.yield %0 : f32
  }
  kernel.matmul_float %a, %weights[%offset] into %b {type = !qt.tensor<32x32xf32, #qt.float<f16>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x32xf32>
  kernel.rms_norm %b, %gain into %a {eps = 0.25} : memref<?x32xf32>, memref<32xf32>, memref<?x32xf32>
  return
}

// -----

// Reading what only is read needs no barrier, and buffers that do not touch each
// other neither: two stretches of the workspace, from byte 0 and 1024.
// CHECK-LABEL: func.func @independent(
//   CHECK-NOT: kernel.barrier
//       CHECK: return
func.func @independent(%x: memref<?x32xf32>, %weights: memref<?xi8>, %workspace: memref<?xi8>, %rows: index) attributes {kernel.batch = 8 : i64} {
  %c0 = arith.constant 0 : index
  %c1024 = arith.constant 1024 : index
  %a = memref.view %workspace[%c0][%rows] : memref<?xi8> to memref<?x32xf32>
  %b = memref.view %workspace[%c1024][%rows] : memref<?xi8> to memref<?x32xf32>
  kernel.matmul_float %x, %weights[%c0] into %a {type = !qt.tensor<32x32xf32, #qt.float<f16>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x32xf32>
  kernel.matmul_float %x, %weights[%c0] into %b {type = !qt.tensor<32x32xf32, #qt.float<f16>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x32xf32>
  return
}

// -----

// 16 rows of 128 bytes are 2048: the second buffer begins inside the first.
// CHECK-LABEL: func.func @overlapping(
//       CHECK: call @kernel_matmul_float_0
//       CHECK: kernel.barrier
//       CHECK: call @kernel_matmul_float_0
func.func @overlapping(%x: memref<?x32xf32>, %weights: memref<?xi8>, %workspace: memref<?xi8>, %rows: index) attributes {kernel.batch = 16 : i64} {
  %c0 = arith.constant 0 : index
  %c1024 = arith.constant 1024 : index
  %a = memref.view %workspace[%c0][%rows] : memref<?xi8> to memref<?x32xf32>
  %b = memref.view %workspace[%c1024][%rows] : memref<?xi8> to memref<?x32xf32>
  kernel.matmul_float %x, %weights[%c0] into %a {type = !qt.tensor<32x32xf32, #qt.float<f16>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x32xf32>
  kernel.matmul_float %x, %weights[%c0] into %b {type = !qt.tensor<32x32xf32, #qt.float<f16>>} : memref<?x32xf32>, memref<?xi8>, index, memref<?x32xf32>
  return
}

// -----

// A slice's row 0 is another row of the buffer: the last tokens are read by a thread
// that did not make them.
// CHECK-LABEL: func.func @other_rows(
//       CHECK: call @kernel_rms_norm
//       CHECK: kernel.barrier
//       CHECK: call @kernel_rms_norm
func.func @other_rows(%x: memref<8x32xf32>, %gain: memref<32xf32>, %a: memref<8x32xf32>, %b: memref<2x32xf32>) {
  kernel.rms_norm %x, %gain into %a {eps = 1.0e-5} : memref<8x32xf32>, memref<32xf32>, memref<8x32xf32>
  %last = memref.subview %a[6, 0] [2, 32] [1, 1] : memref<8x32xf32> to memref<2x32xf32, strided<[32, 1], offset: 192>>
  kernel.rms_norm %last, %gain into %b {eps = 1.0e-5} : memref<2x32xf32, strided<[32, 1], offset: 192>>, memref<32xf32>, memref<2x32xf32>
  return
}

// -----

#all = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#mask = affine_map<(d0, d1, d2) -> (d1, d2)>
// All rows read the mask that the threads have just made row by row.
// CHECK-LABEL: func.func @row_that_all_share(
//       CHECK: call @kernel_rms_norm
//       CHECK: kernel.barrier
//       CHECK: call @linalg_generic
func.func @row_that_all_share(%x: memref<4x8xf32>, %gain: memref<8xf32>, %mask: memref<4x8xf32>, %scores: memref<2x4x8xf32>) {
  kernel.rms_norm %x, %gain into %mask {eps = 1.0e-5} : memref<4x8xf32>, memref<8xf32>, memref<4x8xf32>
  linalg.generic {indexing_maps = [#mask, #all], iterator_types = ["parallel", "parallel", "parallel"]} ins(%mask : memref<4x8xf32>) outs(%scores : memref<2x4x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    linalg.yield %in : f32
  }
  return
}

// -----

// Two buffers take turns in one stretch of the workspace, one with a row for each
// token, one for each output: threads share 8 rows differently than 1.
// CHECK-LABEL: func.func @other_number_of_rows(
//       CHECK: call @kernel_rms_norm
//       CHECK: kernel.barrier
//       CHECK: call @kernel_rms_norm
func.func @other_number_of_rows(%x: memref<?x32xf32>, %y: memref<?x32xf32>, %gain: memref<32xf32>, %out: memref<?x32xf32>, %workspace: memref<?xi8>, %tokens: index, %outputs: index) attributes {kernel.batch = 16 : i64} {
  %c0 = arith.constant 0 : index
  %a = memref.view %workspace[%c0][%tokens] : memref<?xi8> to memref<?x32xf32>
  kernel.rms_norm %a, %gain into %out {eps = 1.0e-5} : memref<?x32xf32>, memref<32xf32>, memref<?x32xf32>
  %b = memref.view %workspace[%c0][%outputs] : memref<?xi8> to memref<?x32xf32>
  kernel.rms_norm %y, %gain into %b {eps = 1.0e-5} : memref<?x32xf32>, memref<32xf32>, memref<?x32xf32>
  return
}

// The same number of rows, asked for twice: no barrier.
// CHECK-LABEL: func.func @same_number_of_rows(
//   CHECK-NOT: kernel.barrier
//       CHECK: return
func.func @same_number_of_rows(%x: memref<?x32xf32>, %gain: memref<32xf32>, %out: memref<?x32xf32>, %workspace: memref<?xi8>) attributes {kernel.batch = 16 : i64} {
  %c0 = arith.constant 0 : index
  %rows = memref.dim %x, %c0 : memref<?x32xf32>
  %a = memref.view %workspace[%c0][%rows] : memref<?xi8> to memref<?x32xf32>
  kernel.rms_norm %a, %gain into %out {eps = 1.0e-5} : memref<?x32xf32>, memref<32xf32>, memref<?x32xf32>
  %again = memref.dim %x, %c0 : memref<?x32xf32>
  %b = memref.view %workspace[%c0][%again] : memref<?xi8> to memref<?x32xf32>
  kernel.rms_norm %x, %gain into %b {eps = 1.0e-5} : memref<?x32xf32>, memref<32xf32>, memref<?x32xf32>
  return
}

// -----

// Indices in the workspace are 8 bytes: the second buffer begins at the first's end.
#id = affine_map<(d0) -> (d0)>
// CHECK-LABEL: func.func @indices(
//   CHECK-NOT: kernel.barrier
//       CHECK: return
func.func @indices(%workspace: memref<?xi8>) {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %a = memref.view %workspace[%c0][] : memref<?xi8> to memref<8xindex>
  %b = memref.view %workspace[%c64][] : memref<?xi8> to memref<8xindex>
  linalg.fill ins(%c0 : index) outs(%a : memref<8xindex>)
  linalg.fill ins(%c64 : index) outs(%b : memref<8xindex>)
  return
}

// -----

// A copy is work for all threads. What else writes memory is thread 0's, and a
// scalar that is read is every thread's.
// CHECK-LABEL: func.func @no_kernels(
//  CHECK-SAME: %[[THREAD:[a-z0-9]+]]: index {kernel.role = "thread_id"}
//   CHECK-NOT: memref.copy
//       CHECK: call @linalg_generic_0
//       CHECK: kernel.barrier
//       CHECK: %[[V:.+]] = memref.load
//       CHECK: kernel.barrier
//       CHECK: call @memref_store_1(%[[V]], %{{.+}}, %{{.+}}, %[[THREAD]], %{{.+}})
//  CHECK-NEXT: return
func.func @no_kernels(%x: memref<8xf32>, %y: memref<8xf32>) {
  %c0 = arith.constant 0 : index
  memref.copy %x, %y : memref<8xf32> to memref<8xf32>
  %v = memref.load %y[%c0] : memref<8xf32>
  memref.store %v, %y[%c0] : memref<8xf32>
  return
}

// A constant from outside is made again inside the kernel's function. Private
// functions and declarations are not programs for all threads: left alone.
// CHECK-LABEL: func.func @captured_constant(
//   CHECK-DAG: func.func private @helper(%{{.*}}: index) {
//   CHECK-DAG: func.func private @declared(index)
//       CHECK: func.func private @memref_store_1(%[[STORED:.+]]: f32, %[[Y:.+]]: memref<8xf32>, %[[I:.+]]: index, %[[OWN:.+]]: index, %{{.+}}: index)
//       CHECK: %[[FIRST:.+]] = arith.cmpi eq, %[[OWN]], %{{.*}} : index
//  CHECK-NEXT: scf.if %[[FIRST]] {
//  CHECK-NEXT: memref.store %[[STORED]], %[[Y]][%[[I]]]
//  CHECK-NEXT: }
//  CHECK-NEXT: return
//       CHECK: func.func private @linalg_generic_2(
//       CHECK: ^bb0
//  CHECK-NEXT: %[[ONE:.+]] = arith.constant 1.000000e+00 : f32
//  CHECK-NEXT: arith.addf %{{.*}}, %[[ONE]]
func.func @captured_constant(%x: memref<8xf32>) {
  %one = arith.constant 1.0 : f32
  linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} outs(%x : memref<8xf32>) {
  ^bb0(%out: f32):
    %0 = arith.addf %out, %one : f32
    linalg.yield %0 : f32
  }
  return
}
func.func private @helper(%i: index) {
  return
}
func.func private @declared(index)

// -----

// A size that the body reads is passed like an operand.
// CHECK-LABEL: func.func @captured_size(
//  CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?xi64>
//       CHECK: %[[SIZE:.+]] = memref.dim %[[X]]
//       CHECK: call @[[KERNEL:linalg_generic_[0-9]+]](%[[X]], %[[SIZE]], %{{.*}}, %{{.*}}) : (memref<?xi64>, index, index, index) -> ()
//       CHECK: func.func private @[[KERNEL]](%{{.*}}: memref<?xi64>, %[[GIVEN:.+]]: index, %{{.*}}: index, %{{.*}}: index)
//       CHECK: arith.index_cast %[[GIVEN]]
func.func @captured_size(%x: memref<?xi64>) {
  %c0 = arith.constant 0 : index
  %size = memref.dim %x, %c0 : memref<?xi64>
  linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} outs(%x : memref<?xi64>) {
  ^bb0(%out: i64):
    %0 = arith.index_cast %size : index to i64
    %1 = arith.addi %out, %0 : i64
    linalg.yield %1 : i64
  }
  return
}

// -----

#rows = affine_map<(d0, d1) -> (d0, d1)>

// Loops that are alike share a function, as kernels do, but not if one of them
// writes over what it reads: it would do so for all.
// CHECK-LABEL: func.func @alike(
//       CHECK: call @linalg_generic_0(%{{.+}}, %{{.+}},
//       CHECK: call @linalg_generic_0(
//       CHECK: call @linalg_generic_1(
//       CHECK: func.func private @linalg_generic_0(
//       CHECK: func.func private @linalg_generic_1(
//   CHECK-NOT: func.func
func.func @alike(%x: memref<?x32xf32>, %y: memref<?x32xf32>) {
  linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]} ins(%x : memref<?x32xf32>) outs(%y : memref<?x32xf32>) {
  ^bb0(%in: f32, %out: f32):
    %0 = arith.negf %in : f32
    linalg.yield %0 : f32
  }
  linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]} ins(%y : memref<?x32xf32>) outs(%x : memref<?x32xf32>) {
  ^bb0(%in: f32, %out: f32):
    %0 = arith.negf %in : f32
    linalg.yield %0 : f32
  }
  linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]} ins(%x : memref<?x32xf32>) outs(%x : memref<?x32xf32>) {
  ^bb0(%in: f32, %out: f32):
    %0 = arith.negf %in : f32
    linalg.yield %0 : f32
  }
  return
}

// -----

#row = affine_map<(d0, d1) -> (d0, d1)>
#column = affine_map<(d0, d1) -> (d1)>

// A buffer that a body loads from is an argument like the operands, so that equal
// bodies share a function, and may be read in any row: the threads wait.
// CHECK-LABEL: func.func @sorted_columns(
//  CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?x32xf32>, %[[GAIN:[a-z0-9]+]]: memref<32xf32>, %[[PLACES:[a-z0-9]+]]: memref<32xi32>, %[[A:[a-z0-9]+]]: memref<?x32xf32>, %[[B:[a-z0-9]+]]: memref<?x32xf32>,
//       CHECK: call @kernel_rms_norm_0(%[[X]], %[[GAIN]], %[[A]],
//  CHECK-NEXT: kernel.barrier
//  CHECK-NEXT: call @[[SORT:linalg_generic_1]](%[[PLACES]], %[[B]], %[[A]],
//  CHECK-NEXT: kernel.barrier
//  CHECK-NEXT: call @[[SORT]](%[[PLACES]], %[[A]], %[[B]],
//  CHECK-NEXT: return
//       CHECK: func.func private @[[SORT]](%[[PLACES:.+]]: memref<32xi32>, %[[TO:.+]]: memref<?x32xf32>, %[[FROM:.+]]: memref<?x32xf32>, %{{.*}}: index, %{{.*}}: index)
//       CHECK: ins(%[[PLACES]] : memref<32xi32>) outs(%[[TO]] : memref<?x32xf32>)
//       CHECK: memref.load %[[FROM]][
func.func @sorted_columns(%x: memref<?x32xf32>, %gain: memref<32xf32>, %places: memref<32xi32>, %a: memref<?x32xf32>, %b: memref<?x32xf32>) {
  kernel.rms_norm %x, %gain into %a {eps = 1.0e-5} : memref<?x32xf32>, memref<32xf32>, memref<?x32xf32>
  linalg.generic {indexing_maps = [#column, #row], iterator_types = ["parallel", "parallel"]} ins(%places : memref<32xi32>) outs(%b : memref<?x32xf32>) {
  ^bb0(%place: i32, %out: f32):
    %row = linalg.index 0 : index
    %column = arith.index_cast %place : i32 to index
    %0 = memref.load %a[%row, %column] : memref<?x32xf32>
    linalg.yield %0 : f32
  }
  linalg.generic {indexing_maps = [#column, #row], iterator_types = ["parallel", "parallel"]} ins(%places : memref<32xi32>) outs(%a : memref<?x32xf32>) {
  ^bb0(%place: i32, %out: f32):
    %row = linalg.index 0 : index
    %column = arith.index_cast %place : i32 to index
    %0 = memref.load %b[%row, %column] : memref<?x32xf32>
    linalg.yield %0 : f32
  }
  return
}

// -----

// Loops that are alike share a function, which is given what they use from
// outside.
// CHECK-LABEL: func.func @loops(
//       CHECK: call @scf_for_0(%{{.+}}, %{{.+}}, %[[STEP:.+]], %[[X:.+]], %{{.+}}, %{{.+}}) : (index, index, index, memref<?xf32>, index, index) -> ()
//       CHECK: kernel.barrier
//       CHECK: call @scf_for_0(%{{.+}}, %{{.+}}, %[[STEP]], %[[X]],
//       CHECK: func.func private @scf_for_0(
//   CHECK-NOT: func.func private
func.func @loops(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %two = arith.constant 2.0 : f32
  %n = memref.dim %x, %c0 : memref<?xf32>
  scf.for %i = %c1 to %n step %c1 {
    %before = arith.subi %i, %c1 : index
    %a = memref.load %x[%before] : memref<?xf32>
    %b = arith.mulf %a, %two : f32
    memref.store %b, %x[%i] : memref<?xf32>
  }
  scf.for %i = %c1 to %n step %c1 {
    %before = arith.subi %i, %c1 : index
    %a = memref.load %x[%before] : memref<?xf32>
    %b = arith.mulf %a, %two : f32
    memref.store %b, %x[%i] : memref<?xf32>
  }
  return
}
