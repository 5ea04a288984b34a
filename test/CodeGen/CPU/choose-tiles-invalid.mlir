// RUN: quant-opt %s --cpu-choose-tiles=target=cpu:x86-64-v3 --split-input-file --verify-diagnostics
// RUN: not quant-opt --cpu-choose-tiles=choices=%t.none /dev/null 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: echo "machine: {kernel: {rows: 65}}" > %t.65
// RUN: not quant-opt --cpu-choose-tiles=choices=%t.65 /dev/null 2>&1 | FileCheck %s --check-prefix=LARGE
// RUN: echo "machine: {kernel: {rows: 0}}" > %t.0
// RUN: not quant-opt --cpu-choose-tiles=choices=%t.0 /dev/null 2>&1 | FileCheck %s --check-prefix=ZERO
// RUN: echo "machine: {kernel: {gain: 2}}" > %t.gain
// RUN: not quant-opt --cpu-choose-tiles=choices=%t.gain /dev/null 2>&1 | FileCheck %s --check-prefix=ROWS
// RUN: echo "machine: {kernel: 8}" > %t.8
// RUN: not quant-opt --cpu-choose-tiles=choices=%t.8 /dev/null 2>&1 | FileCheck %s --check-prefix=NUMBER
// RUN: echo "machine: {kernel: {rows: 8, columns: 2}}" > %t.key
// RUN: not quant-opt --cpu-choose-tiles=choices=%t.key /dev/null 2>&1 | FileCheck %s --check-prefix=KEY
// RUN: echo "{machine: [" > %t.open
// RUN: not quant-opt --cpu-choose-tiles=choices=%t.open /dev/null 2>&1 | FileCheck %s --check-prefix=OPEN

// NONE: .none: No such file or directory
// LARGE: .65:1: a tile has at most 64 rows, not 65
// ZERO: .0:1: expected a positive number, not '0'
// ROWS: .gain:1: a choice needs rows
// NUMBER: .8:1: a choice must be a mapping
// KEY: .key:1: unknown key 'columns'
// OPEN: .open:{{[0-9]+}}:

func.func @packed_for_another_target(%codes: memref<?x8xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x16xf32>) {
  // expected-error @below {{has a weight packed for panels of 4 rows, but registers of cpu:x86-64-v3 have 8 lanes (--cpu-pack for the same target)}}
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 32, type = !qt.tensor<16x32xf32, #qt.q8_0, #qt.panels<lanes = 4, vectors = 1, depth = 4, group = 32>>} : memref<?x8xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x16xf32>
  return
}

// -----

func.func @too_many_rows(%x: memref<?x64xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x64xf32>) {
  // expected-error @below {{attribute 'rows' failed to satisfy constraint}}
  kernel.matmul_float %x, %weights[%offset] into %out {rows = 65, type = !qt.tensor<64x64xf32, #qt.float<f32>, #qt.panels<lanes = 16, vectors = 2, depth = 1, group = 64>>} : memref<?x64xf32>, memref<?xi8>, index, memref<?x64xf32>
  return
}
