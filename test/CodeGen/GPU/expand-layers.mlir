// RUN: quant-opt %s --gpu-expand=target=cuda:sm_80 --canonicalize --cse | FileCheck %s

// A block for each row; the mean square of 64 values is a sum of two warps.
// CHECK-LABEL: func.func @norm(
//  CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?x64xf32>
//       CHECK: %[[ROWS:.+]] = memref.dim %[[X]]
//       CHECK: gpu.launch_func @kernels::@norm_rows blocks in (%c1, %[[ROWS]], %c1) threads in (%c64, %c1, %c1)
func.func @norm(%x: memref<?x64xf32>, %gain: memref<64xf32>, %out: memref<?x64xf32>, %thread: index, %threads: index) {
  kernel.rms_norm %x, %gain into %out {eps = 1.0e-5 : f64} : memref<?x64xf32>, memref<64xf32>, memref<?x64xf32>
  return
}

// A row of a table: a panel has 16 rows.
// CHECK-LABEL: func.func @gather(
//       CHECK: gpu.launch_func @kernels::@gather_rows
func.func @gather(%ids: memref<?xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x64xf32>, %thread: index, %threads: index) {
  kernel.gather %ids, %weights[%offset] into %out {type = !qt.tensor<128x64xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?xi32>, memref<?xi8>, index, memref<?x64xf32>
  return
}

// A block for each head and row, four heads that share two of the cache; from 9
// rows on one for 32 of them and the two heads that have the same keys. Where a token is, and how
// many there is room for, are numbers.
// CHECK-LABEL: func.func @attend(
//  CHECK-SAME: %[[CACHE:[a-z0-9]+]]: memref<2x2x2x?x32xf16>, %[[LAYER:[a-z0-9]+]]: index, %[[POSITION:[a-z0-9]+]]: index
//       CHECK: %[[ROOM:.+]] = memref.dim %[[CACHE]]
//       CHECK: gpu.launch_func @kernels::@attend_heads blocks in (%c4, %[[ROWS:.+]], %c1) threads in (%c256, %c1, %c1) args({{.*}}, %[[POSITION]] : index, {{.*}}, %[[LAYER]] : index, %[[ROOM]] : index, %[[ROWS]] : index)
//       CHECK: } else {
//       CHECK: %[[BLOCKS:.+]] = arith.divui %{{.*}}, %c32
//       CHECK: gpu.launch_func @kernels::@attend_flash64x32 blocks in (%c2, %[[BLOCKS]], %c1) threads in (%c128, %c1, %c1) dynamic_shared_memory_size %c
func.func @attend(%query: memref<?x128xf32>, %cache: memref<2x2x2x?x32xf16>, %layer: index, %position: index, %out: memref<?x128xf32>, %thread: index, %threads: index) {
  kernel.attention %query, %cache[%layer] at %position into %out {gpu.forms = [{form = "heads", most = 8, tokens = 1, warps = 8}, {form = "flash", rows = 64, tokens = 32, warps = 4}], heads = 4, scale = 0.125 : f64, causal} : memref<?x128xf32>, memref<2x2x2x?x32xf16>, index, index, memref<?x128xf32>
  return
}

// Segments of many positions, 8 for each head; merged if there were as many.
// CHECK-LABEL: func.func @segments(
//  CHECK-SAME: x32xf16>, %{{[a-z0-9]+}}: index, %[[POSITION:[a-z0-9]+]]: index
//       CHECK: %[[SEEN:.+]] = arith.addi %[[POSITION]], %[[ROWS:.+]] overflow
//   CHECK-DAG: %[[FEW:.+]] = arith.cmpi ult, %[[ROWS]], %c5
//   CHECK-DAG: %[[LONG:.+]] = arith.cmpi ugt, %[[SEEN]], %c1023
//       CHECK: %[[SPLIT:.+]] = arith.andi %[[FEW]], %[[LONG]]
//       CHECK: scf.if %[[SPLIT]]
//       CHECK: gpu.launch_func @kernels::@segments_split blocks in (%c32, {{.*}}kernel.least_positions = 1024
//       CHECK: } else {
//       CHECK: gpu.launch_func @kernels::@segments_heads
// CHECK-LABEL: func.func @merge(
//       CHECK: scf.if
//       CHECK: scf.if
//   CHECK-NOT: else
//       CHECK: gpu.launch_func @kernels::@merge_segments blocks in (%c4, %{{.*}}, %c1) threads in (%c32
func.func @segments(%query: memref<?x128xf32>, %cache: memref<2x2x2x?x32xf16>, %layer: index, %position: index, %partials: memref<8x2x8x48xf32>, %out: memref<?x128xf32>, %thread: index, %threads: index) {
  kernel.attention %query, %cache[%layer] at %position partials %partials into %out {gpu.forms = [{form = "split", most = 4, positions = 1024, tokens = 1, warps = 8}, {form = "heads", tokens = 1, warps = 8}], heads = 4, scale = 0.125 : f64, causal} : memref<?x128xf32>, memref<2x2x2x?x32xf16>, index, index, memref<8x2x8x48xf32>, memref<?x128xf32>
  return
}
func.func @merge(%partials: memref<8x2x8x48xf32>, %position: index, %out: memref<?x128xf32>, %thread: index, %threads: index) {
  kernel.merge_attention %partials at %position into %out {gpu.forms = [{form = "segments", most = 4, positions = 1024, tokens = 1, warps = 8}], heads = 4} : memref<8x2x8x48xf32> into memref<?x128xf32>
  return
}

// Elements are counted, 1024 for a block, the last dimension fastest. Strides that
// are not known are numbers, too.
// CHECK-LABEL: func.func @add(
//       CHECK: %[[COUNT:.+]] = arith.muli %{{.*}}, %c96
//       CHECK: %[[BLOCKS:.+]] = arith.divui
//       CHECK: gpu.launch_func @kernels::@add_elements blocks in (%c1, %[[BLOCKS]], %c1) threads in (%c256, %c1, %c1) args({{.*}}, %[[COUNT]] : index)
func.func @add(%a: memref<?x96xf32, strided<[?, 1]>>, %b: memref<96xf32>, %out: memref<?x96xf32>, %thread: index, %threads: index) {
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%a, %b : memref<?x96xf32, strided<[?, 1]>>, memref<96xf32>) outs(%out : memref<?x96xf32>) {
  ^bb0(%x: f32, %y: f32, %z: f32):
    %e = math.exp %y : f32
    %sum = arith.addf %x, %e : f32
    linalg.yield %sum : f32
  }
  return
}

