// RUN: quant-opt %s --cpu-expand=target=cpu:x86-64-v3 --canonicalize --split-input-file \
// RUN:   | grep -oE '@[a-z]+_bits|pmadd[.a-z]+' | uniq -c | FileCheck %s

// Without a dot product of bytes, products are added in pairs, in 16 bits. Eight words
// of codes up to 15 fit: 8 * 2 * 15 * 128 = 30720. So a group of 32 is widened once.
//      CHECK: @four_bits
// CHECK-NEXT: 8 pmadd.ub.sw
// CHECK-NEXT: 1 pmadd.wd
func.func @four_bits(%codes: memref<?x8xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x8xf32>, %thread: index, %threads: index) {
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 32, rows = 1, type = !qt.tensor<8x32xf32, #qt.q4_0, #qt.panels<lanes = 8, vectors = 1, depth = 4, group = 32>>} : memref<?x8xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x8xf32>
  return
}

// -----

// Four words of codes up to 31.
//      CHECK: @five_bits
// CHECK-NEXT: 4 pmadd.ub.sw
// CHECK-NEXT: 1 pmadd.wd
// CHECK-NEXT: 4 pmadd.ub.sw
// CHECK-NEXT: 1 pmadd.wd
func.func @five_bits(%codes: memref<?x8xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x8xf32>, %thread: index, %threads: index) {
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 32, rows = 1, type = !qt.tensor<8x32xf32, #qt.q5_0, #qt.panels<lanes = 8, vectors = 1, depth = 4, group = 32>>} : memref<?x8xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x8xf32>
  return
}

// -----

// Bytes with a sign: each word by itself.
//      CHECK: @eight_bits
// CHECK-NEXT: 1 pmadd.ub.sw
// CHECK-NEXT: 1 pmadd.wd
// CHECK-NEXT: 1 pmadd.ub.sw
func.func @eight_bits(%codes: memref<?x8xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x8xf32>, %thread: index, %threads: index) {
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 32, rows = 1, type = !qt.tensor<8x32xf32, #qt.q8_0, #qt.panels<lanes = 8, vectors = 1, depth = 4, group = 32>>} : memref<?x8xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x8xf32>
  return
}
