// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#map = affine_map<(d0, d1) -> (d1)>
#map1 = affine_map<(d0, d1) -> (d0, d1)>
#map2 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map3 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
#map4 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, 0)>
module {
  func.func @attention_explicit(%arg0: tensor<2x6x8xf32>) -> tensor<2x6x8xf32> {
    %cst = arith.constant 0.000000e+00 : f32
    %c0_i64 = arith.constant 0 : i64
    %cst_0 = arith.constant 0xFF800000 : f32
    %cst_1 = arith.constant dense_resource<torch_tensor_8_torch.float32_2> : tensor<8xf32>
    %cst_2 = arith.constant dense_resource<torch_tensor_8_8_torch.float32_2> : tensor<8x8xf32>
    %cst_3 = arith.constant dense_resource<torch_tensor_8_torch.float32_1> : tensor<8xf32>
    %cst_4 = arith.constant dense_resource<torch_tensor_8_8_torch.float32_1> : tensor<8x8xf32>
    %cst_5 = arith.constant dense_resource<torch_tensor_8_torch.float32> : tensor<8xf32>
    %cst_6 = arith.constant dense_resource<torch_tensor_8_8_torch.float32> : tensor<8x8xf32>
    %cst_7 = arith.constant 5.000000e-01 : f32
    %collapsed = tensor.collapse_shape %arg0 [[0, 1], [2]] : tensor<2x6x8xf32> into tensor<12x8xf32>
    %0 = tensor.empty() : tensor<8x8xf32>
    %transposed = linalg.transpose ins(%cst_6 : tensor<8x8xf32>) outs(%0 : tensor<8x8xf32>) permutation = [1, 0] 
    %1 = tensor.empty() : tensor<12x8xf32>
    %2 = linalg.fill ins(%cst : f32) outs(%1 : tensor<12x8xf32>) -> tensor<12x8xf32>
    %3 = linalg.matmul ins(%collapsed, %transposed : tensor<12x8xf32>, tensor<8x8xf32>) outs(%2 : tensor<12x8xf32>) -> tensor<12x8xf32>
    %4 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel"]} ins(%cst_5 : tensor<8xf32>) outs(%1 : tensor<12x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<12x8xf32>
    %5 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel"]} ins(%3, %4 : tensor<12x8xf32>, tensor<12x8xf32>) outs(%1 : tensor<12x8xf32>) {
    ^bb0(%in: f32, %in_24: f32, %out: f32):
      %34 = arith.addf %in, %in_24 : f32
      linalg.yield %34 : f32
    } -> tensor<12x8xf32>
    %expanded = tensor.expand_shape %5 [[0, 1], [2, 3]] output_shape [2, 6, 2, 4] : tensor<12x8xf32> into tensor<2x6x2x4xf32>
    %6 = tensor.empty() : tensor<2x2x6x4xf32>
    %transposed_8 = linalg.transpose ins(%expanded : tensor<2x6x2x4xf32>) outs(%6 : tensor<2x2x6x4xf32>) permutation = [0, 2, 1, 3] 
    %transposed_9 = linalg.transpose ins(%cst_4 : tensor<8x8xf32>) outs(%0 : tensor<8x8xf32>) permutation = [1, 0] 
    %7 = linalg.matmul ins(%collapsed, %transposed_9 : tensor<12x8xf32>, tensor<8x8xf32>) outs(%2 : tensor<12x8xf32>) -> tensor<12x8xf32>
    %8 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel"]} ins(%cst_3 : tensor<8xf32>) outs(%1 : tensor<12x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<12x8xf32>
    %9 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel"]} ins(%7, %8 : tensor<12x8xf32>, tensor<12x8xf32>) outs(%1 : tensor<12x8xf32>) {
    ^bb0(%in: f32, %in_24: f32, %out: f32):
      %34 = arith.addf %in, %in_24 : f32
      linalg.yield %34 : f32
    } -> tensor<12x8xf32>
    %expanded_10 = tensor.expand_shape %9 [[0, 1], [2, 3]] output_shape [2, 6, 2, 4] : tensor<12x8xf32> into tensor<2x6x2x4xf32>
    %transposed_11 = linalg.transpose ins(%cst_2 : tensor<8x8xf32>) outs(%0 : tensor<8x8xf32>) permutation = [1, 0] 
    %10 = linalg.matmul ins(%collapsed, %transposed_11 : tensor<12x8xf32>, tensor<8x8xf32>) outs(%2 : tensor<12x8xf32>) -> tensor<12x8xf32>
    %11 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel"]} ins(%cst_1 : tensor<8xf32>) outs(%1 : tensor<12x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<12x8xf32>
    %12 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel"]} ins(%10, %11 : tensor<12x8xf32>, tensor<12x8xf32>) outs(%1 : tensor<12x8xf32>) {
    ^bb0(%in: f32, %in_24: f32, %out: f32):
      %34 = arith.addf %in, %in_24 : f32
      linalg.yield %34 : f32
    } -> tensor<12x8xf32>
    %expanded_12 = tensor.expand_shape %12 [[0, 1], [2, 3]] output_shape [2, 6, 2, 4] : tensor<12x8xf32> into tensor<2x6x2x4xf32>
    %transposed_13 = linalg.transpose ins(%expanded_12 : tensor<2x6x2x4xf32>) outs(%6 : tensor<2x2x6x4xf32>) permutation = [0, 2, 1, 3] 
    %13 = tensor.empty() : tensor<2x2x4x6xf32>
    %transposed_14 = linalg.transpose ins(%expanded_10 : tensor<2x6x2x4xf32>) outs(%13 : tensor<2x2x4x6xf32>) permutation = [0, 2, 3, 1] 
    %collapsed_15 = tensor.collapse_shape %transposed_8 [[0, 1], [2], [3]] : tensor<2x2x6x4xf32> into tensor<4x6x4xf32>
    %collapsed_16 = tensor.collapse_shape %transposed_14 [[0, 1], [2], [3]] : tensor<2x2x4x6xf32> into tensor<4x4x6xf32>
    %14 = tensor.empty() : tensor<4x6x6xf32>
    %15 = linalg.fill ins(%cst : f32) outs(%14 : tensor<4x6x6xf32>) -> tensor<4x6x6xf32>
    %16 = linalg.batch_matmul ins(%collapsed_15, %collapsed_16 : tensor<4x6x4xf32>, tensor<4x4x6xf32>) outs(%15 : tensor<4x6x6xf32>) -> tensor<4x6x6xf32>
    %expanded_17 = tensor.expand_shape %16 [[0, 1], [2], [3]] output_shape [2, 2, 6, 6] : tensor<4x6x6xf32> into tensor<2x2x6x6xf32>
    %17 = tensor.empty() : tensor<2x2x6x6xf32>
    %18 = linalg.generic {indexing_maps = [#map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded_17 : tensor<2x2x6x6xf32>) outs(%17 : tensor<2x2x6x6xf32>) {
    ^bb0(%in: f32, %out: f32):
      %34 = arith.mulf %in, %cst_7 : f32
      linalg.yield %34 : f32
    } -> tensor<2x2x6x6xf32>
    %19 = tensor.empty() : tensor<2x2x6xi64>
    %20 = linalg.fill ins(%c0_i64 : i64) outs(%19 : tensor<2x2x6xi64>) -> tensor<2x2x6xi64>
    %21 = tensor.empty() : tensor<2x2x6xf32>
    %22 = linalg.fill ins(%cst_0 : f32) outs(%21 : tensor<2x2x6xf32>) -> tensor<2x2x6xf32>
    %23:2 = linalg.generic {indexing_maps = [#map2, #map3, #map3], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%18 : tensor<2x2x6x6xf32>) outs(%22, %20 : tensor<2x2x6xf32>, tensor<2x2x6xi64>) {
    ^bb0(%in: f32, %out: f32, %out_24: i64):
      %34 = linalg.index 3 : index
      %35 = arith.index_cast %34 : index to i64
      %36 = arith.maximumf %in, %out : f32
      %37 = arith.cmpf ogt, %in, %out : f32
      %38 = arith.select %37, %35, %out_24 : i64
      linalg.yield %36, %38 : f32, i64
    } -> (tensor<2x2x6xf32>, tensor<2x2x6xi64>)
    %expanded_18 = tensor.expand_shape %23#0 [[0], [1], [2, 3]] output_shape [2, 2, 6, 1] : tensor<2x2x6xf32> into tensor<2x2x6x1xf32>
    %24 = linalg.generic {indexing_maps = [#map2, #map4, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%18, %expanded_18 : tensor<2x2x6x6xf32>, tensor<2x2x6x1xf32>) outs(%17 : tensor<2x2x6x6xf32>) {
    ^bb0(%in: f32, %in_24: f32, %out: f32):
      %34 = arith.subf %in, %in_24 : f32
      linalg.yield %34 : f32
    } -> tensor<2x2x6x6xf32>
    %25 = linalg.generic {indexing_maps = [#map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%24 : tensor<2x2x6x6xf32>) outs(%17 : tensor<2x2x6x6xf32>) {
    ^bb0(%in: f32, %out: f32):
      %34 = math.exp %in : f32
      linalg.yield %34 : f32
    } -> tensor<2x2x6x6xf32>
    %26 = tensor.empty() : tensor<2x2x6x1xf32>
    %27 = linalg.fill ins(%cst : f32) outs(%26 : tensor<2x2x6x1xf32>) -> tensor<2x2x6x1xf32>
    %28 = linalg.generic {indexing_maps = [#map2, #map4], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%25 : tensor<2x2x6x6xf32>) outs(%27 : tensor<2x2x6x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %34 = arith.addf %in, %out : f32
      linalg.yield %34 : f32
    } -> tensor<2x2x6x1xf32>
    %29 = linalg.generic {indexing_maps = [#map2, #map4, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%25, %28 : tensor<2x2x6x6xf32>, tensor<2x2x6x1xf32>) outs(%17 : tensor<2x2x6x6xf32>) {
    ^bb0(%in: f32, %in_24: f32, %out: f32):
      %34 = arith.divf %in, %in_24 : f32
      linalg.yield %34 : f32
    } -> tensor<2x2x6x6xf32>
    %collapsed_19 = tensor.collapse_shape %29 [[0, 1], [2], [3]] : tensor<2x2x6x6xf32> into tensor<4x6x6xf32>
    %collapsed_20 = tensor.collapse_shape %transposed_13 [[0, 1], [2], [3]] : tensor<2x2x6x4xf32> into tensor<4x6x4xf32>
    %30 = tensor.empty() : tensor<4x6x4xf32>
    %31 = linalg.fill ins(%cst : f32) outs(%30 : tensor<4x6x4xf32>) -> tensor<4x6x4xf32>
    %32 = linalg.batch_matmul ins(%collapsed_19, %collapsed_20 : tensor<4x6x6xf32>, tensor<4x6x4xf32>) outs(%31 : tensor<4x6x4xf32>) -> tensor<4x6x4xf32>
    %expanded_21 = tensor.expand_shape %32 [[0, 1], [2], [3]] output_shape [2, 2, 6, 4] : tensor<4x6x4xf32> into tensor<2x2x6x4xf32>
    %33 = tensor.empty() : tensor<2x6x2x4xf32>
    %transposed_22 = linalg.transpose ins(%expanded_21 : tensor<2x2x6x4xf32>) outs(%33 : tensor<2x6x2x4xf32>) permutation = [0, 2, 1, 3] 
    %collapsed_23 = tensor.collapse_shape %transposed_22 [[0], [1], [2, 3]] : tensor<2x6x2x4xf32> into tensor<2x6x8xf32>
    return %collapsed_23 : tensor<2x6x8xf32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_8_torch.float32_2: "0x040000000000903F0000983F0000A03F0000A83F0000903F0000983F0000A03F0000A83F",
      torch_tensor_8_8_torch.float32_2: "0x04000000000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD00000000",
      torch_tensor_8_torch.float32_1: "0x040000000000603F0000703F0000803F0000883F0000603F0000703F0000803F0000883F",
      torch_tensor_8_8_torch.float32_1: "0x04000000000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD",
      torch_tensor_8_torch.float32: "0x040000000000203F0000303F0000403F0000503F0000203F0000303F0000403F0000503F",
      torch_tensor_8_8_torch.float32: "0x04000000000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD"
    }
  }
#-}
