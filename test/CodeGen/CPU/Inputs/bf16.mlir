// bf16 and 8-bit floats times bf16.
qt.weight @pairs : !qt.tensor<64x64xf32, #qt.float<bf16>> in "m.safetensors"
qt.weight @bytes : !qt.tensor<64x64xf32, #qt.float<f8E4M3FN, channel>> in "m.safetensors"
func.func @forward(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %pairs = qt.load @pairs : !qt.tensor<64x64xf32, #qt.float<bf16>>
  %p = qt.quantize %x : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.float<bf16>>
  %y = qt.matmul %p, %pairs : !qt.tensor<?x64xf32, #qt.float<bf16>>, !qt.tensor<64x64xf32, #qt.float<bf16>> -> tensor<?x64xf32>
  %bytes = qt.load @bytes : !qt.tensor<64x64xf32, #qt.float<f8E4M3FN, channel>>
  %q = qt.quantize %y : tensor<?x64xf32> -> !qt.tensor<?x64xf32, #qt.float<f8E4M3FN, token>>
  %z = qt.matmul %q, %bytes : !qt.tensor<?x64xf32, #qt.float<f8E4M3FN, token>>, !qt.tensor<64x64xf32, #qt.float<f8E4M3FN, channel>> -> tensor<?x64xf32>
  return %z : tensor<?x64xf32>
}
