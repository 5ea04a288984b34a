// RUN: quant-opt %s --pack=target=cpu:x86-64-v4+vnni | FileCheck %s --check-prefix=PACK
// RUN: quant-opt %s --pack=target=cpu:x86-64-v4+vnni --codegen-cpu='target=cpu:x86-64-v4+vnni batch=32' | FileCheck %s --check-prefixes=LLVM,VNNI --implicit-check-not='{{ (qt|lm|linalg|memref|scf|vector|func|bufferization|arith|math)[.]}}'
// RUN: quant-opt %s --pack=target=cpu:aarch64 --codegen-cpu='target=cpu:aarch64 batch=32' | FileCheck %s --check-prefixes=LLVM,NEON --implicit-check-not='{{ (qt|lm|linalg|memref|scf|vector|func|bufferization|arith|math)[.]}}'
// RUN: quant-opt %s --pack=target=cpu:x86-64-v3 --codegen-cpu=target=cpu:x86-64-v3 | mlir-translate --mlir-to-llvmir | FileCheck %s --check-prefix=TEXT

// A feed-forward block from the quantized graph to LLVM.

// Two equal quantizations become one and the unread weight goes: 2 x 64 blocks of 18
// bytes, 64 of 34, and 32 floats.
// PACK: module attributes {kernel.target = "cpu:x86-64-v4+vnni", kernel.weights_bytes = 4608 : i64}
// PACK-NOT: @unread
// PACK-COUNT-2: qt.quantize
// PACK-NOT: qt.quantize

// Nothing of this project is left, nor of the dialects in between. The function's
// descriptors come before the runtime's arguments: weights, workspace, and what a
// thread has to know.
// LLVM: module attributes {{.*}}kernel.target
// LLVM: llvm.func @qm_barrier(!llvm.ptr, i64)
// LLVM: llvm.func @forward(
// LLVM: llvm.call @kernel_rms_norm_0(
// LLVM: llvm.call @qm_barrier(
// Gate and up lie side by side and are one product.
// LLVM: llvm.call @kernel_matmul_int_
// LLVM-NOT: llvm.call @kernel_matmul_int_
// LLVM: llvm.call @linalg_generic_
// LLVM: llvm.call @kernel_matmul_int_
// LLVM: llvm.func @_mlir_ciface_forward(
// LLVM-SAME: kernel.role = "weights"
// LLVM-SAME: kernel.role = "workspace"
// LLVM-SAME: kernel.role = "thread_id"
// LLVM-SAME: kernel.role = "thread_count"
// LLVM-SAME: kernel.role = "barrier"
// LLVM-SAME: kernel.workspace_bytes = {{[0-9]+}} : i64
// LLVM: llvm.func {{.*}}@kernel_matmul_int_
// VNNI: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// NEON: llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"

// TEXT: declare void @qm_barrier(ptr, i64)
// TEXT: define void @_mlir_ciface_forward(
// TEXT: call <16 x i16> @llvm.x86.avx2.pmadd.ub.sw(

qt.weight @gain : tensor<32xf32> in "m.gguf"
qt.weight @gate : !qt.tensor<64x32xf32, #qt.q4_0> in "m.gguf"
qt.weight @up : !qt.tensor<64x32xf32, #qt.q4_0> in "m.gguf"
qt.weight @down : !qt.tensor<32x64xf32, #qt.q8_0> in "m.gguf"
qt.weight @unread : !qt.tensor<32x64xf32, #qt.q8_0> in "m.gguf"
func.func @forward(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %g = qt.load @gain : tensor<32xf32>
  %n = lm.rms_norm %x, %g {eps = 1.0e-5} : tensor<?x32xf32>, tensor<32xf32>
  %q0 = qt.quantize %n : tensor<?x32xf32> -> !qt.tensor<?x32xf32, #qt.int<8, group = 32>>
  %q1 = qt.quantize %n : tensor<?x32xf32> -> !qt.tensor<?x32xf32, #qt.int<8, group = 32>>
  %wg = qt.load @gate : !qt.tensor<64x32xf32, #qt.q4_0>
  %wu = qt.load @up : !qt.tensor<64x32xf32, #qt.q4_0>
  %gate = qt.matmul %q0, %wg : !qt.tensor<?x32xf32, #qt.int<8, group = 32>>, !qt.tensor<64x32xf32, #qt.q4_0> -> tensor<?x64xf32>
  %up = qt.matmul %q1, %wu : !qt.tensor<?x32xf32, #qt.int<8, group = 32>>, !qt.tensor<64x32xf32, #qt.q4_0> -> tensor<?x64xf32>
  %s = lm.activation silu %gate : tensor<?x64xf32>
  %h = arith.mulf %s, %up : tensor<?x64xf32>
  %qh = qt.quantize %h : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.int<8, group = 32>>
  %wd = qt.load @down : !qt.tensor<32x64xf32, #qt.q8_0>
  %y = qt.matmul %qh, %wd : !qt.tensor<?x64xf32, #qt.int<8, group = 32>>, !qt.tensor<32x64xf32, #qt.q8_0> -> tensor<?x32xf32>
  %z = arith.addf %x, %y : tensor<?x32xf32>
  return %z : tensor<?x32xf32>
}
