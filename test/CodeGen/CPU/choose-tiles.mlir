// RUN: quant-opt %s --cpu-choose-tiles=target=cpu:x86-64-v4+vnni | FileCheck %s --check-prefixes=CHECK,TABLE
// RUN: quant-opt %s --cpu-choose-tiles=target=cpu:x86-64-v3 | FileCheck %s --check-prefixes=CHECK,NARROW
// RUN: quant-opt %s --cpu-choose-tiles=target=cpu:x86-64-v4+amx | FileCheck %s --check-prefixes=CHECK,TILES

// A file that this machine has measured.
// RUN: llc --version | sed -n "s/^ *Host CPU: \(.*\)/'quant-mlir %version, \1, cpu:x86-64-v4+vnni':/p" > %t.yaml
// RUN: cat %S/Inputs/tiles.yaml >> %t.yaml
// RUN: quant-opt %s --cpu-choose-tiles="target=cpu:x86-64-v4+vnni choices=%t.yaml" | FileCheck %s --check-prefixes=CHECK,FILE
// RUN: quant-opt %s --cpu-choose-tiles="target=cpu:x86-64-v4+vnni choices=%t.yaml" --mlir-pass-statistics -o /dev/null 2>&1 | FileCheck %s --check-prefix=COUNT
// COUNT: (S) 2 measured

// What another CPU, another compiler, or code for another target has measured.
// RUN: echo "'quant-mlir %version, another, cpu:x86-64-v4+vnni':" > %t.other.yaml
// RUN: cat %S/Inputs/tiles.yaml >> %t.other.yaml
// RUN: quant-opt %s --cpu-choose-tiles="target=cpu:x86-64-v4+vnni choices=%t.other.yaml" | FileCheck %s --check-prefixes=CHECK,TABLE
// RUN: sed "s/quant-mlir %version/quant-mlir 0.0.1/" %t.yaml > %t.old.yaml
// RUN: quant-opt %s --cpu-choose-tiles="target=cpu:x86-64-v4+vnni choices=%t.old.yaml" | FileCheck %s --check-prefixes=CHECK,TABLE
// RUN: quant-opt %s --cpu-choose-tiles="target=cpu:x86-64-v4+amx choices=%t.yaml" | FileCheck %s --check-prefixes=CHECK,TILES

// Scales per group: a float for each sum.
// CHECK-LABEL: func.func @groups
//       TABLE: rows = 6
//      NARROW: rows = 2 :
//       TILES: rows = 6
//        FILE: rows = 8
func.func @groups(%codes: memref<?x16xi32>, %scales: memref<?x2xf32>, %sums: memref<?x2xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x64xf32>) {
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 32, type = !qt.tensor<64x64xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 2, depth = 4, group = 32>>} : memref<?x16xi32>, memref<?x2xf32>, memref<?x2xi32>, memref<?xi8>, index, memref<?x64xf32>
  return
}

// Eight bits with a scale a row can be multiplied in tiles of AMX.
// CHECK-LABEL: func.func @one_scale
//       TABLE: rows = 12
//      NARROW: rows = 2 :
//       TILES: rows = 16
//        FILE: rows = 12
func.func @one_scale(%codes: memref<?x16xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x64xf32>) {
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 64, type = !qt.tensor<64x64xf32, #qt.int<8, channel>, #qt.panels<lanes = 16, vectors = 2, depth = 4, group = 64>>} : memref<?x16xi32>, memref<?x1xf32>, memref<?x1xi32>, memref<?xi8>, index, memref<?x64xf32>
  return
}

// CHECK-LABEL: func.func @floats
//       TABLE: rows = 12
//      NARROW: rows = 3 :
//       TILES: rows = 12
//        FILE: rows = 9
func.func @floats(%x: memref<?x64xf32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x64xf32>) {
  kernel.matmul_float %x, %weights[%offset] into %out {type = !qt.tensor<64x64xf32, #qt.float<f32>, #qt.panels<lanes = 16, vectors = 2, depth = 1, group = 64>>} : memref<?x64xf32>, memref<?xi8>, index, memref<?x64xf32>
  return
}

// 32 pairs are two whole tiles, also of 8-bit floats, once those are decoded.
// CHECK-LABEL: func.func @pairs
//       TABLE: rows = 12
//      NARROW: rows = 2 :
//       TILES: rows = 16
//        FILE: rows = 12
//       TABLE: rows = 12
//      NARROW: rows = 2 :
//       TILES: rows = 16
//        FILE: rows = 12
func.func @pairs(%codes: memref<?x32xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x64xf32>) {
  kernel.matmul_bf16 %codes, %weights[%offset] into %out {group = 64, type = !qt.tensor<64x64xf32, #qt.float<bf16>, #qt.panels<lanes = 16, vectors = 2, depth = 2, group = 64>>} : memref<?x32xi32>, memref<?xi8>, index, memref<?x64xf32>
  kernel.matmul_bf16 %codes, %weights[%offset] into %out {group = 64, type = !qt.tensor<64x64xf32, #qt.float<f8E4M3FN, channel>, #qt.panels<lanes = 16, vectors = 2, depth = 2, group = 64>>} : memref<?x32xi32>, memref<?xi8>, index, memref<?x64xf32>
  return
}

// Somebody has chosen before.
// CHECK-LABEL: func.func @by_hand
//       CHECK: rows = 3
func.func @by_hand(%codes: memref<?x16xi32>, %scales: memref<?x2xf32>, %sums: memref<?x2xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x64xf32>) {
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 32, rows = 3, type = !qt.tensor<64x64xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 2, depth = 4, group = 32>>} : memref<?x16xi32>, memref<?x2xf32>, memref<?x2xi32>, memref<?xi8>, index, memref<?x64xf32>
  return
}
