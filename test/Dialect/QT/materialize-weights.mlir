// RUN: rm -rf %t && split-file %s %t && cd %t
// RUN: %python %S/Inputs/make_weights.py weights.safetensors
// RUN: quant-opt good.mlir --qt-materialize-weights | FileCheck good.mlir
// RUN: quant-opt good.mlir --qt-materialize-weights --lm-to-linalg --qt-to-linalg %lower_to_llvm | %run | FileCheck good.mlir --check-prefix=NUMBERS
// RUN: not quant-opt missing.mlir --qt-materialize-weights 2>&1 | FileCheck missing.mlir
// RUN: not quant-opt shape.mlir --qt-materialize-weights 2>&1 | FileCheck shape.mlir
// RUN: not quant-opt type.mlir --qt-materialize-weights 2>&1 | FileCheck type.mlir
// RUN: not quant-opt nofile.mlir --qt-materialize-weights 2>&1 | FileCheck nofile.mlir

//--- good.mlir

// Nothing refers to the declarations any more; the file of @unused is not even
// looked for.
// CHECK-NOT: qt.weight
qt.weight @gain : tensor<3xf32> in "weights.safetensors"
qt.weight @half : tensor<1x2xf32> in "weights.safetensors" as "model.half"
qt.weight @w : !qt.tensor<2x3xf32, #qt.int<8, channel>> in "weights.safetensors"
qt.weight @large : tensor<512xf32> in "weights.safetensors"
qt.weight @unused : tensor<3xf32> in "not-there.safetensors"

func.func private @printMemrefF32(tensor<*xf32>)

// CHECK-LABEL: func.func @main
//   CHECK-NOT: qt.load
func.func @main() {
  // CHECK: arith.constant dense<[1.000000e+00, 2.500000e+00, -3.000000e+00]> : tensor<3xf32>
  %gain = qt.load @gain : tensor<3xf32>
  // Halves are widened.
  // CHECK: arith.constant dense<{{\[\[}}1.000000e+00, -2.500000e+00]]> : tensor<1x2xf32>
  // NUMBERS: [1, -2.5]
  %half = qt.load @half : tensor<1x2xf32>
  %0 = tensor.cast %half : tensor<1x2xf32> to tensor<*xf32>
  call @printMemrefF32(%0) : (tensor<*xf32>) -> ()
  // CHECK: %[[CODES:.+]] = arith.constant dense<{{\[\[}}1, 2, 3], [-4, -5, -6]]> : tensor<2x3xi8>
  // CHECK: %[[SCALES:.+]] = arith.constant dense<{{\[\[}}1.000000e+01], [1.000000e+02]]> : tensor<2x1xf32>
  // CHECK: qt.assemble %[[CODES]], %[[SCALES]]
  %w = qt.load @w : !qt.tensor<2x3xf32, #qt.int<8, channel>>
  // gain times the rows of w: 10 + 50 - 90 and -400 - 1250 + 1800.
  // NUMBERS: [-30, 150]
  %1 = qt.matmul %gain, %w : tensor<3xf32>, !qt.tensor<2x3xf32, #qt.int<8, channel>> -> tensor<2xf32>
  %2 = tensor.cast %1 : tensor<2xf32> to tensor<*xf32>
  call @printMemrefF32(%2) : (tensor<*xf32>) -> ()
  // CHECK: arith.constant dense_resource<large> : tensor<512xf32>
  // NUMBERS: [509, 510, 511]
  %large = qt.load @large : tensor<512xf32>
  %3 = tensor.extract_slice %large[509] [3] [1] : tensor<512xf32> to tensor<3xf32>
  %4 = tensor.cast %3 : tensor<3xf32> to tensor<*xf32>
  call @printMemrefF32(%4) : (tensor<*xf32>) -> ()
  return
}

//--- missing.mlir

// CHECK: missing.mlir:[[#@LINE+1]]:1: error: weights.safetensors: {{.*}}'nothing'
qt.weight @nothing : tensor<3xf32> in "weights.safetensors"
func.func @load() -> tensor<3xf32> {
  %0 = qt.load @nothing : tensor<3xf32>
  return %0 : tensor<3xf32>
}

//--- shape.mlir

// CHECK: shape.mlir:[[#@LINE+1]]:1: error: weights.safetensors: tensor 'gain': {{.*}}shape
qt.weight @gain : tensor<4xf32> in "weights.safetensors"
func.func @load() -> tensor<4xf32> {
  %0 = qt.load @gain : tensor<4xf32>
  return %0 : tensor<4xf32>
}

//--- type.mlir

// CHECK: type.mlir:[[#@LINE+1]]:1: error: 'qt.weight' op is 'tensor<3xf16>'; a plain weight must be f32 to become a constant
qt.weight @gain : tensor<3xf16> in "weights.safetensors"
func.func @load() -> tensor<3xf16> {
  %0 = qt.load @gain : tensor<3xf16>
  return %0 : tensor<3xf16>
}

//--- nofile.mlir

// CHECK: nofile.mlir:[[#@LINE+1]]:1: error: not-there.safetensors:
qt.weight @gain : tensor<3xf32> in "not-there.safetensors"
func.func @load() -> tensor<3xf32> {
  %0 = qt.load @gain : tensor<3xf32>
  return %0 : tensor<3xf32>
}
