// Everything that a block of a language model is made of, small: an embedding, a norm,
// 8-bit and 4-bit weights, rope, attention over a cache, silu.
qt.weight @table : !qt.tensor<96x64xf32, #qt.q8_0> in "m.gguf"
qt.weight @gain : tensor<64xf32> in "m.gguf"
qt.weight @w8 : !qt.tensor<64x64xf32, #qt.int<8, channel>> in "m.safetensors"
qt.weight @w4 : !qt.tensor<64x64xf32, #qt.q4_0> in "m.gguf"
qt.weight @half : !qt.tensor<96x64xf32, #qt.float<f16>> in "m.gguf"
func.func @forward(%ids: tensor<?xi32>, %cache: !lm.kv_cache<1 x 1 x 64 x f16>, %position: index) -> tensor<?x96xf32> {
  %table = qt.load @table : !qt.tensor<96x64xf32, #qt.q8_0>
  %x = qt.gather %ids, %table : tensor<?xi32>, !qt.tensor<96x64xf32, #qt.q8_0> -> tensor<?x64xf32>
  %gain = qt.load @gain : tensor<64xf32>
  %n = lm.rms_norm %x, %gain {eps = 1.0e-5} : tensor<?x64xf32>, tensor<64xf32>
  %q8 = qt.quantize %n : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.int<8, token>>
  %w8 = qt.load @w8 : !qt.tensor<64x64xf32, #qt.int<8, channel>>
  %q = qt.matmul %q8, %w8 : !qt.tensor<?x64xf32, #qt.int<8, token>>, !qt.tensor<64x64xf32, #qt.int<8, channel>> -> tensor<?x64xf32>
  %r = lm.rope %q at %position {base = 1.0e+04, head_size = 64, style = #lm.rope_style<half>} : tensor<?x64xf32>
  %a = lm.attention %r, %n, %x cache %cache[0] at %position {causal, heads = 1, kv_heads = 1, scale = 0.125} : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, !lm.kv_cache<1 x 1 x 64 x f16>
  %qa = qt.quantize %a : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.int<8, group = 32>>
  %w4 = qt.load @w4 : !qt.tensor<64x64xf32, #qt.q4_0>
  %o = qt.matmul %qa, %w4 : !qt.tensor<?x64xf32, #qt.int<8, group = 32>>, !qt.tensor<64x64xf32, #qt.q4_0> -> tensor<?x64xf32>
  %h = arith.addf %x, %o : tensor<?x64xf32>
  %s = lm.activation silu %h : tensor<?x64xf32>
  %g = lm.activation gelu %s : tensor<?x64xf32>
  %t = lm.activation tanh %g : tensor<?x64xf32>
  %half = qt.load @half : !qt.tensor<96x64xf32, #qt.float<f16>>
  %y = qt.matmul %t, %half : tensor<?x64xf32>, !qt.tensor<96x64xf32, #qt.float<f16>> -> tensor<?x96xf32>
  return %y : tensor<?x96xf32>
}
