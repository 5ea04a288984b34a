// RUN: quant-opt %s --cpu-expand=target=cpu:x86-64-v4+vnni --canonicalize --cse --split-input-file | FileCheck %s

// One row at a time of 4-bit weights, a panel of 16 rows with one group of 32: 8 words
// of activations meet 4 registers of 16 x 4 bytes, each with two words of codes, the
// second in the high halves of the bytes. Codes are unsigned, 8 too large: sums start
// at -8 * the sum of the activation's codes. 256 bytes of codes and 16 scales of f16
// make panels of 288 bytes.
// CHECK-LABEL: func.func @four_bits(
//  CHECK-SAME: %[[CODES:[a-z0-9]+]]: memref<?x8xi32>, %[[SCALES:[a-z0-9]+]]: memref<?x1xf32>, %[[SUMS:[a-z0-9]+]]: memref<?x1xi32>, %[[WEIGHTS:[a-z0-9]+]]: memref<?xi8>, %[[OFFSET:[a-z0-9]+]]: index, %[[OUT:[a-z0-9]+]]: memref<?x48xf32>, %[[THREAD:[a-z0-9]+]]: index, %[[THREADS:[a-z0-9]+]]: index)
//   CHECK-DAG: %[[C1:.+]] = arith.constant 1 : index
//   CHECK-DAG: %[[C3:.+]] = arith.constant 3 : index
//   CHECK-DAG: %[[C288:.+]] = arith.constant 288 : index
//   CHECK-DAG: %[[MINUS8:.+]] = arith.constant -8 : i32
//   CHECK-DAG: %[[LOW:.+]] = arith.constant dense<15> : vector<64xi8>
//   CHECK-DAG: %[[SHIFT:.+]] = arith.constant dense<4> : vector<32xi16>
// This thread's share of 3 panels.
//       CHECK: %[[PART:.+]] = arith.muli %[[THREAD]], %[[C3]]
//       CHECK: %[[BEGIN:.+]] = arith.divui %[[PART]], %[[THREADS]]
//       CHECK: %[[END:.+]] = arith.divui %{{.*}}, %[[THREADS]]
//       CHECK: scf.for %[[PANEL:.+]] = %[[BEGIN]] to %[[END]] step %[[C1]] {
//       CHECK: %[[SKIP:.+]] = arith.muli %[[PANEL]], %[[C288]]
//       CHECK: %[[AT:.+]] = arith.addi %[[OFFSET]], %[[SKIP]]
//       CHECK: scf.for %[[ROW:.+]] =
//       CHECK: %[[SUM:.+]] = memref.load %[[SUMS]][%[[ROW]],
//       CHECK: %[[START:.+]] = arith.muli %[[SUM]], %[[MINUS8]] : i32
//       CHECK: %[[ACC0:.+]] = vector.broadcast %[[START]] : i32 to vector<16xi32>
//       CHECK: %[[RAW:.+]] = vector.load %[[WEIGHTS]][%[[AT]]] : memref<?xi8>, vector<64xi8>
//       CHECK: %[[W0:.+]] = arith.andi %[[RAW]], %[[LOW]]
//       CHECK: %[[X0:.+]] = memref.load %[[CODES]][%[[ROW]],
//       CHECK: %[[X0S:.+]] = vector.broadcast %[[X0]] : i32 to vector<16xi32>
//       CHECK: %[[X0B:.+]] = vector.bitcast %[[X0S]] : vector<16xi32> to vector<64xi8>
//       CHECK: %[[ACC1:.+]] = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%[[ACC0]], %[[W0]], %[[X0B]])
//       CHECK: %[[PAIRS:.+]] = vector.bitcast %[[RAW]] : vector<64xi8> to vector<32xi16>
//       CHECK: %[[HIGH:.+]] = arith.shrui %[[PAIRS]], %[[SHIFT]]
//       CHECK: %[[BYTES:.+]] = vector.bitcast %[[HIGH]]
//       CHECK: %[[W1:.+]] = arith.andi %[[BYTES]], %[[LOW]]
//       CHECK: %{{.+}} = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%[[ACC1]], %[[W1]],
// CHECK-COUNT-6: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
//   CHECK-NOT: llvm.call_intrinsic
//       CHECK: arith.sitofp
//       CHECK: vector.fma
//       CHECK: memref.load %[[SCALES]]
//       CHECK: vector.store %{{.*}}, %[[OUT]][%[[ROW]], %{{.*}}] : memref<?x48xf32>, vector<16xf32>
func.func @four_bits(%codes: memref<?x8xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x48xf32>, %thread: index, %threads: index) {
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 32, rows = 1, type = !qt.tensor<48x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?x8xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x48xf32>
  return
}

// -----

