qt.weight @w : !qt.tensor<4096x4096xf32, #qt.float<f8E4M3FN, channel>> in "w.safetensors"

func.func @up(%x: tensor<?x4096xf32>) -> tensor<?x4096xf32> {
  %q = qt.quantize %x : tensor<?x4096xf32> -> !qt.tensor<?x4096xf32, #qt.float<f8E4M3FN, token>>
  %w = qt.load @w : !qt.tensor<4096x4096xf32, #qt.float<f8E4M3FN, channel>>
  %y = qt.matmul %q, %w : !qt.tensor<?x4096xf32, #qt.float<f8E4M3FN, token>>, !qt.tensor<4096x4096xf32, #qt.float<f8E4M3FN, channel>> -> tensor<?x4096xf32>
  return %y : tensor<?x4096xf32>
}
