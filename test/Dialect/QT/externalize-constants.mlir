// RUN: quant-opt %s --qt-externalize-constants='file=%t.safetensors min-bytes=16' | FileCheck %s
// RUN: %python %S/Inputs/print_safetensors.py %t.safetensors | FileCheck %s --check-prefix=FILE
// RUN: quant-opt %s --qt-externalize-constants=file=%t.weights.safetensors | FileCheck %s --check-prefix=WEIGHTS
// RUN: not quant-opt %s --qt-externalize-constants 2>&1 | FileCheck %s --check-prefix=NOFILE
// RUN: not quant-opt %s --qt-externalize-constants='file=%t.none/w.safetensors min-bytes=16' 2>&1 | FileCheck %s --check-prefix=NOPATH
// What was moved out can be read back.
// RUN: quant-opt %s --qt-externalize-constants='file=%t.back.safetensors min-bytes=20' --qt-materialize-weights | FileCheck %s --check-prefix=BACK

// NOFILE: error: --qt-externalize-constants needs the option file=PATH
// NOPATH: error: {{.*}}.none/w.safetensors

// In the order of the program. The name `taken` is a symbol already.
// CHECK-DAG: qt.weight @proj.weight : tensor<3x2xf32> in "{{.*}}.safetensors"
// CHECK-DAG: qt.weight @taken_0 : tensor<4xf32> in
// CHECK-DAG: qt.weight @constant : tensor<2x3xf32> in
// CHECK-DAG: qt.weight @constant_0 : tensor<2x3xf32> in
// CHECK-DAG: qt.weight @constant_1 : tensor<2x4xf16> in

// FILE:      proj.weight F32 [3, 2] [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
// FILE-NEXT: taken_0 F32 [4] [1.0, 2.0, 3.0, 4.0]
// FILE-NEXT: constant F32 [2, 3] [1.0, 4.0, 3.0, 2.0, 5.0, 7.0]
// FILE-NEXT: constant_0 F32 [2, 3] [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
// FILE-NEXT: constant_1 F16 [2, 4] [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]

func.func private @taken()

// BACK-LABEL: func.func @used_twice
//   BACK-NOT: qt.
//       BACK: arith.constant dense<{{\[\[}}1.{{0+}}e+00, 2.{{0+}}e+00], [3.{{0+}}e+00, 4.{{0+}}e+00], [5.{{0+}}e+00, 6.{{0+}}e+00]]> : tensor<3x2xf32>

// The same numbers in two functions are one weight.
// CHECK-LABEL: func.func @used_twice
//       CHECK: %[[W:.+]] = qt.load @proj.weight : tensor<3x2xf32>
//       CHECK: lm.linear %{{.*}}, %[[W]]
//   CHECK-NOT: arith.constant
func.func @used_twice(%x: tensor<?x2xf32>) -> tensor<?x3xf32> {
  %w = arith.constant dense_resource<proj.weight> : tensor<3x2xf32>
  %y = lm.linear %x, %w : tensor<?x2xf32>, tensor<3x2xf32> -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}

// CHECK-LABEL: func.func @again
//       CHECK: qt.load @proj.weight
//       CHECK: qt.load @taken_0
func.func @again(%x: tensor<?x2xf32>) -> (tensor<?x3xf32>, tensor<4xf32>) {
  %w = arith.constant dense_resource<proj.weight> : tensor<3x2xf32>
  %t = arith.constant dense_resource<taken> : tensor<4xf32>
  %y = lm.linear %x, %w : tensor<?x2xf32>, tensor<3x2xf32> -> tensor<?x3xf32>
  return %y, %t : tensor<?x3xf32>, tensor<4xf32>
}

// [K, N] in the program, [N, K] in the file: the transposition is gone.
// CHECK-LABEL: func.func @transposed
//       CHECK: %[[W:.+]] = qt.load @constant : tensor<2x3xf32>
//   CHECK-NOT: linalg.transpose
//       CHECK: lm.linear %{{.*}}, %[[W]]
func.func @transposed(%x: tensor<?x3xf32>) -> tensor<?x2xf32> {
  %w = arith.constant dense<[[1.0, 2.0], [4.0, 5.0], [3.0, 7.0]]> : tensor<3x2xf32>
  %e = tensor.empty() : tensor<2x3xf32>
  %t = linalg.transpose ins(%w : tensor<3x2xf32>) outs(%e : tensor<2x3xf32>) permutation = [1, 0]
  %y = lm.linear %x, %t : tensor<?x3xf32>, tensor<2x3xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// Weights move even if they are small, or all the same.
// WEIGHTS-LABEL: func.func @used_twice
//       WEIGHTS: qt.load @proj.weight
// WEIGHTS-LABEL: func.func @again
//       WEIGHTS: arith.constant dense_resource<taken> : tensor<4xf32>
// WEIGHTS-LABEL: func.func @transposed
//       WEIGHTS: qt.load @constant : tensor<2x3xf32>
// WEIGHTS-LABEL: func.func @all_halves
//       WEIGHTS: qt.load @constant_0 : tensor<2x3xf32>
// CHECK-LABEL: func.func @all_halves
//       CHECK: qt.load @constant_0 : tensor<2x3xf32>
func.func @all_halves(%ids: tensor<?xi32>) -> tensor<?x3xf32> {
  %table = arith.constant dense<0.5> : tensor<2x3xf32>
  %e = lm.embedding %ids, %table : tensor<?xi32>, tensor<2x3xf32> -> tensor<?x3xf32>
  return %e : tensor<?x3xf32>
}

// Small ones, splats and integers stay.
// CHECK-LABEL: func.func @what_stays
//   CHECK-DAG: arith.constant dense<[1.0{{.*}}, 2.0{{.*}}]> : tensor<2xf32>
//   CHECK-DAG: arith.constant dense<1.0{{.*}}> : tensor<64x64xf32>
//   CHECK-DAG: arith.constant dense<[1, 2, 3, 4]> : tensor<4xi64>
//   CHECK-DAG: qt.load @constant_1 : tensor<2x4xf16>
func.func @what_stays() -> (tensor<2xf32>, tensor<64x64xf32>, tensor<4xi64>, tensor<2x4xf16>) {
  %a = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %b = arith.constant dense<1.0> : tensor<64x64xf32>
  %c = arith.constant dense<[1, 2, 3, 4]> : tensor<4xi64>
  %d = arith.constant dense<[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]> : tensor<2x4xf16>
  return %a, %b, %c, %d : tensor<2xf32>, tensor<64x64xf32>, tensor<4xi64>, tensor<2x4xf16>
}

{-#
  dialect_resources: {
    builtin: {
      proj.weight: "0x040000000000803F0000004000004040000080400000A0400000C040",
      taken: "0x040000000000803F000000400000404000008040"
    }
  }
#-}
