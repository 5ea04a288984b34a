// RUN: quant-opt %s --lm-to-linalg %lower_to_llvm | %run | FileCheck %s

// Every pair is (1, 0), so that it turns into (cos, sin) of its angle. With base 100
// and two pairs, the angles at position p are p and p/10. A head of 6 elements
// keeps its last two.
//
//   cos 1 = 0.540302   sin 1 = 0.841471   cos 0.1 = 0.995004   sin 0.1 = 0.0998334
//   cos 2 = -0.416147  sin 2 = 0.909297   cos 0.2 = 0.980067   sin 0.2 = 0.198669

func.func private @printMemrefF32(tensor<*xf32>)

func.func @interleaved(%x: tensor<?x12xf32>, %position: index) -> tensor<?x12xf32> {
  %0 = lm.rope %x at %position {base = 100.0, head_size = 6, rotary_size = 4, style = #lm.rope_style<interleaved>} : tensor<?x12xf32>
  return %0 : tensor<?x12xf32>
}

func.func @half(%x: tensor<?x12xf32>, %position: index) -> tensor<?x12xf32> {
  %0 = lm.rope %x at %position {base = 100.0, head_size = 6, rotary_size = 4, style = #lm.rope_style<half>} : tensor<?x12xf32>
  return %0 : tensor<?x12xf32>
}

// All elements of the head.
func.func @whole(%x: tensor<1x1x4xf32>, %position: index) -> tensor<1x1x4xf32> {
  %0 = lm.rope %x at %position {base = 100.0, head_size = 4, style = #lm.rope_style<half>} : tensor<1x1x4xf32>
  return %0 : tensor<1x1x4xf32>
}

// The first angle halved, the second divided by 0.1.
func.func @stretched(%x: tensor<1x1x4xf32>, %position: index) -> tensor<1x1x4xf32> {
  %0 = lm.rope %x at %position {base = 100.0, divisors = array<f64: 2.0, 0.1>, head_size = 4, style = #lm.rope_style<half>} : tensor<1x1x4xf32>
  return %0 : tensor<1x1x4xf32>
}

func.func @main() {
  %one = arith.constant 1 : index
  // Two tokens at positions 1 and 2, two equal heads.
  // CHECK:      [0.540302, 0.841471, 0.995004, 0.0998334, 7, 8, 0.540302, 0.841471, 0.995004, 0.0998334, 7, 8],
  // CHECK-NEXT: [-0.416147, 0.909297, 0.980067, 0.198669, 7, 8, -0.416147, 0.909297, 0.980067, 0.198669, 7, 8]
  %x = arith.constant dense<[1.0, 0.0, 1.0, 0.0, 7.0, 8.0, 1.0, 0.0, 1.0, 0.0, 7.0, 8.0]> : tensor<12xf32>
  %xe = tensor.empty() : tensor<2x12xf32>
  %x2 = linalg.broadcast ins(%x : tensor<12xf32>) outs(%xe : tensor<2x12xf32>) dimensions = [0]
  %xd = tensor.cast %x2 : tensor<2x12xf32> to tensor<?x12xf32>
  %0 = call @interleaved(%xd, %one) : (tensor<?x12xf32>, index) -> tensor<?x12xf32>
  %u0 = tensor.cast %0 : tensor<?x12xf32> to tensor<*xf32>
  call @printMemrefF32(%u0) : (tensor<*xf32>) -> ()

  // CHECK:      [0.540302, 0.995004, 0.841471, 0.0998334, 7, 8, 0.540302, 0.995004, 0.841471, 0.0998334, 7, 8],
  // CHECK-NEXT: [-0.416147, 0.980067, 0.909297, 0.198669, 7, 8, -0.416147, 0.980067, 0.909297, 0.198669, 7, 8]
  %y = arith.constant dense<[1.0, 1.0, 0.0, 0.0, 7.0, 8.0, 1.0, 1.0, 0.0, 0.0, 7.0, 8.0]> : tensor<12xf32>
  %ye = tensor.empty() : tensor<2x12xf32>
  %y2 = linalg.broadcast ins(%y : tensor<12xf32>) outs(%ye : tensor<2x12xf32>) dimensions = [0]
  %yd = tensor.cast %y2 : tensor<2x12xf32> to tensor<?x12xf32>
  %1 = call @half(%yd, %one) : (tensor<?x12xf32>, index) -> tensor<?x12xf32>
  %u1 = tensor.cast %1 : tensor<?x12xf32> to tensor<*xf32>
  call @printMemrefF32(%u1) : (tensor<*xf32>) -> ()

  // (0, 1) turns into (-sin, cos).
  // CHECK: [-0.841471, -0.0998334, 0.540302, 0.995004]
  %z = arith.constant dense<[[[0.0, 0.0, 1.0, 1.0]]]> : tensor<1x1x4xf32>
  %2 = call @whole(%z, %one) : (tensor<1x1x4xf32>, index) -> tensor<1x1x4xf32>
  %u2 = tensor.cast %2 : tensor<1x1x4xf32> to tensor<*xf32>
  call @printMemrefF32(%u2) : (tensor<*xf32>) -> ()

  // Far away: cos 1000003, cos 100000.3, sin 1000003, sin 100000.3. In f32 the second
  // angle is 100000.297, whose cosine is -0.966102.
  // CHECK: [-0.877986, -0.96529, 0.478685, -0.261179]
  %far = arith.constant 1000003 : index
  %w = arith.constant dense<[[[1.0, 1.0, 0.0, 0.0]]]> : tensor<1x1x4xf32>
  %3 = call @whole(%w, %far) : (tensor<1x1x4xf32>, index) -> tensor<1x1x4xf32>
  %u3 = tensor.cast %3 : tensor<1x1x4xf32> to tensor<*xf32>
  call @printMemrefF32(%u3) : (tensor<*xf32>) -> ()

  // At position 2, angles of 2/2 and 0.2/0.1.
  // CHECK: [0.540302, -0.416147, 0.841471, 0.909297]
  %two = arith.constant 2 : index
  %4 = call @stretched(%w, %two) : (tensor<1x1x4xf32>, index) -> tensor<1x1x4xf32>
  %u4 = tensor.cast %4 : tensor<1x1x4xf32> to tensor<*xf32>
  call @printMemrefF32(%u4) : (tensor<*xf32>) -> ()
  return
}
