// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#map = affine_map<(d0, d1) -> (d1)>
#map1 = affine_map<(d0, d1) -> (d0, d1)>
#map2 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map3 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
#map4 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, 0)>
module {
  func.func @attention_sdpa(%arg0: tensor<2x6x8xf32>) -> tensor<2x6x8xf32> {
    %cst = arith.constant 0.000000e+00 : f32
    %c0_i64 = arith.constant 0 : i64
    %cst_0 = arith.constant 0xFF800000 : f32
    %true = arith.constant true
    %cst_1 = arith.constant dense<0.000000e+00> : tensor<2x2x6x6xf32>
    %cst_2 = arith.constant 0xFFF0000000000000 : f64
    %cst_3 = arith.constant 0.70710678118654757 : f64
    %cst_4 = arith.constant dense_resource<torch_tensor_8_torch.float32_2> : tensor<8xf32>
    %cst_5 = arith.constant dense_resource<torch_tensor_8_8_torch.float32_2> : tensor<8x8xf32>
    %cst_6 = arith.constant dense_resource<torch_tensor_8_torch.float32_1> : tensor<8xf32>
    %cst_7 = arith.constant dense_resource<torch_tensor_8_8_torch.float32_1> : tensor<8x8xf32>
    %cst_8 = arith.constant dense_resource<torch_tensor_8_torch.float32> : tensor<8xf32>
    %cst_9 = arith.constant dense_resource<torch_tensor_8_8_torch.float32> : tensor<8x8xf32>
    %collapsed = tensor.collapse_shape %arg0 [[0, 1], [2]] : tensor<2x6x8xf32> into tensor<12x8xf32>
    %0 = tensor.empty() : tensor<8x8xf32>
    %transposed = linalg.transpose ins(%cst_9 : tensor<8x8xf32>) outs(%0 : tensor<8x8xf32>) permutation = [1, 0] 
    %1 = tensor.empty() : tensor<12x8xf32>
    %2 = linalg.fill ins(%cst : f32) outs(%1 : tensor<12x8xf32>) -> tensor<12x8xf32>
    %3 = linalg.matmul ins(%collapsed, %transposed : tensor<12x8xf32>, tensor<8x8xf32>) outs(%2 : tensor<12x8xf32>) -> tensor<12x8xf32>
    %4 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel"]} ins(%cst_8 : tensor<8xf32>) outs(%1 : tensor<12x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<12x8xf32>
    %5 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel"]} ins(%3, %4 : tensor<12x8xf32>, tensor<12x8xf32>) outs(%1 : tensor<12x8xf32>) {
    ^bb0(%in: f32, %in_26: f32, %out: f32):
      %41 = arith.addf %in, %in_26 : f32
      linalg.yield %41 : f32
    } -> tensor<12x8xf32>
    %expanded = tensor.expand_shape %5 [[0, 1], [2, 3]] output_shape [2, 6, 2, 4] : tensor<12x8xf32> into tensor<2x6x2x4xf32>
    %6 = tensor.empty() : tensor<2x2x6x4xf32>
    %transposed_10 = linalg.transpose ins(%expanded : tensor<2x6x2x4xf32>) outs(%6 : tensor<2x2x6x4xf32>) permutation = [0, 2, 1, 3] 
    %transposed_11 = linalg.transpose ins(%cst_7 : tensor<8x8xf32>) outs(%0 : tensor<8x8xf32>) permutation = [1, 0] 
    %7 = linalg.matmul ins(%collapsed, %transposed_11 : tensor<12x8xf32>, tensor<8x8xf32>) outs(%2 : tensor<12x8xf32>) -> tensor<12x8xf32>
    %8 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel"]} ins(%cst_6 : tensor<8xf32>) outs(%1 : tensor<12x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<12x8xf32>
    %9 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel"]} ins(%7, %8 : tensor<12x8xf32>, tensor<12x8xf32>) outs(%1 : tensor<12x8xf32>) {
    ^bb0(%in: f32, %in_26: f32, %out: f32):
      %41 = arith.addf %in, %in_26 : f32
      linalg.yield %41 : f32
    } -> tensor<12x8xf32>
    %expanded_12 = tensor.expand_shape %9 [[0, 1], [2, 3]] output_shape [2, 6, 2, 4] : tensor<12x8xf32> into tensor<2x6x2x4xf32>
    %transposed_13 = linalg.transpose ins(%cst_5 : tensor<8x8xf32>) outs(%0 : tensor<8x8xf32>) permutation = [1, 0] 
    %10 = linalg.matmul ins(%collapsed, %transposed_13 : tensor<12x8xf32>, tensor<8x8xf32>) outs(%2 : tensor<12x8xf32>) -> tensor<12x8xf32>
    %11 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel"]} ins(%cst_4 : tensor<8xf32>) outs(%1 : tensor<12x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<12x8xf32>
    %12 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel"]} ins(%10, %11 : tensor<12x8xf32>, tensor<12x8xf32>) outs(%1 : tensor<12x8xf32>) {
    ^bb0(%in: f32, %in_26: f32, %out: f32):
      %41 = arith.addf %in, %in_26 : f32
      linalg.yield %41 : f32
    } -> tensor<12x8xf32>
    %expanded_14 = tensor.expand_shape %12 [[0, 1], [2, 3]] output_shape [2, 6, 2, 4] : tensor<12x8xf32> into tensor<2x6x2x4xf32>
    %transposed_15 = linalg.transpose ins(%expanded_14 : tensor<2x6x2x4xf32>) outs(%6 : tensor<2x2x6x4xf32>) permutation = [0, 2, 1, 3] 
    %13 = linalg.generic {indexing_maps = [#map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed_10 : tensor<2x2x6x4xf32>) outs(%6 : tensor<2x2x6x4xf32>) {
    ^bb0(%in: f32, %out: f32):
      %41 = arith.truncf %cst_3 : f64 to f32
      %42 = arith.mulf %in, %41 : f32
      linalg.yield %42 : f32
    } -> tensor<2x2x6x4xf32>
    %14 = tensor.empty() : tensor<2x2x4x6xf32>
    %transposed_16 = linalg.transpose ins(%expanded_12 : tensor<2x6x2x4xf32>) outs(%14 : tensor<2x2x4x6xf32>) permutation = [0, 2, 3, 1] 
    %15 = linalg.generic {indexing_maps = [#map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed_16 : tensor<2x2x4x6xf32>) outs(%14 : tensor<2x2x4x6xf32>) {
    ^bb0(%in: f32, %out: f32):
      %41 = arith.truncf %cst_3 : f64 to f32
      %42 = arith.mulf %in, %41 : f32
      linalg.yield %42 : f32
    } -> tensor<2x2x4x6xf32>
    %collapsed_17 = tensor.collapse_shape %13 [[0, 1], [2], [3]] : tensor<2x2x6x4xf32> into tensor<4x6x4xf32>
    %collapsed_18 = tensor.collapse_shape %15 [[0, 1], [2], [3]] : tensor<2x2x4x6xf32> into tensor<4x4x6xf32>
    %16 = tensor.empty() : tensor<4x6x6xf32>
    %17 = linalg.fill ins(%cst : f32) outs(%16 : tensor<4x6x6xf32>) -> tensor<4x6x6xf32>
    %18 = linalg.batch_matmul ins(%collapsed_17, %collapsed_18 : tensor<4x6x4xf32>, tensor<4x4x6xf32>) outs(%17 : tensor<4x6x6xf32>) -> tensor<4x6x6xf32>
    %expanded_19 = tensor.expand_shape %18 [[0, 1], [2], [3]] output_shape [2, 2, 6, 6] : tensor<4x6x6xf32> into tensor<2x2x6x6xf32>
    %19 = tensor.empty() : tensor<2x2x6xi64>
    %20 = linalg.fill ins(%c0_i64 : i64) outs(%19 : tensor<2x2x6xi64>) -> tensor<2x2x6xi64>
    %21 = tensor.empty() : tensor<2x2x6xf32>
    %22 = linalg.fill ins(%cst_0 : f32) outs(%21 : tensor<2x2x6xf32>) -> tensor<2x2x6xf32>
    %23:2 = linalg.generic {indexing_maps = [#map2, #map3, #map3], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%expanded_19 : tensor<2x2x6x6xf32>) outs(%22, %20 : tensor<2x2x6xf32>, tensor<2x2x6xi64>) {
    ^bb0(%in: f32, %out: f32, %out_26: i64):
      %41 = linalg.index 3 : index
      %42 = arith.index_cast %41 : index to i64
      %43 = arith.maximumf %in, %out : f32
      %44 = arith.cmpf ogt, %in, %out : f32
      %45 = arith.select %44, %42, %out_26 : i64
      linalg.yield %43, %45 : f32, i64
    } -> (tensor<2x2x6xf32>, tensor<2x2x6xi64>)
    %expanded_20 = tensor.expand_shape %23#0 [[0], [1], [2, 3]] output_shape [2, 2, 6, 1] : tensor<2x2x6xf32> into tensor<2x2x6x1xf32>
    %24 = tensor.empty() : tensor<2x2x6x6xf32>
    %25 = linalg.generic {indexing_maps = [#map2, #map4, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded_19, %expanded_20 : tensor<2x2x6x6xf32>, tensor<2x2x6x1xf32>) outs(%24 : tensor<2x2x6x6xf32>) {
    ^bb0(%in: f32, %in_26: f32, %out: f32):
      %41 = arith.subf %in, %in_26 : f32
      linalg.yield %41 : f32
    } -> tensor<2x2x6x6xf32>
    %26 = linalg.generic {indexing_maps = [#map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%25 : tensor<2x2x6x6xf32>) outs(%24 : tensor<2x2x6x6xf32>) {
    ^bb0(%in: f32, %out: f32):
      %41 = math.exp %in : f32
      linalg.yield %41 : f32
    } -> tensor<2x2x6x6xf32>
    %27 = tensor.empty() : tensor<2x2x6x1xf32>
    %28 = linalg.fill ins(%cst : f32) outs(%27 : tensor<2x2x6x1xf32>) -> tensor<2x2x6x1xf32>
    %29 = linalg.generic {indexing_maps = [#map2, #map4], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%26 : tensor<2x2x6x6xf32>) outs(%28 : tensor<2x2x6x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %41 = arith.addf %in, %out : f32
      linalg.yield %41 : f32
    } -> tensor<2x2x6x1xf32>
    %30 = linalg.generic {indexing_maps = [#map2, #map4, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%26, %29 : tensor<2x2x6x6xf32>, tensor<2x2x6x1xf32>) outs(%24 : tensor<2x2x6x6xf32>) {
    ^bb0(%in: f32, %in_26: f32, %out: f32):
      %41 = arith.divf %in, %in_26 : f32
      linalg.yield %41 : f32
    } -> tensor<2x2x6x6xf32>
    %31 = tensor.empty() : tensor<2x2x6x6xi1>
    %32 = linalg.generic {indexing_maps = [#map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded_19 : tensor<2x2x6x6xf32>) outs(%31 : tensor<2x2x6x6xi1>) {
    ^bb0(%in: f32, %out: i1):
      %41 = arith.extf %in : f32 to f64
      %42 = arith.cmpf oeq, %41, %cst_2 : f64
      linalg.yield %42 : i1
    } -> tensor<2x2x6x6xi1>
    %33 = tensor.empty() : tensor<2x2x6x1xi1>
    %34 = linalg.fill ins(%true : i1) outs(%33 : tensor<2x2x6x1xi1>) -> tensor<2x2x6x1xi1>
    %35 = linalg.generic {indexing_maps = [#map2, #map4], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%32 : tensor<2x2x6x6xi1>) outs(%34 : tensor<2x2x6x1xi1>) {
    ^bb0(%in: i1, %out: i1):
      %41 = arith.andi %in, %out : i1
      linalg.yield %41 : i1
    } -> tensor<2x2x6x1xi1>
    %36 = linalg.generic {indexing_maps = [#map4, #map2, #map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%35, %cst_1, %30 : tensor<2x2x6x1xi1>, tensor<2x2x6x6xf32>, tensor<2x2x6x6xf32>) outs(%24 : tensor<2x2x6x6xf32>) {
    ^bb0(%in: i1, %in_26: f32, %in_27: f32, %out: f32):
      %41 = arith.select %in, %in_26, %in_27 : f32
      linalg.yield %41 : f32
    } -> tensor<2x2x6x6xf32>
    %collapsed_21 = tensor.collapse_shape %36 [[0, 1], [2], [3]] : tensor<2x2x6x6xf32> into tensor<4x6x6xf32>
    %collapsed_22 = tensor.collapse_shape %transposed_15 [[0, 1], [2], [3]] : tensor<2x2x6x4xf32> into tensor<4x6x4xf32>
    %37 = tensor.empty() : tensor<4x6x4xf32>
    %38 = linalg.fill ins(%cst : f32) outs(%37 : tensor<4x6x4xf32>) -> tensor<4x6x4xf32>
    %39 = linalg.batch_matmul ins(%collapsed_21, %collapsed_22 : tensor<4x6x6xf32>, tensor<4x6x4xf32>) outs(%38 : tensor<4x6x4xf32>) -> tensor<4x6x4xf32>
    %expanded_23 = tensor.expand_shape %39 [[0, 1], [2], [3]] output_shape [2, 2, 6, 4] : tensor<4x6x4xf32> into tensor<2x2x6x4xf32>
    %40 = tensor.empty() : tensor<2x6x2x4xf32>
    %transposed_24 = linalg.transpose ins(%expanded_23 : tensor<2x2x6x4xf32>) outs(%40 : tensor<2x6x2x4xf32>) permutation = [0, 2, 1, 3] 
    %collapsed_25 = tensor.collapse_shape %transposed_24 [[0], [1], [2, 3]] : tensor<2x6x2x4xf32> into tensor<2x6x8xf32>
    return %collapsed_25 : tensor<2x6x8xf32>
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
