// RUN: quant-opt %s --pack=target=cpu:x86-64-v4+vnni --codegen-cpu=target=cpu:x86-64-v4+vnni | FileCheck %s --check-prefixes=CHECK,AVX512
// RUN: quant-opt %s --pack=target=cpu:x86-64-v3 --codegen-cpu=target=cpu:x86-64-v3 | FileCheck %s --check-prefixes=CHECK,AVX2
// RUN: quant-opt %s --pack=target=cpu:aarch64 --codegen-cpu=target=cpu:aarch64 | FileCheck %s --check-prefixes=CHECK,NEON

// How targets look codes up, and that nothing calls for conversions of 8-bit
// floats, which LLVM does not have. Kernels print in the order of the functions.

qt.weight @nf4 : !qt.tensor<64x64xf32, #qt.codebook<nf4, group = 64>> in "w.safetensors"
qt.weight @mx : !qt.tensor<64x64xf32, #qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU>> in "w.safetensors"
qt.weight @fp8 : !qt.tensor<64x64xf32, #qt.float<f8E4M3FN, channel>> in "w.safetensors"

// Bytes by bytes for int8 activations. AVX2 wants signed bytes: the sign of NF4's
// lanes is flipped, E2M1's are small enough not to matter.
// CHECK-NOT: f8E4M3
// AVX512: llvm.x86.avx512.pshuf.b.512
// AVX512: llvm.x86.avx512.vpdpbusd.512
// AVX2:   llvm.x86.avx2.pshuf.b
// AVX2:   llvm.xor
// AVX2:   llvm.x86.avx2.psign.b
// NEON:   llvm.aarch64.neon.tbl1.v16i8
// NEON:   llvm.aarch64.neon.sdot
func.func @nf4_integers(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = qt.load @nf4 : !qt.tensor<64x64xf32, #qt.codebook<nf4, group = 64>>
  %q = qt.quantize %x : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.int<8, token>>
  %y = qt.matmul %q, %w : !qt.tensor<?x64xf32, #qt.int<8, token>>, !qt.tensor<64x64xf32, #qt.codebook<nf4, group = 64>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// Exact numbers for float ones.
// AVX512: llvm.x86.avx512.permvar.sf.512
// AVX2:   llvm.x86.avx2.permps
// NEON:   llvm.aarch64.neon.tbl4.v16i8
func.func @nf4_floats(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = qt.load @nf4 : !qt.tensor<64x64xf32, #qt.codebook<nf4, group = 64>>
  %y = qt.matmul %x, %w : tensor<?x64xf32>, !qt.tensor<64x64xf32, #qt.codebook<nf4, group = 64>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// Small floats travel as the upper bits of an f16.
// CHECK: llvm.fpext %{{.*}} : vector<[[LANES:[0-9]+]]xf16> to vector<[[LANES]]xf32>
func.func @fp8_floats(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = qt.load @fp8 : !qt.tensor<64x64xf32, #qt.float<f8E4M3FN, channel>>
  %q = qt.quantize %x : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.float<f8E4M3FN, token>>
  %y = qt.matmul %q, %w : !qt.tensor<?x64xf32, #qt.float<f8E4M3FN, token>>, !qt.tensor<64x64xf32, #qt.float<f8E4M3FN, channel>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// AVX2-NOT: llvm.x86.avx2.psign.b
func.func @mx_integers(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = qt.load @mx : !qt.tensor<64x64xf32, #qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU>>
  %q = qt.quantize %x : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.int<8, token>>
  %y = qt.matmul %q, %w : !qt.tensor<?x64xf32, #qt.int<8, token>>, !qt.tensor<64x64xf32, #qt.float<f4E2M1FN, group = 32, scale = f8E8M0FNU>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
