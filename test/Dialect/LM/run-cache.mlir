// RUN: quant-opt %s --lm-to-linalg %lower_to_llvm | %run | FileCheck %s

// Two tokens, then one more: a session with a cache of four positions. The query is
// zero, so a token gets the mean of all values up to its own.

func.func private @printMemrefF32(tensor<*xf32>)

func.func @step(%kv: tensor<?x2xf32>, %position: index, %cache: !lm.kv_cache<2 x 2 x 1 x f32>) -> tensor<?x2xf32> {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %tokens = tensor.dim %kv, %c0 : tensor<?x2xf32>
  %empty = tensor.empty(%tokens) : tensor<?x2xf32>
  %q = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x2xf32>) -> tensor<?x2xf32>
  %keys = arith.negf %kv : tensor<?x2xf32>
  %0 = lm.attention %q, %keys, %kv cache %cache[1] at %position {causal, heads = 2, kv_heads = 2, scale = 1.0} : tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>, !lm.kv_cache<2 x 2 x 1 x f32>
  return %0 : tensor<?x2xf32>
}

func.func @main() {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %zero = arith.constant 0.0 : f32
  %memory = memref.alloc(%c4) : memref<2x2x2x?x1xf32>
  linalg.fill ins(%zero : f32) outs(%memory : memref<2x2x2x?x1xf32>)
  %cache = builtin.unrealized_conversion_cast %memory : memref<2x2x2x?x1xf32> to !lm.kv_cache<2 x 2 x 1 x f32>

  // CHECK:      sizes = [2, 2]
  // CHECK-NEXT: [1, 10],
  // CHECK-NEXT: [2, 20]
  %a = arith.constant dense<[[1.0, 10.0], [3.0, 30.0]]> : tensor<2x2xf32>
  %ad = tensor.cast %a : tensor<2x2xf32> to tensor<?x2xf32>
  %0 = call @step(%ad, %c0, %cache) : (tensor<?x2xf32>, index, !lm.kv_cache<2 x 2 x 1 x f32>) -> tensor<?x2xf32>
  %u0 = tensor.cast %0 : tensor<?x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u0) : (tensor<*xf32>) -> ()

  // (1 + 3 + 8) / 3 and (10 + 30 + 80) / 3.
  // CHECK:      sizes = [1, 2]
  // CHECK-NEXT: [4, 40]
  %b = arith.constant dense<[[8.0, 80.0]]> : tensor<1x2xf32>
  %bd = tensor.cast %b : tensor<1x2xf32> to tensor<?x2xf32>
  %1 = call @step(%bd, %c2, %cache) : (tensor<?x2xf32>, index, !lm.kv_cache<2 x 2 x 1 x f32>) -> tensor<?x2xf32>
  %u1 = tensor.cast %1 : tensor<?x2xf32> to tensor<*xf32>
  call @printMemrefF32(%u1) : (tensor<*xf32>) -> ()

  // Layer 0 was not touched; layer 1 has keys, then values, by head and position.
  // CHECK:      sizes = [2, 16]
  // CHECK-NEXT: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  // CHECK-NEXT: [-1, -3, -8, 0, -10, -30, -80, 0, 1, 3, 8, 0, 10, 30, 80, 0]
  %flat = memref.collapse_shape %memory [[0], [1, 2, 3, 4]] : memref<2x2x2x?x1xf32> into memref<2x?xf32>
  %t = bufferization.to_tensor %flat restrict : memref<2x?xf32> to tensor<2x?xf32>
  %u2 = tensor.cast %t : tensor<2x?xf32> to tensor<*xf32>
  call @printMemrefF32(%u2) : (tensor<*xf32>) -> ()
  return
}
