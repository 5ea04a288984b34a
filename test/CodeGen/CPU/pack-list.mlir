// RUN: quant-opt %s --cpu-pack=target=cpu:x86-64-v3,x86-64-v4,x86-64-v4+bf16 | FileCheck %s
// RUN: quant-opt %s --pack=target=cpu:x86-64-v3,x86-64-v4,x86-64-v4+bf16 --codegen-cpu=target=cpu:x86-64-v3 \
// RUN:   | mlir-translate --mlir-to-llvmir | llc -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v3 | FileCheck %s --check-prefix=ASM --implicit-check-not=zmm

// Versions of an object share panels: the widest. Code for AVX2 reads two registers of AVX-512 as four.
// CHECK: qt.weight @w8 {{.*}}#qt.panels<lanes = 16, vectors = 2, depth = 4, group = 64>
// Pairs of bf16 as one of the targets multiplies them.
// CHECK: qt.weight @half {{.*}}#qt.panels<lanes = 16, vectors = 2, depth = 2, group = 64>
qt.weight @w8 : !qt.tensor<64x64xf32, #qt.int<8, channel>> in "m.safetensors"
qt.weight @half : !qt.tensor<64x64xf32, #qt.float<bf16>> in "m.gguf"

// ASM-LABEL: kernel_matmul_int_{{.*}}:
// ASM: vpmaddubsw {{.*}}%ymm
func.func @integers(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %q = qt.quantize %x : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.int<8, token>>
  %w = qt.load @w8 : !qt.tensor<64x64xf32, #qt.int<8, channel>>
  %y = qt.matmul %q, %w : !qt.tensor<?x64xf32, #qt.int<8, token>>, !qt.tensor<64x64xf32, #qt.int<8, channel>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// Without an instruction for pairs: the upper half of a word is an f32, the lower one is moved there.
// ASM-LABEL: kernel_matmul_bf16_{{.*}}:
// ASM-DAG: vpslld $16, {{.*}}%ymm
// ASM-DAG: vfmadd{{[0-9]+}}ps {{.*}}%ymm
func.func @pairs(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %q = qt.quantize %x : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.float<bf16>>
  %w = qt.load @half : !qt.tensor<64x64xf32, #qt.float<bf16>>
  %y = qt.matmul %q, %w : !qt.tensor<?x64xf32, #qt.float<bf16>>, !qt.tensor<64x64xf32, #qt.float<bf16>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
