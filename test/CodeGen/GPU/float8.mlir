// RUN: quant-opt %s --gpu-pack=target=cuda:sm_90a | FileCheck %s
// RUN: quant-opt %s --pack=target=cuda:sm_90a --convert-to-kernel | FileCheck %s --check-prefix=KERNEL
// RUN: quant-opt %s --cpu-pack=target=cpu:x86-64-v3 | FileCheck %s --check-prefix=CPU

// 8-bit floats that meet are multiplied as they are, up to the smaller of the two groups.
// CHECK: qt.weight @w : !qt.tensor<64x256xf32, #qt.float<f8E4M3FN, channel>, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 128>>
qt.weight @w : !qt.tensor<64x256xf32, #qt.float<f8E4M3FN, channel>> in "m.safetensors"
qt.weight @i : !qt.tensor<64x256xf32, #qt.int<8, channel>> in "m.safetensors"
// What also meets other floats keeps its own group.
// CHECK: qt.weight @both : {{.*}} group = 256>>
qt.weight @both : !qt.tensor<64x256xf32, #qt.float<f8E4M3FN, channel>> in "m.safetensors"

// CHECK-LABEL: func.func @products(
//   CHECK-DAG: qt.quantize %{{.*}} -> !qt.tensor<?x256xf32, #qt.float<f8E5M2, group = 128>, #qt.bytes<stride = 256, group = 128>>
//   CHECK-DAG: qt.quantize %{{.*}} -> !qt.tensor<?x256xf32, #qt.float<f8E5M2, group = 128>, #qt.rows<stride = 256, group = 128, sums = 0>>
//     CPU-NOT: #qt.bytes

// KERNEL-LABEL: func.func @products(
//   KERNEL-DAG: kernel.encode %{{.*}} into %[[CODES:.+]] scales %[[SCALES:.+]] {bytes, group = 128 : i64, type = f8E5M2} : memref<?x256xf32>, memref<?x64xi32>, memref<?x2xf32>
//   KERNEL-DAG: kernel.round %{{.*}} into %[[ROUNDED:.+]] {group = 128 : i64, type = f8E5M2}
//       KERNEL: kernel.matmul_float8 %[[CODES]] scales %[[SCALES]], %{{.*}} into %{{.*}} {codes = f8E5M2, group = 128 : i64,
//       KERNEL: kernel.matmul_float %[[ROUNDED]],
//       KERNEL: kernel.matmul_float %[[ROUNDED]],
func.func @products(%x: tensor<?x256xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  %q = qt.quantize %x : tensor<?x256xf32> -> !qt.tensor<?x256xf32, #qt.float<f8E5M2, group = 128>>
  %w = qt.load @w : !qt.tensor<64x256xf32, #qt.float<f8E4M3FN, channel>>
  %i = qt.load @i : !qt.tensor<64x256xf32, #qt.int<8, channel>>
  %b = qt.load @both : !qt.tensor<64x256xf32, #qt.float<f8E4M3FN, channel>>
  %0 = qt.matmul %q, %w : !qt.tensor<?x256xf32, #qt.float<f8E5M2, group = 128>>, !qt.tensor<64x256xf32, #qt.float<f8E4M3FN, channel>> -> tensor<?x64xf32>
  %1 = qt.matmul %q, %i : !qt.tensor<?x256xf32, #qt.float<f8E5M2, group = 128>>, !qt.tensor<64x256xf32, #qt.int<8, channel>> -> tensor<?x64xf32>
  %2 = qt.matmul %q, %b : !qt.tensor<?x256xf32, #qt.float<f8E5M2, group = 128>>, !qt.tensor<64x256xf32, #qt.float<f8E4M3FN, channel>> -> tensor<?x64xf32>
  %3 = qt.matmul %x, %b : tensor<?x256xf32>, !qt.tensor<64x256xf32, #qt.float<f8E4M3FN, channel>> -> tensor<?x64xf32>
  return %0, %1, %2, %3 : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}
