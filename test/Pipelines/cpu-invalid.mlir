// RUN: not quant-opt %s --codegen-cpu=target=cpu:x86-64-v3 2>&1 | FileCheck %s --check-prefix=UNPACKED
// RUN: not quant-opt %s --pack=target=cpu:x86-64-v3 --codegen-cpu=target=cpu:x86-64-v4 2>&1 | FileCheck %s --check-prefix=OTHER

// A stage that is left out is named by the next one.
// UNPACKED: error: 'qt.quantize' op makes an activation without a layout (--cpu-pack)
// OTHER: error: 'kernel.matmul_int' op has a weight packed for panels of 8 rows, but registers of cpu:x86-64-v4 have 16 lanes (--cpu-pack for the same target)
qt.weight @w : !qt.tensor<24x32xf32, #qt.q8_0> in "m.gguf"
func.func @forward(%x: tensor<?x32xf32>) -> tensor<?x24xf32> {
  %q = qt.quantize %x : tensor<?x32xf32> -> !qt.tensor<?x32xf32, #qt.int<8, group = 32>>
  %w = qt.load @w : !qt.tensor<24x32xf32, #qt.q8_0>
  %y = qt.matmul %q, %w : !qt.tensor<?x32xf32, #qt.int<8, group = 32>>, !qt.tensor<24x32xf32, #qt.q8_0> -> tensor<?x24xf32>
  return %y : tensor<?x24xf32>
}
