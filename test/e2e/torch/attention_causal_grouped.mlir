// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#map = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d3, d4)>
#map1 = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3, d4)>
#map2 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map3 = affine_map<(d0) -> (d0)>
#map4 = affine_map<(d0, d1) -> (0, d1)>
#map5 = affine_map<(d0, d1) -> (d0, 0)>
#map6 = affine_map<(d0, d1) -> (d0, d1)>
#map7 = affine_map<(d0, d1) -> ()>
#map8 = affine_map<(d0, d1, d2, d3) -> (d2, d3)>
#map9 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
#map10 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, 0)>
module {
  func.func @attention_causal_grouped(%arg0: tensor<1x6x16xf32>) -> tensor<1x6x16xf32> {
    %c1_i64 = arith.constant 1 : i64
    %c0_i64 = arith.constant 0 : i64
    %cst = arith.constant 0.000000e+00 : f32
    %cst_0 = arith.constant 0xFF800000 : f32
    %cst_1 = arith.constant dense<0.000000e+00> : tensor<f32>
    %cst_2 = arith.constant dense<0xFF800000> : tensor<6x6xf32>
    %cst_3 = arith.constant dense_resource<torch_tensor_16_16_torch.float32_1> : tensor<16x16xf32>
    %cst_4 = arith.constant dense_resource<torch_tensor_8_16_torch.float32_1> : tensor<8x16xf32>
    %cst_5 = arith.constant dense_resource<torch_tensor_8_16_torch.float32> : tensor<8x16xf32>
    %cst_6 = arith.constant dense_resource<torch_tensor_16_16_torch.float32> : tensor<16x16xf32>
    %cst_7 = arith.constant 5.000000e-01 : f32
    %0 = tensor.empty() : tensor<16x16xf32>
    %transposed = linalg.transpose ins(%cst_6 : tensor<16x16xf32>) outs(%0 : tensor<16x16xf32>) permutation = [1, 0] 
    %collapsed = tensor.collapse_shape %arg0 [[0, 1], [2]] : tensor<1x6x16xf32> into tensor<6x16xf32>
    %1 = tensor.empty() : tensor<6x16xf32>
    %2 = linalg.fill ins(%cst : f32) outs(%1 : tensor<6x16xf32>) -> tensor<6x16xf32>
    %3 = linalg.matmul ins(%collapsed, %transposed : tensor<6x16xf32>, tensor<16x16xf32>) outs(%2 : tensor<6x16xf32>) -> tensor<6x16xf32>
    %expanded = tensor.expand_shape %3 [[0, 1], [2, 3]] output_shape [1, 6, 4, 4] : tensor<6x16xf32> into tensor<1x6x4x4xf32>
    %4 = tensor.empty() : tensor<1x4x6x4xf32>
    %transposed_8 = linalg.transpose ins(%expanded : tensor<1x6x4x4xf32>) outs(%4 : tensor<1x4x6x4xf32>) permutation = [0, 2, 1, 3] 
    %5 = tensor.empty() : tensor<16x8xf32>
    %transposed_9 = linalg.transpose ins(%cst_5 : tensor<8x16xf32>) outs(%5 : tensor<16x8xf32>) permutation = [1, 0] 
    %6 = tensor.empty() : tensor<6x8xf32>
    %7 = linalg.fill ins(%cst : f32) outs(%6 : tensor<6x8xf32>) -> tensor<6x8xf32>
    %8 = linalg.matmul ins(%collapsed, %transposed_9 : tensor<6x16xf32>, tensor<16x8xf32>) outs(%7 : tensor<6x8xf32>) -> tensor<6x8xf32>
    %expanded_10 = tensor.expand_shape %8 [[0, 1], [2, 3]] output_shape [1, 6, 2, 4] : tensor<6x8xf32> into tensor<1x6x2x4xf32>
    %9 = tensor.empty() : tensor<1x2x6x4xf32>
    %transposed_11 = linalg.transpose ins(%expanded_10 : tensor<1x6x2x4xf32>) outs(%9 : tensor<1x2x6x4xf32>) permutation = [0, 2, 1, 3] 
    %transposed_12 = linalg.transpose ins(%cst_4 : tensor<8x16xf32>) outs(%5 : tensor<16x8xf32>) permutation = [1, 0] 
    %10 = linalg.matmul ins(%collapsed, %transposed_12 : tensor<6x16xf32>, tensor<16x8xf32>) outs(%7 : tensor<6x8xf32>) -> tensor<6x8xf32>
    %expanded_13 = tensor.expand_shape %10 [[0, 1], [2, 3]] output_shape [1, 6, 2, 4] : tensor<6x8xf32> into tensor<1x6x2x4xf32>
    %transposed_14 = linalg.transpose ins(%expanded_13 : tensor<1x6x2x4xf32>) outs(%9 : tensor<1x2x6x4xf32>) permutation = [0, 2, 1, 3] 
    %11 = tensor.empty() : tensor<1x2x2x6x4xf32>
    %12 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]} ins(%transposed_11 : tensor<1x2x6x4xf32>) outs(%11 : tensor<1x2x2x6x4xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<1x2x2x6x4xf32>
    %collapsed_15 = tensor.collapse_shape %12 [[0], [1, 2], [3], [4]] : tensor<1x2x2x6x4xf32> into tensor<1x4x6x4xf32>
    %13 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]} ins(%transposed_14 : tensor<1x2x6x4xf32>) outs(%11 : tensor<1x2x2x6x4xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<1x2x2x6x4xf32>
    %14 = tensor.empty() : tensor<1x4x4x6xf32>
    %transposed_16 = linalg.transpose ins(%collapsed_15 : tensor<1x4x6x4xf32>) outs(%14 : tensor<1x4x4x6xf32>) permutation = [0, 1, 3, 2] 
    %collapsed_17 = tensor.collapse_shape %transposed_8 [[0, 1], [2], [3]] : tensor<1x4x6x4xf32> into tensor<4x6x4xf32>
    %collapsed_18 = tensor.collapse_shape %transposed_16 [[0, 1], [2], [3]] : tensor<1x4x4x6xf32> into tensor<4x4x6xf32>
    %15 = tensor.empty() : tensor<4x6x6xf32>
    %16 = linalg.fill ins(%cst : f32) outs(%15 : tensor<4x6x6xf32>) -> tensor<4x6x6xf32>
    %17 = linalg.batch_matmul ins(%collapsed_17, %collapsed_18 : tensor<4x6x4xf32>, tensor<4x4x6xf32>) outs(%16 : tensor<4x6x6xf32>) -> tensor<4x6x6xf32>
    %expanded_19 = tensor.expand_shape %17 [[0, 1], [2], [3]] output_shape [1, 4, 6, 6] : tensor<4x6x6xf32> into tensor<1x4x6x6xf32>
    %18 = tensor.empty() : tensor<1x4x6x6xf32>
    %19 = linalg.generic {indexing_maps = [#map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded_19 : tensor<1x4x6x6xf32>) outs(%18 : tensor<1x4x6x6xf32>) {
    ^bb0(%in: f32, %out: f32):
      %45 = arith.mulf %in, %cst_7 : f32
      linalg.yield %45 : f32
    } -> tensor<1x4x6x6xf32>
    %20 = tensor.empty() : tensor<6xi64>
    %21 = linalg.generic {indexing_maps = [#map3], iterator_types = ["parallel"]} outs(%20 : tensor<6xi64>) {
    ^bb0(%out: i64):
      %45 = linalg.index 0 : index
      %46 = arith.index_cast %45 : index to i64
      linalg.yield %46 : i64
    } -> tensor<6xi64>
    %expanded_20 = tensor.expand_shape %21 [[0, 1]] output_shape [1, 6] : tensor<6xi64> into tensor<1x6xi64>
    %expanded_21 = tensor.expand_shape %21 [[0, 1]] output_shape [6, 1] : tensor<6xi64> into tensor<6x1xi64>
    %22 = tensor.empty() : tensor<6x6xi64>
    %23 = linalg.generic {indexing_maps = [#map4, #map5, #map6], iterator_types = ["parallel", "parallel"]} ins(%expanded_20, %expanded_21 : tensor<1x6xi64>, tensor<6x1xi64>) outs(%22 : tensor<6x6xi64>) {
    ^bb0(%in: i64, %in_30: i64, %out: i64):
      %45 = arith.subi %in, %in_30 : i64
      linalg.yield %45 : i64
    } -> tensor<6x6xi64>
    %24 = tensor.empty() : tensor<6x6xi1>
    %25 = linalg.generic {indexing_maps = [#map6, #map6], iterator_types = ["parallel", "parallel"]} ins(%23 : tensor<6x6xi64>) outs(%24 : tensor<6x6xi1>) {
    ^bb0(%in: i64, %out: i1):
      %45 = arith.cmpi sge, %in, %c1_i64 : i64
      linalg.yield %45 : i1
    } -> tensor<6x6xi1>
    %26 = tensor.empty() : tensor<6x6xf32>
    %27 = linalg.generic {indexing_maps = [#map6, #map6, #map7, #map6], iterator_types = ["parallel", "parallel"]} ins(%25, %cst_2, %cst_1 : tensor<6x6xi1>, tensor<6x6xf32>, tensor<f32>) outs(%26 : tensor<6x6xf32>) {
    ^bb0(%in: i1, %in_30: f32, %in_31: f32, %out: f32):
      %45 = arith.select %in, %in_30, %in_31 : f32
      linalg.yield %45 : f32
    } -> tensor<6x6xf32>
    %28 = linalg.generic {indexing_maps = [#map2, #map8, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%19, %27 : tensor<1x4x6x6xf32>, tensor<6x6xf32>) outs(%18 : tensor<1x4x6x6xf32>) {
    ^bb0(%in: f32, %in_30: f32, %out: f32):
      %45 = arith.addf %in, %in_30 : f32
      linalg.yield %45 : f32
    } -> tensor<1x4x6x6xf32>
    %29 = tensor.empty() : tensor<1x4x6xi64>
    %30 = linalg.fill ins(%c0_i64 : i64) outs(%29 : tensor<1x4x6xi64>) -> tensor<1x4x6xi64>
    %31 = tensor.empty() : tensor<1x4x6xf32>
    %32 = linalg.fill ins(%cst_0 : f32) outs(%31 : tensor<1x4x6xf32>) -> tensor<1x4x6xf32>
    %33:2 = linalg.generic {indexing_maps = [#map2, #map9, #map9], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%28 : tensor<1x4x6x6xf32>) outs(%32, %30 : tensor<1x4x6xf32>, tensor<1x4x6xi64>) {
    ^bb0(%in: f32, %out: f32, %out_30: i64):
      %45 = linalg.index 3 : index
      %46 = arith.index_cast %45 : index to i64
      %47 = arith.maximumf %in, %out : f32
      %48 = arith.cmpf ogt, %in, %out : f32
      %49 = arith.select %48, %46, %out_30 : i64
      linalg.yield %47, %49 : f32, i64
    } -> (tensor<1x4x6xf32>, tensor<1x4x6xi64>)
    %expanded_22 = tensor.expand_shape %33#0 [[0], [1], [2, 3]] output_shape [1, 4, 6, 1] : tensor<1x4x6xf32> into tensor<1x4x6x1xf32>
    %34 = linalg.generic {indexing_maps = [#map2, #map10, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%28, %expanded_22 : tensor<1x4x6x6xf32>, tensor<1x4x6x1xf32>) outs(%18 : tensor<1x4x6x6xf32>) {
    ^bb0(%in: f32, %in_30: f32, %out: f32):
      %45 = arith.subf %in, %in_30 : f32
      linalg.yield %45 : f32
    } -> tensor<1x4x6x6xf32>
    %35 = linalg.generic {indexing_maps = [#map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%34 : tensor<1x4x6x6xf32>) outs(%18 : tensor<1x4x6x6xf32>) {
    ^bb0(%in: f32, %out: f32):
      %45 = math.exp %in : f32
      linalg.yield %45 : f32
    } -> tensor<1x4x6x6xf32>
    %36 = tensor.empty() : tensor<1x4x6x1xf32>
    %37 = linalg.fill ins(%cst : f32) outs(%36 : tensor<1x4x6x1xf32>) -> tensor<1x4x6x1xf32>
    %38 = linalg.generic {indexing_maps = [#map2, #map10], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%35 : tensor<1x4x6x6xf32>) outs(%37 : tensor<1x4x6x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %45 = arith.addf %in, %out : f32
      linalg.yield %45 : f32
    } -> tensor<1x4x6x1xf32>
    %39 = linalg.generic {indexing_maps = [#map2, #map10, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%35, %38 : tensor<1x4x6x6xf32>, tensor<1x4x6x1xf32>) outs(%18 : tensor<1x4x6x6xf32>) {
    ^bb0(%in: f32, %in_30: f32, %out: f32):
      %45 = arith.divf %in, %in_30 : f32
      linalg.yield %45 : f32
    } -> tensor<1x4x6x6xf32>
    %collapsed_23 = tensor.collapse_shape %39 [[0, 1], [2], [3]] : tensor<1x4x6x6xf32> into tensor<4x6x6xf32>
    %collapsed_24 = tensor.collapse_shape %13 [[0, 1, 2], [3], [4]] : tensor<1x2x2x6x4xf32> into tensor<4x6x4xf32>
    %40 = tensor.empty() : tensor<4x6x4xf32>
    %41 = linalg.fill ins(%cst : f32) outs(%40 : tensor<4x6x4xf32>) -> tensor<4x6x4xf32>
    %42 = linalg.batch_matmul ins(%collapsed_23, %collapsed_24 : tensor<4x6x6xf32>, tensor<4x6x4xf32>) outs(%41 : tensor<4x6x4xf32>) -> tensor<4x6x4xf32>
    %expanded_25 = tensor.expand_shape %42 [[0, 1], [2], [3]] output_shape [1, 4, 6, 4] : tensor<4x6x4xf32> into tensor<1x4x6x4xf32>
    %43 = tensor.empty() : tensor<1x6x4x4xf32>
    %transposed_26 = linalg.transpose ins(%expanded_25 : tensor<1x4x6x4xf32>) outs(%43 : tensor<1x6x4x4xf32>) permutation = [0, 2, 1, 3] 
    %transposed_27 = linalg.transpose ins(%cst_3 : tensor<16x16xf32>) outs(%0 : tensor<16x16xf32>) permutation = [1, 0] 
    %collapsed_28 = tensor.collapse_shape %transposed_26 [[0, 1], [2, 3]] : tensor<1x6x4x4xf32> into tensor<6x16xf32>
    %44 = linalg.matmul ins(%collapsed_28, %transposed_27 : tensor<6x16xf32>, tensor<16x16xf32>) outs(%2 : tensor<6x16xf32>) -> tensor<6x16xf32>
    %expanded_29 = tensor.expand_shape %44 [[0, 1], [2]] output_shape [1, 6, 16] : tensor<6x16xf32> into tensor<1x6x16xf32>
    return %expanded_29 : tensor<1x6x16xf32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_16_16_torch.float32_1: "0x04000000000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE",
      torch_tensor_8_16_torch.float32_1: "0x04000000000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE",
      torch_tensor_8_16_torch.float32: "0x04000000000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E",
      torch_tensor_16_16_torch.float32: "0x04000000000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE"
    }
  }
#-}
