// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#map = affine_map<(d0, d1) -> (d1)>
#map1 = affine_map<(d0, d1) -> (d0, d1)>
module {
  func.func @linear_3d(%arg0: tensor<2x6x8xf32>) -> tensor<2x6x12xf32> {
    %cst = arith.constant 0.000000e+00 : f32
    %cst_0 = arith.constant dense_resource<torch_tensor_12_torch.float32> : tensor<12xf32>
    %cst_1 = arith.constant dense_resource<torch_tensor_12_8_torch.float32> : tensor<12x8xf32>
    %collapsed = tensor.collapse_shape %arg0 [[0, 1], [2]] : tensor<2x6x8xf32> into tensor<12x8xf32>
    %0 = tensor.empty() : tensor<8x12xf32>
    %transposed = linalg.transpose ins(%cst_1 : tensor<12x8xf32>) outs(%0 : tensor<8x12xf32>) permutation = [1, 0] 
    %1 = tensor.empty() : tensor<12x12xf32>
    %2 = linalg.fill ins(%cst : f32) outs(%1 : tensor<12x12xf32>) -> tensor<12x12xf32>
    %3 = linalg.matmul ins(%collapsed, %transposed : tensor<12x8xf32>, tensor<8x12xf32>) outs(%2 : tensor<12x12xf32>) -> tensor<12x12xf32>
    %4 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel"]} ins(%cst_0 : tensor<12xf32>) outs(%1 : tensor<12x12xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<12x12xf32>
    %5 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel"]} ins(%3, %4 : tensor<12x12xf32>, tensor<12x12xf32>) outs(%1 : tensor<12x12xf32>) {
    ^bb0(%in: f32, %in_2: f32, %out: f32):
      %6 = arith.addf %in, %in_2 : f32
      linalg.yield %6 : f32
    } -> tensor<12x12xf32>
    %expanded = tensor.expand_shape %5 [[0, 1], [2]] output_shape [2, 6, 12] : tensor<12x12xf32> into tensor<2x6x12xf32>
    return %expanded : tensor<2x6x12xf32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_12_torch.float32: "0x040000000000203F0000303F0000403F0000503F0000203F0000303F0000403F0000503F0000203F0000303F0000403F0000503F",
      torch_tensor_12_8_torch.float32: "0x04000000000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE"
    }
  }
#-}