// Six bits are a plane of 4 and a plane of 2. Its bits go straight to their place in the
// code: words 0 and 1 up, word 2 as they lie, word 3 down.
// CHECK-LABEL: func.func @six_bits(
//   CHECK-DAG: %[[LOW:.+]] = arith.constant dense<15> : vector<64xi8>
//   CHECK-DAG: %[[HIGH:.+]] = arith.constant dense<48> : vector<64xi8>
//   CHECK-DAG: %[[UP:.+]] = arith.constant dense<4> : vector<32xi16>
//       CHECK: %[[NIBBLES:.+]] = arith.andi %{{.*}}, %[[LOW]]
//       CHECK: %[[RAW:.+]] = vector.load
//       CHECK: %[[PAIRS:.+]] = vector.bitcast %[[RAW]] : vector<64xi8> to vector<32xi16>
//       CHECK: %[[SHIFTED:.+]] = arith.shli %[[PAIRS]], %[[UP]]
//       CHECK: %[[BYTES:.+]] = vector.bitcast %[[SHIFTED]]
//       CHECK: %[[TOPS:.+]] = arith.andi %[[BYTES]], %[[HIGH]]
//       CHECK: arith.ori %[[NIBBLES]], %[[TOPS]] : vector<64xi8>
//       CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
//       CHECK: arith.shli
//       CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
//   CHECK-NOT: arith.sh
//       CHECK: arith.andi %[[RAW]], %[[HIGH]]
//       CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
//       CHECK: arith.shrui
func.func @six_bits(%codes: memref<?x8xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 32, rows = 1, type = !qt.tensor<16x32xf32, #qt.int<6, channel>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?x8xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

// Zero points: codes count from 0, and what the minimum adds is the activation's sum
// times it. No offset to start from.
// CHECK-LABEL: func.func @minimums(
//  CHECK-SAME: %{{[a-z0-9]+}}: memref<?x8xi32>, %[[SCALES:[a-z0-9]+]]: memref<?x2xf32>, %[[SUMS:[a-z0-9]+]]: memref<?x2xi32>
//       CHECK: scf.for {{.*}} iter_args
//       CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%cst{{.*}},
//       CHECK: memref.load %[[SCALES]]
//       CHECK: %[[SUM:.+]] = memref.load %[[SUMS]]
//       CHECK: %[[FLOAT:.+]] = arith.sitofp %[[SUM]] : i32 to f32
//       CHECK: %[[TIMES:.+]] = arith.mulf %[[FLOAT]],
//       CHECK: %[[MINIMUM:.+]] = vector.broadcast %[[TIMES]]
//       CHECK: vector.fma
//       CHECK: vector.fma %{{.*}}, %[[MINIMUM]],
//       CHECK: scf.yield
func.func @minimums(%codes: memref<?x8xi32>, %scales: memref<?x2xf32>, %sums: memref<?x2xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 16, rows = 1, type = !qt.tensor<16x32xf32, #qt.int<4, group = 16, zero = i4>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 16>>} : memref<?x8xi32>, memref<?x2xf32>, memref<?x2xi32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

// 20 columns in panels of 16: the second is masked, where bias and residual are read
// and where the result is written. Bias and residual are added last.
// CHECK-LABEL: func.func @ragged(
//  CHECK-SAME: %[[BIAS:[a-z0-9]+]]: memref<20xf32>, %[[OUT:[a-z0-9]+]]: memref<?x20xf32>
//   CHECK-DAG: %[[C20:.+]] = arith.constant 20 : index
//       CHECK: vector.fma
//       CHECK: %[[LEFT:.+]] = arith.subi %[[C20]],
//       CHECK: %[[MASK:.+]] = vector.create_mask %[[LEFT]] : vector<16xi1>
//       CHECK: %[[B:.+]] = vector.maskedload %[[BIAS]][%{{.*}}], %[[MASK]]
//       CHECK: %[[Y:.+]] = arith.addf %{{.*}}, %[[B]]
//       CHECK: %[[R:.+]] = vector.maskedload %[[OUT]]{{.*}}, %[[MASK]]
//       CHECK: %[[Z:.+]] = arith.addf %[[Y]], %[[R]]
//       CHECK: vector.maskedstore %[[OUT]]{{.*}}, %[[MASK]], %[[Z]]
func.func @ragged(%x: memref<?x8xf32>, %weights: memref<?xi8>, %offset: index, %bias: memref<20xf32>, %out: memref<?x20xf32>, %thread: index, %threads: index) {
  kernel.matmul_float %x, %weights[%offset] bias %bias residual %out into %out {rows = 1, type = !qt.tensor<20x8xf32, #qt.float<f32>, #qt.panels<lanes = 16, vectors = 1, depth = 1, group = 8>>} : memref<?x8xf32>, memref<?xi8>, index, memref<20xf32>, memref<?x20xf32>, memref<?x20xf32>
  return
}

// -----

// 4 rows at a time, then 2, then 1. A step of K = 8 is 4 values long; each weight is
// widened once and meets every row of the tile. Rows have 2 sums each, then 4, that
// are added up at the end.
// CHECK-LABEL: func.func @tiles(
//       CHECK: scf.for %{{.*}} iter_args({{.*}}) -> ({{(vector<16xf32>(, )?){8}\)}} {
// CHECK-COUNT-4: arith.extf {{.*}} : vector<16xf16> to vector<16xf32>
//       CHECK: vector.fma
//       CHECK: scf.yield
// CHECK-COUNT-4: arith.addf {{.*}} : vector<16xf32>
// CHECK-COUNT-4: vector.store
//       CHECK: scf.for %{{.*}} iter_args({{.*}}) -> ({{(vector<16xf32>(, )?){8}\)}} {
// CHECK-COUNT-6: arith.addf {{.*}} : vector<16xf32>
// CHECK-COUNT-2: vector.store
//       CHECK: scf.for %{{.*}} iter_args({{.*}}) -> ({{(vector<16xf32>(, )?){4}\)}} {
// CHECK-COUNT-3: arith.addf {{.*}} : vector<16xf32>
//       CHECK: vector.store
//   CHECK-NOT: vector.store
//       CHECK: return
func.func @tiles(%x: memref<?x8xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  kernel.matmul_float %x, %weights[%offset] into %out {rows = 4, type = !qt.tensor<16x8xf32, #qt.float<f16>, #qt.panels<lanes = 16, vectors = 1, depth = 1, group = 8>>} : memref<?x8xf32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

// One row: four sums for each group of 8, and its scale once, behind them.
// CHECK-LABEL: func.func @group_scales(
//       CHECK: scf.for %{{.*}} iter_args(%[[SUM:.+]] = %{{.*}}) -> (vector<16xf32>) {
// CHECK-COUNT-8: vector.fma
//   CHECK-NOT: arith.mulf
// CHECK-COUNT-3: %[[GROUP:.+]] = arith.addf
//       CHECK: vector.fma %[[GROUP]], %{{.*}}, %[[SUM]] : vector<16xf32>
//       CHECK: scf.yield
// 12 rows share each scaled number.
// CHECK-LABEL: func.func @scaled_numbers(
//       CHECK: arith.mulf {{.*}} : vector<16xf32>
//       CHECK: vector.fma
func.func @group_scales(%x: memref<?x16xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  kernel.matmul_float %x, %weights[%offset] into %out {rows = 1, type = !qt.tensor<16x16xf32, #qt.codebook<nf4, group = 8>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 8>>} : memref<?x16xf32>, memref<?xi8>, index, memref<?x16xf32>
  return
}
func.func @scaled_numbers(%x: memref<?x16xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>, %thread: index, %threads: index) {
  kernel.matmul_float %x, %weights[%offset] into %out {rows = 12, type = !qt.tensor<16x16xf32, #qt.codebook<nf4, group = 8>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 8>>} : memref<?x16xf32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

// Each of 2 weights of 2 panels meets its own rows, if there are any.
// CHECK-LABEL: func.func @experts(
//  CHECK-SAME: %[[OFFSET:[a-z0-9]+]]: index, %[[EXPERTS:[a-z0-9]+]]: memref<3xi32>
//       CHECK: scf.for %[[E:.+]] = %{{.*}} to %{{.*}} step
//       CHECK: %[[FIRST:.+]] = memref.load %[[EXPERTS]][%[[E]]]
//       CHECK: %[[BEGIN:.+]] = arith.index_cast %[[FIRST]]
//       CHECK: %[[NEXT:.+]] = arith.addi %[[E]], %{{.*}} : index
//       CHECK: %[[LAST:.+]] = memref.load %[[EXPERTS]][%[[NEXT]]]
//       CHECK: %[[END:.+]] = arith.index_cast %[[LAST]]
//       CHECK: %[[ANY:.+]] = arith.cmpi ult, %[[BEGIN]], %[[END]]
//       CHECK: scf.if %[[ANY]] {
//       CHECK: %[[SKIP:.+]] = arith.muli %[[E]], %{{.*}}
//       CHECK: arith.addi %[[OFFSET]], %[[SKIP]]
//       CHECK: arith.subi %[[END]], %[[BEGIN]]
func.func @experts(%x: memref<?x8xf32>, %weights: memref<?xi8>, %offset: index, %experts: memref<3xi32>, %out: memref<?x32xf32>, %thread: index, %threads: index) {
  kernel.matmul_float %x, %weights[%offset] experts %experts into %out {rows = 4, type = !qt.tensor<32x8xf32, #qt.float<f16>, #qt.panels<lanes = 16, vectors = 1, depth = 1, group = 8>>} : memref<?x8xf32>, memref<?xi8>, index, memref<3xi32>, memref<?x32xf32>
  return
}
