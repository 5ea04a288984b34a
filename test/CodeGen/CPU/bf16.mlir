// RUN: quant-opt %s --cpu-pack=target=cpu:x86-64-v4+bf16 | FileCheck %s --check-prefixes=CHECK,PAIRS
// RUN: quant-opt %s --cpu-pack=target=cpu:x86-64-v4+vnni | FileCheck %s --check-prefixes=CHECK,ROWS
// RUN: quant-opt %s --pack=target=cpu:x86-64-v4+bf16 --convert-to-kernel | FileCheck %s --check-prefix=KERNEL
// RUN: quant-opt %s --pack=target=cpu:x86-64-v4+bf16 --codegen-cpu=target=cpu:x86-64-v4+bf16 \
// RUN:   | mlir-translate --mlir-to-llvmir | llc -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v4 -mattr=+avx512bf16 | FileCheck %s --check-prefix=ASM

// Numbers that bf16 holds on both sides are multiplied in pairs where the target
// can. Sums go up to the smaller of the two groups.
// PAIRS: qt.weight @w : !qt.tensor<64x256xf32, #qt.float<f8E4M3FN, channel>, #qt.panels<lanes = 16, vectors = 2, depth = 2, group = 128>>
//  ROWS: qt.weight @w : !qt.tensor<64x256xf32, #qt.float<f8E4M3FN, channel>, #qt.panels<lanes = 16, vectors = 2, depth = 1, group = 256>>
qt.weight @w : !qt.tensor<64x256xf32, #qt.float<f8E4M3FN, channel>> in "m.safetensors"
// PAIRS: qt.weight @b : !qt.tensor<64x256xf32, #qt.float<bf16>, #qt.panels<lanes = 16, vectors = 2, depth = 2, group = 256>>
qt.weight @b : !qt.tensor<64x256xf32, #qt.float<bf16>> in "m.safetensors"
// What else is read from the weight keeps it as it was, and floats of 16 bits that
// bf16 does not hold, too.
// CHECK: qt.weight @table : {{.*}} depth = 1, group = 256>>
qt.weight @table : !qt.tensor<64x256xf32, #qt.float<bf16>> in "m.safetensors"
// CHECK: qt.weight @h : {{.*}} depth = 1, group = 256>>
qt.weight @h : !qt.tensor<64x256xf32, #qt.float<f16>> in "m.safetensors"

// CHECK-LABEL: func.func @products(
// PAIRS-DAG: %[[Q:.+]] = qt.quantize %{{.*}} : tensor<?x256xf32> -> !qt.tensor<?x256xf32, #qt.float<f8E4M3FN, group = 128>, #qt.pairs<stride = 512, group = 128>>
// PAIRS-DAG: qt.quantize %{{.*}} : tensor<?x256xf32> -> !qt.tensor<?x256xf32, #qt.float<bf16>, #qt.pairs<stride = 512, group = 0>>
//     CHECK: qt.matmul
//  ROWS-NOT: #qt.pairs

// KERNEL-LABEL: func.func @products(
//   KERNEL-DAG: kernel.encode %{{.*}} into %[[CODES:.+]] scales %[[SCALES:.+]] {group = 128 : i64, type = f8E4M3FN} : memref<?x256xf32>, memref<?x128xi32>, memref<?x2xf32>
//   KERNEL-DAG: kernel.encode %{{.*}} into %[[PLAIN:[a-z0-9_]+]] {group = 256 : i64, type = bf16} : memref<?x256xf32>, memref<?x128xi32>
//       KERNEL: kernel.matmul_bf16 %[[CODES]] scales %[[SCALES]], %{{.*}} into %{{.*}} {group = 128 : i64,
//       KERNEL: kernel.matmul_bf16 %[[PLAIN]], %{{.*}} into %{{.*}} {group = 256 : i64,

// ASM: vdpbf16ps {{.*}}%zmm
func.func @products(%x: tensor<?x256xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  %q = qt.quantize %x : tensor<?x256xf32> -> !qt.tensor<?x256xf32, #qt.float<f8E4M3FN, group = 128>>
  %r = qt.quantize %x : tensor<?x256xf32> -> !qt.tensor<?x256xf32, #qt.float<bf16>>
  %w = qt.load @w : !qt.tensor<64x256xf32, #qt.float<f8E4M3FN, channel>>
  %b = qt.load @b : !qt.tensor<64x256xf32, #qt.float<bf16>>
  %t = qt.load @table : !qt.tensor<64x256xf32, #qt.float<bf16>>
  %h = qt.load @h : !qt.tensor<64x256xf32, #qt.float<f16>>
  %0 = qt.matmul %q, %w : !qt.tensor<?x256xf32, #qt.float<f8E4M3FN, group = 128>>, !qt.tensor<64x256xf32, #qt.float<f8E4M3FN, channel>> -> tensor<?x64xf32>
  %1 = qt.matmul %r, %b : !qt.tensor<?x256xf32, #qt.float<bf16>>, !qt.tensor<64x256xf32, #qt.float<bf16>> -> tensor<?x64xf32>
  %2 = qt.matmul %r, %t : !qt.tensor<?x256xf32, #qt.float<bf16>>, !qt.tensor<64x256xf32, #qt.float<bf16>> -> tensor<?x64xf32>
  %3 = qt.matmul %r, %h : !qt.tensor<?x256xf32, #qt.float<bf16>>, !qt.tensor<64x256xf32, #qt.float<f16>> -> tensor<?x64xf32>
  return %0, %1, %2, %3 : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}
func.func @lookup(%ids: tensor<?xi32>) -> tensor<?x256xf32> {
  %t = qt.load @table : !qt.tensor<64x256xf32, #qt.float<bf16>>
  %e = qt.gather %ids, %t : tensor<?xi32>, !qt.tensor<64x256xf32, #qt.float<bf16>> -> tensor<?x256xf32>
  return %e : tensor<?x256xf32>
}
