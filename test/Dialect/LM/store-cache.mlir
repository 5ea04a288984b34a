// RUN: quant-opt %s --lm-store-cache=as=int8 | FileCheck %s
// RUN: quant-opt %s --lm-store-cache | FileCheck %s --check-prefix=HALF
// RUN: not quant-opt %s --lm-store-cache=as=int4 2>&1 | FileCheck %s --check-prefix=WORD
// RUN: quant-opt %s --lm-store-cache=as=int8 -o %t.mlir
// RUN: not quant-opt %t.mlir --lm-to-linalg 2>&1 | FileCheck %s --check-prefix=LINALG
// RUN: echo 'module {}' | not quant-opt --lm-store-cache 2>&1 | FileCheck %s --check-prefix=NONE
// WORD: error: a cache holds float32, float16 or int8, not 'int4'
// LINALG: error: 'lm.attention' op with a cache of 'i8' runs on kernels only
// NONE: error: the model has no cache of keys and values

// CHECK: func.func @step(%{{.*}}: tensor<?x16xf32>, %[[CACHE:.+]]: !lm.kv_cache<2 x 1 x 16 x i8>, %{{.*}}: index) -> tensor<?x16xf32>
// CHECK: lm.attention %{{.*}} cache %[[CACHE]][1] {{.*}} !lm.kv_cache<2 x 1 x 16 x i8>
// CHECK: func.func @caller(%{{.*}}: tensor<?x16xf32>, %[[CACHE:.+]]: !lm.kv_cache<2 x 1 x 16 x i8>, %{{.*}}: index)
// CHECK: call @step({{.*}}) : (tensor<?x16xf32>, !lm.kv_cache<2 x 1 x 16 x i8>, index)
// HALF: func.func @step({{.*}}!lm.kv_cache<2 x 1 x 16 x f16>
func.func @step(%x: tensor<?x16xf32>, %cache: !lm.kv_cache<2 x 1 x 16 x f32>, %position: index) -> tensor<?x16xf32> {
  %0 = lm.attention %x, %x, %x cache %cache[1] at %position {causal, heads = 1, kv_heads = 1, scale = 0.25} : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>, !lm.kv_cache<2 x 1 x 16 x f32>
  return %0 : tensor<?x16xf32>
}
func.func @caller(%x: tensor<?x16xf32>, %cache: !lm.kv_cache<2 x 1 x 16 x f32>, %position: index) -> tensor<?x16xf32> {
  %0 = call @step(%x, %cache, %position) : (tensor<?x16xf32>, !lm.kv_cache<2 x 1 x 16 x f32>, index) -> tensor<?x16xf32>
  return %0 : tensor<?x16xf32>
}