// A thread has a row, and a loop of its columns.
// CHECK-LABEL: func.func @sum(
//       CHECK: gpu.launch_func @kernels::@sum_elements
func.func @sum(%a: memref<?x96xf32>, %out: memref<?xf32>, %thread: index, %threads: index) {
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]} ins(%a : memref<?x96xf32>) outs(%out : memref<?xf32>) {
  ^bb0(%x: f32, %y: f32):
    %sum = arith.addf %x, %y : f32
    linalg.yield %sum : f32
  }
  return
}

// A number and a constant from outside of the body: one is given, the other made
// again.
// CHECK-LABEL: func.func @outside(
//  CHECK-SAME: %[[BY:[a-z0-9]+]]: f32
//       CHECK: gpu.launch_func @kernels::@outside_elements {{.*}} args({{.*}}%[[BY]] : f32
func.func @outside(%a: memref<?xf32>, %by: f32, %thread: index, %threads: index) {
  %half = arith.constant 0.5 : f32
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]} outs(%a : memref<?xf32>) {
  ^bb0(%x: f32):
    %scaled = arith.mulf %x, %by : f32
    %less = arith.mulf %scaled, %half : f32
    linalg.yield %less : f32
  }
  return
}

// One scale for all of a row of 256: the block's two warps find it together.
// CHECK-LABEL: func.func @round(
//       CHECK: gpu.launch_func @kernels::@round_rows blocks in (%c1, %{{.*}}, %c1) threads in (%c64, %c1, %c1)
func.func @round(%x: memref<?x256xf32>, %codes: memref<?x64xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %thread: index, %threads: index) {
  kernel.quantize %x into %codes, %scales, %sums {gpu.forms = [{form = "rows", tokens = 1, warps = 8}], group = 256, sumGroup = 256} : memref<?x256xf32>, memref<?x64xi32>, memref<?x1xf32>, memref<?x1xi32>
  return
}

// One scale for all rows: each block goes through all of them.
// CHECK-LABEL: func.func @small_floats(
func.func @small_floats(%x: memref<?x64xf32>, %out: memref<?x64xf32>, %thread: index, %threads: index) {
  kernel.round %x into %out {type = f8E4M3FN, group = 64, perTensor} : memref<?x64xf32>, memref<?x64xf32>
  return
}

// A thread has four columns of all rows, which are no blocks along y.
// CHECK-LABEL: func.func @split(
//       CHECK: gpu.launch_func @kernels::@split_columns blocks in (%c2, %c1, %c1) threads in (%c256, %c1, %c1)
func.func @split(%x: memref<?x2048xf32>, %in: memref<?x2048xf32>, %out: memref<?x2048xf32>, %columns: memref<512xi32>, %thread: index, %threads: index) {
  kernel.split_outliers %x into %in, %out, %columns {threshold = 6.0} : memref<?x2048xf32>, memref<?x2048xf32>, memref<?x2048xf32>, memref<512xi32>
  return
}

//       CHECK: gpu.func @norm_rows(
//       CHECK: llvm.call_intrinsic "llvm.nvvm.barrier.cta.sync.aligned.all"
//       CHECK: llvm.call_intrinsic "llvm.sqrt.f32"
//       CHECK: gpu.func @gather_rows(
//       CHECK: gpu.func @attend_heads(
// A share of the weights for each of a chunk's positions.
//       CHECK: llvm.call_intrinsic "llvm.nvvm.shfl.sync.idx.i32"
//       CHECK: llvm.store {{.*}} !llvm.ptr<3>
//       CHECK: gpu.func @add_elements(
// No call of a library.
//   CHECK-NOT: math.
//       CHECK: llvm.call_intrinsic "llvm.fma.f32"
//   CHECK-NOT: math.
//       CHECK: gpu.func @sum_elements(
//       CHECK: scf.for
//       CHECK: scf.for {{.*}} iter_args
//       CHECK: gpu.func @outside_elements(
//       CHECK: %[[HALF:.+]] = arith.constant 5.000000e-01 : f32
//       CHECK: arith.mulf %{{.*}}, %[[HALF]]
//       CHECK: gpu.func @round_rows(
//       CHECK: arith.maximumf
//       CHECK: llvm.call_intrinsic "llvm.nvvm.barrier.cta.sync.aligned.all"
//       CHECK: gpu.func @small_floats_rows(
//       CHECK: scf.for
//       CHECK: scf.for
//       CHECK: arith.maximumf
//       CHECK: gpu.func @split_columns(
//       CHECK: scf.for
//       CHECK: scf.for
