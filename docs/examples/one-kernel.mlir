qt.weight @w : !qt.tensor<4096x4096xf32, #qt.int<4, group = 128, scale = f16>> in "w.safetensors"

func.func @up(%x: tensor<?x4096xf32>) -> tensor<?x4096xf32> {
  %q = qt.quantize %x : tensor<?x4096xf32> -> !qt.tensor<?x4096xf32, #qt.int<8, group = 128>>
  %w = qt.load @w : !qt.tensor<4096x4096xf32, #qt.int<4, group = 128, scale = f16>>
  %y = qt.matmul %q, %w : !qt.tensor<?x4096xf32, #qt.int<8, group = 128>>, !qt.tensor<4096x4096xf32, #qt.int<4, group = 128, scale = f16>> -> tensor<?x4096xf32>
  return %y : tensor<?x4096xf32>
}
