// The range of a group is judged by what its errors do to the output together.
// The two inputs are always equal and opposite, y = 7.5 x - 2.5 x: with a scale
// of 1 both values lose a half, and nothing is lost at all.

// RUN: rm -rf %t && mkdir %t && cd %t && cp %s model.mlir
// RUN: %python %S/Inputs/make_safetensors.py w.safetensors w:F32:1x2:7.5,2.5
// RUN: %python %S/Inputs/make_safetensors.py s.safetensors "format=quant-mlir statistics 1" model=test tokens=none "weights={\"w\": \"w\"}" w.tokens:I64:1:100 w.hessian:F32:2x2:1,-1,-1,1
// RUN: echo 'config_groups: {all: {targets: [Linear], weights: {num_bits: 4, group_size: 2}, rounding: {range: calibrated}}}' > calibrated.yaml
// RUN: quant-opt model.mlir --qt-quantize="recipe=calibrated.yaml calibration=s.safetensors weights-out=calibrated" -o /dev/null
// RUN: %python %S/Inputs/print_safetensors.py calibrated | FileCheck %s
// CHECK: w.codes I8 [1, 2] [7, 2]
// CHECK: w.scales F32 [1, 1] [1.0]

// By itself the larger value asks for more.
// RUN: echo 'config_groups: {all: {targets: [Linear], weights: {num_bits: 4, group_size: 2}, rounding: {range: mse}}}' > mse.yaml
// RUN: quant-opt model.mlir --qt-quantize="recipe=mse.yaml weights-out=mse" -o /dev/null
// RUN: %python %S/Inputs/print_safetensors.py mse | FileCheck %s --check-prefix=MSE
// MSE: w.scales F32 [1, 1] [1.0{{[1-9]}}

module attributes {qt.fingerprint = "test"} {
  qt.weight @w : tensor<1x2xf32> in "w.safetensors"
  func.func @f(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
    %w = qt.load @w : tensor<1x2xf32>
    %y = lm.linear %x, %w : tensor<?x2xf32>, tensor<1x2xf32> -> tensor<?x1xf32>
    return %y : tensor<?x1xf32>
  }
}
