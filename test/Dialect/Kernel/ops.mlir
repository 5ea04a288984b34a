// RUN: quant-opt %s | quant-opt | FileCheck %s
// RUN: quant-opt %s --mlir-print-op-generic | quant-opt | FileCheck %s

// CHECK-LABEL: func.func @quantize
//       CHECK: kernel.quantize %{{.*}} into %{{.*}}, %{{.*}}, %{{.*}} {group = 32 : i64, sumGroup = 32 : i64} : memref<?x576xf32>, memref<?x144xi32>, memref<?x18xf32>, memref<?x18xi32>
//       CHECK: kernel.barrier
func.func @quantize(%x: memref<?x576xf32>, %codes: memref<?x144xi32>, %scales: memref<?x18xf32>, %sums: memref<?x18xi32>) {
  kernel.quantize %x into %codes, %scales, %sums {group = 32, sumGroup = 32} : memref<?x576xf32>, memref<?x144xi32>, memref<?x18xf32>, memref<?x18xi32>
  kernel.barrier
  return
}

// CHECK-LABEL: func.func @matmul_int
//  CHECK-SAME: %[[C:[a-z0-9]+]]: memref<?x144xi32>, %[[S:[a-z0-9]+]]: memref<?x18xf32>, %[[T:[a-z0-9]+]]: memref<?x18xi32>, %[[W:[a-z0-9]+]]: memref<?xi8>, %[[AT:[a-z0-9]+]]: index
//       CHECK: kernel.matmul_int %[[C]], %[[S]], %[[T]], %[[W]][%[[AT]]] into %{{.*}} {group = 32 : i64, type = !qt.tensor<192x576xf32, #qt.q4_1, #qt.panels<lanes = 16, vectors = 2, depth = 4, group = 32>>}
//       CHECK: kernel.matmul_int %[[C]], %[[S]], %[[T]], %[[W]][%[[AT]]] bias %{{.*}} residual %{{.*}} into %{{.*}} {group = 32 : i64, rows = 4 : i64, type = !qt.tensor<192x576xf32, #qt.q4_1>}
func.func @matmul_int(%codes: memref<?x144xi32>, %scales: memref<?x18xf32>, %sums: memref<?x18xi32>, %weights: memref<?xi8>, %offset: index, %bias: memref<192xf32>, %out: memref<?x192xf32>) {
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] into %out {group = 32, type = !qt.tensor<192x576xf32, #qt.q4_1, #qt.panels<lanes = 16, vectors = 2, depth = 4, group = 32>>} : memref<?x144xi32>, memref<?x18xf32>, memref<?x18xi32>, memref<?xi8>, index, memref<?x192xf32>
  kernel.matmul_int %codes, %scales, %sums, %weights[%offset] bias %bias residual %out into %out {group = 32, rows = 4, type = !qt.tensor<192x576xf32, #qt.q4_1>} : memref<?x144xi32>, memref<?x18xf32>, memref<?x18xi32>, memref<?xi8>, index, memref<192xf32>, memref<?x192xf32>, memref<?x192xf32>
  return
}

// CHECK-LABEL: func.func @matmul_float
//       CHECK: kernel.matmul_float %{{.*}}, %{{.*}}[%{{.*}}] into %{{.*}} {type = !qt.tensor<192x576xf32, #qt.float<f16>>}
//       CHECK: kernel.matmul_float %{{.*}}, %{{.*}}[%{{.*}}] bias %{{.*}} into %{{.*}}
//       CHECK: kernel.matmul_float %{{.*}}, %{{.*}}[%{{.*}}] residual %{{.*}} into %{{.*}}
func.func @matmul_float(%x: memref<?x576xf32>, %weights: memref<?xi8>, %offset: index, %bias: memref<192xf32>, %out: memref<?x192xf32>) {
  kernel.matmul_float %x, %weights[%offset] into %out {type = !qt.tensor<192x576xf32, #qt.float<f16>>} : memref<?x576xf32>, memref<?xi8>, index, memref<?x192xf32>
  kernel.matmul_float %x, %weights[%offset] bias %bias into %out {type = !qt.tensor<192x576xf32, #qt.float<f16>>} : memref<?x576xf32>, memref<?xi8>, index, memref<192xf32>, memref<?x192xf32>
  kernel.matmul_float %x, %weights[%offset] residual %out into %out {type = !qt.tensor<192x576xf32, #qt.float<f16>>} : memref<?x576xf32>, memref<?xi8>, index, memref<?x192xf32>, memref<?x192xf32>
  return
}

// CHECK-LABEL: func.func @gather
//       CHECK: kernel.gather %{{.*}}, %{{.*}}[%{{.*}}] into %{{.*}} {type = !qt.tensor<49152x576xf32, #qt.q8_0>} : memref<?xi32>, memref<?xi8>, index, memref<?x576xf32>
func.func @gather(%ids: memref<?xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x576xf32>) {
  kernel.gather %ids, %weights[%offset] into %out {type = !qt.tensor<49152x576xf32, #qt.q8_0>} : memref<?xi32>, memref<?xi8>, index, memref<?x576xf32>
  return
}

// CHECK-LABEL: func.func @norms
//       CHECK: kernel.rms_norm %{{.*}}, %{{.*}} into %{{.*}} {eps = 1.000000e-05 : f64} : memref<?x8xf32>, memref<8xf32>, memref<?x8xf32>
//       CHECK: kernel.layer_norm %{{.*}}, %{{.*}} into %{{.*}} {eps = 1.000000e-05 : f64}
//       CHECK: kernel.layer_norm %{{.*}}, %{{.*}} bias %{{.*}} into %{{.*}} {eps = 1.000000e-05 : f64}
func.func @norms(%x: memref<?x8xf32>, %gain: memref<8xf32>, %out: memref<?x8xf32>) {
  kernel.rms_norm %x, %gain into %out {eps = 1.0e-5} : memref<?x8xf32>, memref<8xf32>, memref<?x8xf32>
  kernel.layer_norm %x, %gain into %out {eps = 1.0e-5} : memref<?x8xf32>, memref<8xf32>, memref<?x8xf32>
  kernel.layer_norm %x, %gain bias %gain into %out {eps = 1.0e-5} : memref<?x8xf32>, memref<8xf32>, memref<8xf32>, memref<?x8xf32>
  return
}

// CHECK-LABEL: func.func @rope
//       CHECK: kernel.rope %{{.*}} at %{{.*}} into %{{.*}} {base = 1.000000e+04 : f64, headSize = 64 : i64, rotarySize = 64 : i64, style = #lm.rope_style<half>} : memref<?x128xf32> into memref<?x128xf32>
func.func @rope(%x: memref<?x128xf32>, %position: index) {
  kernel.rope %x at %position into %x {base = 1.0e+04, headSize = 64, rotarySize = 64, style = #lm.rope_style<half>} : memref<?x128xf32> into memref<?x128xf32>
  return
}

// CHECK-LABEL: func.func @attention
//       CHECK: kernel.cache_write %{{.*}}, %{{.*}} into %[[CACHE:.+]][%[[LAYER:.+]]] at %[[POSITION:.+]] : memref<?x128xf32>, memref<?x128xf32> into memref<3x2x2x?x64xf16>
//       CHECK: kernel.attention %{{.*}}, %[[CACHE]][%[[LAYER]]] at %[[POSITION]] into %{{.*}} {causal, heads = 4 : i64, scale = 1.250000e-01 : f64}
//       CHECK: kernel.attention %{{.*}}, %[[CACHE]][%[[LAYER]]] at %[[POSITION]] mask %{{.*}} into %{{.*}} {heads = 4 : i64, scale = 1.250000e-01 : f64, softcap = 3.000000e+01 : f64, window = 128 : i64}
//       CHECK: kernel.attention %{{.*}}, %[[CACHE]][%[[LAYER]]] at %[[POSITION]] partials %[[PARTIALS:.+]] into %[[OUT:.+]] {heads = 4 : i64, scale = 1.250000e-01 : f64}
//       CHECK: kernel.merge_attention %[[PARTIALS]] at %[[POSITION]] into %[[OUT]] {heads = 4 : i64} : memref<8x2x8x80xf32> into memref<?x256xf32>
func.func @attention(%q: memref<?x256xf32>, %kv: memref<?x128xf32>, %cache: memref<3x2x2x?x64xf16>, %layer: index, %position: index, %mask: memref<?x?xf32>, %partials: memref<8x2x8x80xf32>, %out: memref<?x256xf32>) {
  kernel.cache_write %kv, %kv into %cache[%layer] at %position : memref<?x128xf32>, memref<?x128xf32> into memref<3x2x2x?x64xf16>
  kernel.attention %q, %cache[%layer] at %position into %out {causal, heads = 4, scale = 0.125} : memref<?x256xf32>, memref<3x2x2x?x64xf16>, index, index, memref<?x256xf32>
  kernel.attention %q, %cache[%layer] at %position mask %mask into %out {heads = 4, scale = 0.125, softcap = 30.0, window = 128} : memref<?x256xf32>, memref<3x2x2x?x64xf16>, index, index, memref<?x?xf32>, memref<?x256xf32>
  kernel.attention %q, %cache[%layer] at %position partials %partials into %out {heads = 4, scale = 0.125} : memref<?x256xf32>, memref<3x2x2x?x64xf16>, index, index, memref<8x2x8x80xf32>, memref<?x256xf32>
  kernel.merge_attention %partials at %position into %out {heads = 4} : memref<8x2x8x80xf32> into memref<?x256xf32>
  return
}

// CHECK-LABEL: func.func @activations
//       CHECK: kernel.quantize %{{.*}} by %{{.*}} scale %{{.*}} into %{{.*}}, %{{.*}}, %{{.*}} {group = 64 : i64, sumGroup = 64 : i64}
//       CHECK: kernel.round %{{.*}} into %{{.*}} {group = 64 : i64, perTensor, type = f8E4M3FN} : memref<?x64xf32>, memref<?x64xf32>
//       CHECK: kernel.split_outliers %{{.*}} into %{{.*}}, %{{.*}}, %{{.*}} {threshold = 6.000000e+00 : f64}
//       CHECK: kernel.matmul_float %{{.*}} columns %{{.*}}, %{{.*}}[%{{.*}}] into %{{.*}} {type = !qt.tensor<64x64xf32, #qt.int<8, channel>>}
func.func @activations(%x: memref<?x64xf32>, %m: memref<64xf32>, %s: memref<1xf32>, %codes: memref<?x16xi32>, %scales: memref<?x1xf32>, %sums: memref<?x1xi32>, %columns: memref<16xi32>, %weights: memref<?xi8>, %offset: index, %y: memref<?x64xf32>, %z: memref<?x64xf32>) {
  kernel.quantize %x by %m scale %s into %codes, %scales, %sums {group = 64, sumGroup = 64} : memref<?x64xf32>, memref<64xf32>, memref<1xf32>, memref<?x16xi32>, memref<?x1xf32>, memref<?x1xi32>
  kernel.round %x into %y {type = f8E4M3FN, group = 64, perTensor} : memref<?x64xf32>, memref<?x64xf32>
  kernel.split_outliers %x into %y, %z, %columns {threshold = 6.0 : f64} : memref<?x64xf32>, memref<?x64xf32>, memref<?x64xf32>, memref<16xi32>
  kernel.matmul_float %z columns %columns, %weights[%offset] into %y {type = !qt.tensor<64x64xf32, #qt.int<8, channel>>} : memref<?x64xf32>, memref<16xi32>, memref<?xi8>, index, memref<?x64xf32>
  return
}

// CHECK-LABEL: func.func @pairs
//       CHECK: kernel.encode %{{.*}} by %{{.*}} scale %{{.*}} into %[[CODES:.+]] scales %[[SCALES:.+]] {group = 64 : i64, type = f8E4M3FN}
//       CHECK: kernel.encode %{{.*}} into %[[CODES]] {group = 64 : i64, type = bf16} : memref<?x64xf32>, memref<?x32xi32>
//       CHECK: kernel.matmul_bf16 %[[CODES]] scales %[[SCALES]], %{{.*}}[%{{.*}}] bias %{{.*}} residual %{{.*}} into %{{.*}} {group = 64 : i64, rows = 8 : i64,
func.func @pairs(%x: memref<?x64xf32>, %m: memref<64xf32>, %s: memref<1xf32>, %codes: memref<?x32xi32>, %scales: memref<?x1xf32>, %weights: memref<?xi8>, %offset: index, %y: memref<?x64xf32>) {
  kernel.encode %x by %m scale %s into %codes scales %scales {type = f8E4M3FN, group = 64} : memref<?x64xf32>, memref<64xf32>, memref<1xf32>, memref<?x32xi32>, memref<?x1xf32>
  kernel.encode %x into %codes {type = bf16, group = 64} : memref<?x64xf32>, memref<?x32xi32>
  kernel.matmul_bf16 %codes scales %scales, %weights[%offset] bias %m residual %y into %y {group = 64, rows = 8, type = !qt.tensor<64x64xf32, #qt.float<f8E4M3FN, channel>>} : memref<?x32xi32>, memref<?x1xf32>, memref<?xi8>, index, memref<64xf32>, memref<?x64xf32>, memref<?x64xf32>
  return
}

// CHECK-LABEL: func.func @bytes
//       CHECK: kernel.encode %{{.*}} into %[[CODES:.+]] scales %[[SCALES:.+]] {bytes, group = 64 : i64, type = f8E5M2}
//       CHECK: kernel.matmul_float8 %[[CODES]] scales %[[SCALES]], %{{.*}}[%{{.*}}] residual %{{.*}} into %{{.*}} {codes = f8E5M2, group = 64 : i64,
func.func @bytes(%x: memref<?x64xf32>, %codes: memref<?x16xi32>, %scales: memref<?x1xf32>, %weights: memref<?xi8>, %offset: index, %y: memref<?x64xf32>) {
  kernel.encode %x into %codes scales %scales {type = f8E5M2, group = 64, bytes} : memref<?x64xf32>, memref<?x16xi32>, memref<?x1xf32>
  kernel.matmul_float8 %codes scales %scales, %weights[%offset] residual %y into %y {codes = f8E5M2, group = 64, type = !qt.tensor<64x64xf32, #qt.float<f8E4M3FN, channel>>} : memref<?x16xi32>, memref<?x1xf32>, memref<?xi8>, index, memref<?x64xf32>, memref<?x64xf32>
  return
}
