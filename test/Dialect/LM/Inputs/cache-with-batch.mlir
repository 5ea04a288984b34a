func.func @batch(%x: tensor<2x?x4xf32>, %position: index, %cache: !lm.kv_cache<1 x 1 x 4 x f32>) -> tensor<2x?x4xf32> {
  %0 = lm.attention %x, %x, %x cache %cache[0] at %position {heads = 1, kv_heads = 1, scale = 1.0} : tensor<2x?x4xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>, !lm.kv_cache<1 x 1 x 4 x f32>
  return %0 : tensor<2x?x4xf32>
}
