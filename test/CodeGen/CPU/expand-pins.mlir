// RUN: quant-opt %s --cpu-expand=target=cpu:x86-64-v3 --canonicalize \
// RUN:   | grep -oE '@[a-z]+_rows|pmadd.ub.sw|llvm.inline_asm .*' | uniq -c | FileCheck %s

// A word of all rows before the next one: its sums are pinned in registers, or LLVM would
// add up all words of a row first.
//      CHECK: @three_rows
// CHECK-NEXT: 3 pmadd.ub.sw
// CHECK-NEXT: 1 llvm.inline_asm has_side_effects "", "=v,=v,=v,0,1,2" %{{.*}} : (vector<16xi16>, vector<16xi16>, vector<16xi16>) -> !llvm.struct
// CHECK-NEXT: 3 pmadd.ub.sw
// CHECK-NEXT: 1 llvm.inline_asm
func.func @three_rows(%codes: memref<?x8xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x8xf32>, %thread: index, %threads: index) {
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 32, rows = 3, type = !qt.tensor<8x32xf32, #qt.q4_0, #qt.panels<lanes = 8, vectors = 1, depth = 4, group = 32>>} : memref<?x8xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x8xf32>
  return
}

// There are not as many registers: a tile of fifteen rows has its 8 words in any order, the
// one of eight that comes behind it has not.
//      CHECK: @fifteen_rows
// CHECK-NEXT: 128 pmadd.ub.sw
// CHECK-NEXT: 1 llvm.inline_asm
// CHECK-NEXT: 8 pmadd.ub.sw
func.func @fifteen_rows(%codes: memref<?x8xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x8xf32>, %thread: index, %threads: index) {
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 32, rows = 15, type = !qt.tensor<8x32xf32, #qt.q4_0, #qt.panels<lanes = 8, vectors = 1, depth = 4, group = 32>>} : memref<?x8xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x8xf32>
  return
}
