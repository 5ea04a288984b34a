// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#map = affine_map<(d0, d1, d2) -> (d0, d1)>
#map1 = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#map2 = affine_map<(d0) -> (d0)>
#map3 = affine_map<(d0, d1) -> (d0)>
#map4 = affine_map<(d0, d1) -> (d0, d1)>
#map5 = affine_map<(d0, d1, d2) -> (d1, d2)>
#map6 = affine_map<(d0, d1, d2) -> (d0, d1, 0)>
#map7 = affine_map<(d0, d1, d2) -> (d2)>
#map8 = affine_map<(d0, d1) -> (d1)>
#map9 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map10 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
#map11 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, 0)>
module {
  func.func @bert_block(%arg0: tensor<1x6xi64>) -> tensor<1x6x8xf32> {
    %c0_i64 = arith.constant 0 : i64
    %c16 = arith.constant 16 : index
    %c32 = arith.constant 32 : index
    %cst = arith.constant 0.000000e+00 : f64
    %cst_0 = arith.constant 0.000000e+00 : f32
    %cst_1 = arith.constant 0xFF800000 : f32
    %true = arith.constant true
    %cst_2 = arith.constant 1.000000e+00 : f32
    %cst_3 = arith.constant 5.000000e-01 : f32
    %cst_4 = arith.constant dense<0.000000e+00> : tensor<1x2x6x6xf32>
    %cst_5 = arith.constant dense_resource<torch_tensor_8_torch.float32_10> : tensor<8xf32>
    %cst_6 = arith.constant dense_resource<torch_tensor_8_torch.float32_9> : tensor<8xf32>
    %cst_7 = arith.constant dense_resource<torch_tensor_8_torch.float32_8> : tensor<8xf32>
    %cst_8 = arith.constant dense_resource<torch_tensor_8_16_torch.float32> : tensor<8x16xf32>
    %cst_9 = arith.constant dense_resource<torch_tensor_16_torch.float32> : tensor<16xf32>
    %cst_10 = arith.constant dense_resource<torch_tensor_16_8_torch.float32_1> : tensor<16x8xf32>
    %cst_11 = arith.constant dense_resource<torch_tensor_8_torch.float32_7> : tensor<8xf32>
    %cst_12 = arith.constant dense_resource<torch_tensor_8_torch.float32_6> : tensor<8xf32>
    %cst_13 = arith.constant dense_resource<torch_tensor_8_torch.float32_5> : tensor<8xf32>
    %cst_14 = arith.constant dense_resource<torch_tensor_8_8_torch.float32_3> : tensor<8x8xf32>
    %cst_15 = arith.constant 0xFFF0000000000000 : f64
    %cst_16 = arith.constant 0.70710678118654757 : f64
    %cst_17 = arith.constant dense_resource<torch_tensor_8_torch.float32_4> : tensor<8xf32>
    %cst_18 = arith.constant dense_resource<torch_tensor_8_8_torch.float32_2> : tensor<8x8xf32>
    %cst_19 = arith.constant dense_resource<torch_tensor_8_torch.float32_3> : tensor<8xf32>
    %cst_20 = arith.constant dense_resource<torch_tensor_8_8_torch.float32_1> : tensor<8x8xf32>
    %cst_21 = arith.constant dense_resource<torch_tensor_8_torch.float32_2> : tensor<8xf32>
    %cst_22 = arith.constant dense_resource<torch_tensor_8_8_torch.float32> : tensor<8x8xf32>
    %cst_23 = arith.constant dense_resource<torch_tensor_8_torch.float32_1> : tensor<8xf32>
    %cst_24 = arith.constant dense_resource<torch_tensor_8_torch.float32> : tensor<8xf32>
    %cst_25 = arith.constant 9.9999999999999998E-13 : f64
    %cst_26 = arith.constant dense_resource<torch_tensor_32_8_torch.float32> : tensor<32x8xf32>
    %cst_27 = arith.constant dense_resource<torch_tensor_16_8_torch.float32> : tensor<16x8xf32>
    %cst_28 = arith.constant 8.000000e+00 : f64
    %cst_29 = arith.constant 8.000000e+00 : f32
    %cst_30 = arith.constant 1.41421354 : f32
    %0 = tensor.empty() : tensor<1x6x8xf32>
    %1 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%arg0 : tensor<1x6xi64>) outs(%0 : tensor<1x6x8xf32>) {
    ^bb0(%in: i64, %out: f32):
      %117 = arith.index_cast %in : i64 to index
      %118 = linalg.index 2 : index
      %119 = arith.cmpi slt, %117, %c16 : index
      cf.assert %119, "index must be smaller than dim size"
      %120 = arith.cmpi sge, %in, %c0_i64 : i64
      cf.assert %120, "index must be larger or equal to 0"
      %extracted = tensor.extract %cst_27[%117, %118] : tensor<16x8xf32>
      linalg.yield %extracted : f32
    } -> tensor<1x6x8xf32>
    %2 = tensor.empty() : tensor<6xi64>
    %3 = linalg.generic {indexing_maps = [#map2], iterator_types = ["parallel"]} outs(%2 : tensor<6xi64>) {
    ^bb0(%out: i64):
      %117 = linalg.index 0 : index
      %118 = arith.index_cast %117 : index to i64
      linalg.yield %118 : i64
    } -> tensor<6xi64>
    %4 = tensor.empty() : tensor<6x8xf32>
    %5 = linalg.generic {indexing_maps = [#map3, #map4], iterator_types = ["parallel", "parallel"]} ins(%3 : tensor<6xi64>) outs(%4 : tensor<6x8xf32>) {
    ^bb0(%in: i64, %out: f32):
      %117 = arith.index_cast %in : i64 to index
      %118 = linalg.index 1 : index
      %119 = arith.cmpi slt, %117, %c32 : index
      cf.assert %119, "index must be smaller than dim size"
      %120 = arith.cmpi sge, %in, %c0_i64 : i64
      cf.assert %120, "index must be larger or equal to 0"
      %extracted = tensor.extract %cst_26[%117, %118] : tensor<32x8xf32>
      linalg.yield %extracted : f32
    } -> tensor<6x8xf32>
    %6 = linalg.generic {indexing_maps = [#map1, #map5, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%1, %5 : tensor<1x6x8xf32>, tensor<6x8xf32>) outs(%0 : tensor<1x6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.addf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x8xf32>
    %7 = tensor.empty() : tensor<1x6x8xf64>
    %8 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%6 : tensor<1x6x8xf32>) outs(%7 : tensor<1x6x8xf64>) {
    ^bb0(%in: f32, %out: f64):
      %117 = arith.extf %in : f32 to f64
      linalg.yield %117 : f64
    } -> tensor<1x6x8xf64>
    %9 = tensor.empty() : tensor<1x6x1xf64>
    %10 = linalg.fill ins(%cst : f64) outs(%9 : tensor<1x6x1xf64>) -> tensor<1x6x1xf64>
    %11 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%8 : tensor<1x6x8xf64>) outs(%10 : tensor<1x6x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %117 = arith.addf %in, %out : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x1xf64>
    %12 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%11 : tensor<1x6x1xf64>) outs(%9 : tensor<1x6x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %117 = arith.divf %in, %cst_28 : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x1xf64>
    %13 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%8, %12 : tensor<1x6x8xf64>, tensor<1x6x1xf64>) outs(%7 : tensor<1x6x8xf64>) {
    ^bb0(%in: f64, %in_55: f64, %out: f64):
      %117 = arith.subf %in, %in_55 : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x8xf64>
    %14 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%13, %13 : tensor<1x6x8xf64>, tensor<1x6x8xf64>) outs(%7 : tensor<1x6x8xf64>) {
    ^bb0(%in: f64, %in_55: f64, %out: f64):
      %117 = arith.mulf %in, %in_55 : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x8xf64>
    %15 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%14 : tensor<1x6x8xf64>) outs(%10 : tensor<1x6x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %117 = arith.addf %in, %out : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x1xf64>
    %16 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%15 : tensor<1x6x1xf64>) outs(%9 : tensor<1x6x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %117 = arith.divf %in, %cst_28 : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x1xf64>
    %17 = tensor.empty() : tensor<1x6x1xf32>
    %18 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%16 : tensor<1x6x1xf64>) outs(%17 : tensor<1x6x1xf32>) {
    ^bb0(%in: f64, %out: f32):
      %117 = arith.truncf %in : f64 to f32
      linalg.yield %117 : f32
    } -> tensor<1x6x1xf32>
    %19 = linalg.fill ins(%cst_0 : f32) outs(%17 : tensor<1x6x1xf32>) -> tensor<1x6x1xf32>
    %20 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%6 : tensor<1x6x8xf32>) outs(%19 : tensor<1x6x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %117 = arith.addf %in, %out : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x1xf32>
    %21 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%20 : tensor<1x6x1xf32>) outs(%17 : tensor<1x6x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %117 = arith.divf %in, %cst_29 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x1xf32>
    %22 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%18 : tensor<1x6x1xf32>) outs(%17 : tensor<1x6x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %117 = arith.truncf %cst_25 : f64 to f32
      %118 = arith.addf %in, %117 : f32
      linalg.yield %118 : f32
    } -> tensor<1x6x1xf32>
    %23 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%22 : tensor<1x6x1xf32>) outs(%17 : tensor<1x6x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %117 = math.rsqrt %in : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x1xf32>
    %24 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%6, %21 : tensor<1x6x8xf32>, tensor<1x6x1xf32>) outs(%0 : tensor<1x6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.subf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x8xf32>
    %25 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%24, %23 : tensor<1x6x8xf32>, tensor<1x6x1xf32>) outs(%0 : tensor<1x6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.mulf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x8xf32>
    %26 = linalg.generic {indexing_maps = [#map1, #map7, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%25, %cst_24 : tensor<1x6x8xf32>, tensor<8xf32>) outs(%0 : tensor<1x6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.mulf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x8xf32>
    %27 = linalg.generic {indexing_maps = [#map1, #map7, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%26, %cst_23 : tensor<1x6x8xf32>, tensor<8xf32>) outs(%0 : tensor<1x6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.addf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x8xf32>
    %collapsed = tensor.collapse_shape %27 [[0, 1], [2]] : tensor<1x6x8xf32> into tensor<6x8xf32>
    %28 = tensor.empty() : tensor<8x8xf32>
    %transposed = linalg.transpose ins(%cst_22 : tensor<8x8xf32>) outs(%28 : tensor<8x8xf32>) permutation = [1, 0] 
    %29 = linalg.fill ins(%cst_0 : f32) outs(%4 : tensor<6x8xf32>) -> tensor<6x8xf32>
    %30 = linalg.matmul ins(%collapsed, %transposed : tensor<6x8xf32>, tensor<8x8xf32>) outs(%29 : tensor<6x8xf32>) -> tensor<6x8xf32>
    %31 = linalg.generic {indexing_maps = [#map8, #map4], iterator_types = ["parallel", "parallel"]} ins(%cst_21 : tensor<8xf32>) outs(%4 : tensor<6x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<6x8xf32>
    %32 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel"]} ins(%30, %31 : tensor<6x8xf32>, tensor<6x8xf32>) outs(%4 : tensor<6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.addf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<6x8xf32>
    %expanded = tensor.expand_shape %32 [[0, 1], [2, 3]] output_shape [1, 6, 2, 4] : tensor<6x8xf32> into tensor<1x6x2x4xf32>
    %33 = tensor.empty() : tensor<1x2x6x4xf32>
    %transposed_31 = linalg.transpose ins(%expanded : tensor<1x6x2x4xf32>) outs(%33 : tensor<1x2x6x4xf32>) permutation = [0, 2, 1, 3] 
    %transposed_32 = linalg.transpose ins(%cst_20 : tensor<8x8xf32>) outs(%28 : tensor<8x8xf32>) permutation = [1, 0] 
    %34 = linalg.matmul ins(%collapsed, %transposed_32 : tensor<6x8xf32>, tensor<8x8xf32>) outs(%29 : tensor<6x8xf32>) -> tensor<6x8xf32>
    %35 = linalg.generic {indexing_maps = [#map8, #map4], iterator_types = ["parallel", "parallel"]} ins(%cst_19 : tensor<8xf32>) outs(%4 : tensor<6x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<6x8xf32>
    %36 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel"]} ins(%34, %35 : tensor<6x8xf32>, tensor<6x8xf32>) outs(%4 : tensor<6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.addf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<6x8xf32>
    %expanded_33 = tensor.expand_shape %36 [[0, 1], [2, 3]] output_shape [1, 6, 2, 4] : tensor<6x8xf32> into tensor<1x6x2x4xf32>
    %transposed_34 = linalg.transpose ins(%cst_18 : tensor<8x8xf32>) outs(%28 : tensor<8x8xf32>) permutation = [1, 0] 
    %37 = linalg.matmul ins(%collapsed, %transposed_34 : tensor<6x8xf32>, tensor<8x8xf32>) outs(%29 : tensor<6x8xf32>) -> tensor<6x8xf32>
    %38 = linalg.generic {indexing_maps = [#map8, #map4], iterator_types = ["parallel", "parallel"]} ins(%cst_17 : tensor<8xf32>) outs(%4 : tensor<6x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<6x8xf32>
    %39 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel"]} ins(%37, %38 : tensor<6x8xf32>, tensor<6x8xf32>) outs(%4 : tensor<6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.addf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<6x8xf32>
    %expanded_35 = tensor.expand_shape %39 [[0, 1], [2, 3]] output_shape [1, 6, 2, 4] : tensor<6x8xf32> into tensor<1x6x2x4xf32>
    %transposed_36 = linalg.transpose ins(%expanded_35 : tensor<1x6x2x4xf32>) outs(%33 : tensor<1x2x6x4xf32>) permutation = [0, 2, 1, 3] 
    %40 = linalg.generic {indexing_maps = [#map9, #map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed_31 : tensor<1x2x6x4xf32>) outs(%33 : tensor<1x2x6x4xf32>) {
    ^bb0(%in: f32, %out: f32):
      %117 = arith.truncf %cst_16 : f64 to f32
      %118 = arith.mulf %in, %117 : f32
      linalg.yield %118 : f32
    } -> tensor<1x2x6x4xf32>
    %41 = tensor.empty() : tensor<1x2x4x6xf32>
    %transposed_37 = linalg.transpose ins(%expanded_33 : tensor<1x6x2x4xf32>) outs(%41 : tensor<1x2x4x6xf32>) permutation = [0, 2, 3, 1] 
    %42 = linalg.generic {indexing_maps = [#map9, #map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed_37 : tensor<1x2x4x6xf32>) outs(%41 : tensor<1x2x4x6xf32>) {
    ^bb0(%in: f32, %out: f32):
      %117 = arith.truncf %cst_16 : f64 to f32
      %118 = arith.mulf %in, %117 : f32
      linalg.yield %118 : f32
    } -> tensor<1x2x4x6xf32>
    %collapsed_38 = tensor.collapse_shape %40 [[0, 1], [2], [3]] : tensor<1x2x6x4xf32> into tensor<2x6x4xf32>
    %collapsed_39 = tensor.collapse_shape %42 [[0, 1], [2], [3]] : tensor<1x2x4x6xf32> into tensor<2x4x6xf32>
    %43 = tensor.empty() : tensor<2x6x6xf32>
    %44 = linalg.fill ins(%cst_0 : f32) outs(%43 : tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
    %45 = linalg.batch_matmul ins(%collapsed_38, %collapsed_39 : tensor<2x6x4xf32>, tensor<2x4x6xf32>) outs(%44 : tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
    %expanded_40 = tensor.expand_shape %45 [[0, 1], [2], [3]] output_shape [1, 2, 6, 6] : tensor<2x6x6xf32> into tensor<1x2x6x6xf32>
    %46 = tensor.empty() : tensor<1x2x6xi64>
    %47 = linalg.fill ins(%c0_i64 : i64) outs(%46 : tensor<1x2x6xi64>) -> tensor<1x2x6xi64>
    %48 = tensor.empty() : tensor<1x2x6xf32>
    %49 = linalg.fill ins(%cst_1 : f32) outs(%48 : tensor<1x2x6xf32>) -> tensor<1x2x6xf32>
    %50:2 = linalg.generic {indexing_maps = [#map9, #map10, #map10], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%expanded_40 : tensor<1x2x6x6xf32>) outs(%49, %47 : tensor<1x2x6xf32>, tensor<1x2x6xi64>) {
    ^bb0(%in: f32, %out: f32, %out_55: i64):
      %117 = linalg.index 3 : index
      %118 = arith.index_cast %117 : index to i64
      %119 = arith.maximumf %in, %out : f32
      %120 = arith.cmpf ogt, %in, %out : f32
      %121 = arith.select %120, %118, %out_55 : i64
      linalg.yield %119, %121 : f32, i64
    } -> (tensor<1x2x6xf32>, tensor<1x2x6xi64>)
    %expanded_41 = tensor.expand_shape %50#0 [[0], [1], [2, 3]] output_shape [1, 2, 6, 1] : tensor<1x2x6xf32> into tensor<1x2x6x1xf32>
    %51 = tensor.empty() : tensor<1x2x6x6xf32>
    %52 = linalg.generic {indexing_maps = [#map9, #map11, #map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded_40, %expanded_41 : tensor<1x2x6x6xf32>, tensor<1x2x6x1xf32>) outs(%51 : tensor<1x2x6x6xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.subf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<1x2x6x6xf32>
    %53 = linalg.generic {indexing_maps = [#map9, #map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%52 : tensor<1x2x6x6xf32>) outs(%51 : tensor<1x2x6x6xf32>) {
    ^bb0(%in: f32, %out: f32):
      %117 = math.exp %in : f32
      linalg.yield %117 : f32
    } -> tensor<1x2x6x6xf32>
    %54 = tensor.empty() : tensor<1x2x6x1xf32>
    %55 = linalg.fill ins(%cst_0 : f32) outs(%54 : tensor<1x2x6x1xf32>) -> tensor<1x2x6x1xf32>
    %56 = linalg.generic {indexing_maps = [#map9, #map11], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%53 : tensor<1x2x6x6xf32>) outs(%55 : tensor<1x2x6x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %117 = arith.addf %in, %out : f32
      linalg.yield %117 : f32
    } -> tensor<1x2x6x1xf32>
    %57 = linalg.generic {indexing_maps = [#map9, #map11, #map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%53, %56 : tensor<1x2x6x6xf32>, tensor<1x2x6x1xf32>) outs(%51 : tensor<1x2x6x6xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.divf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<1x2x6x6xf32>
    %58 = tensor.empty() : tensor<1x2x6x6xi1>
    %59 = linalg.generic {indexing_maps = [#map9, #map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded_40 : tensor<1x2x6x6xf32>) outs(%58 : tensor<1x2x6x6xi1>) {
    ^bb0(%in: f32, %out: i1):
      %117 = arith.extf %in : f32 to f64
      %118 = arith.cmpf oeq, %117, %cst_15 : f64
      linalg.yield %118 : i1
    } -> tensor<1x2x6x6xi1>
    %60 = tensor.empty() : tensor<1x2x6x1xi1>
    %61 = linalg.fill ins(%true : i1) outs(%60 : tensor<1x2x6x1xi1>) -> tensor<1x2x6x1xi1>
    %62 = linalg.generic {indexing_maps = [#map9, #map11], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%59 : tensor<1x2x6x6xi1>) outs(%61 : tensor<1x2x6x1xi1>) {
    ^bb0(%in: i1, %out: i1):
      %117 = arith.andi %in, %out : i1
      linalg.yield %117 : i1
    } -> tensor<1x2x6x1xi1>
    %63 = linalg.generic {indexing_maps = [#map11, #map9, #map9, #map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%62, %cst_4, %57 : tensor<1x2x6x1xi1>, tensor<1x2x6x6xf32>, tensor<1x2x6x6xf32>) outs(%51 : tensor<1x2x6x6xf32>) {
    ^bb0(%in: i1, %in_55: f32, %in_56: f32, %out: f32):
      %117 = arith.select %in, %in_55, %in_56 : f32
      linalg.yield %117 : f32
    } -> tensor<1x2x6x6xf32>
    %collapsed_42 = tensor.collapse_shape %63 [[0, 1], [2], [3]] : tensor<1x2x6x6xf32> into tensor<2x6x6xf32>
    %collapsed_43 = tensor.collapse_shape %transposed_36 [[0, 1], [2], [3]] : tensor<1x2x6x4xf32> into tensor<2x6x4xf32>
    %64 = tensor.empty() : tensor<2x6x4xf32>
    %65 = linalg.fill ins(%cst_0 : f32) outs(%64 : tensor<2x6x4xf32>) -> tensor<2x6x4xf32>
    %66 = linalg.batch_matmul ins(%collapsed_42, %collapsed_43 : tensor<2x6x6xf32>, tensor<2x6x4xf32>) outs(%65 : tensor<2x6x4xf32>) -> tensor<2x6x4xf32>
    %expanded_44 = tensor.expand_shape %66 [[0, 1], [2], [3]] output_shape [1, 2, 6, 4] : tensor<2x6x4xf32> into tensor<1x2x6x4xf32>
    %67 = tensor.empty() : tensor<1x6x2x4xf32>
    %transposed_45 = linalg.transpose ins(%expanded_44 : tensor<1x2x6x4xf32>) outs(%67 : tensor<1x6x2x4xf32>) permutation = [0, 2, 1, 3] 
    %collapsed_46 = tensor.collapse_shape %transposed_45 [[0, 1], [2, 3]] : tensor<1x6x2x4xf32> into tensor<6x8xf32>
    %transposed_47 = linalg.transpose ins(%cst_14 : tensor<8x8xf32>) outs(%28 : tensor<8x8xf32>) permutation = [1, 0] 
    %68 = linalg.matmul ins(%collapsed_46, %transposed_47 : tensor<6x8xf32>, tensor<8x8xf32>) outs(%29 : tensor<6x8xf32>) -> tensor<6x8xf32>
    %69 = linalg.generic {indexing_maps = [#map8, #map4], iterator_types = ["parallel", "parallel"]} ins(%cst_13 : tensor<8xf32>) outs(%4 : tensor<6x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<6x8xf32>
    %70 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel"]} ins(%68, %69 : tensor<6x8xf32>, tensor<6x8xf32>) outs(%4 : tensor<6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.addf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<6x8xf32>
    %expanded_48 = tensor.expand_shape %70 [[0, 1], [2]] output_shape [1, 6, 8] : tensor<6x8xf32> into tensor<1x6x8xf32>
    %71 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%27, %expanded_48 : tensor<1x6x8xf32>, tensor<1x6x8xf32>) outs(%0 : tensor<1x6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.addf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x8xf32>
    %72 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%71 : tensor<1x6x8xf32>) outs(%7 : tensor<1x6x8xf64>) {
    ^bb0(%in: f32, %out: f64):
      %117 = arith.extf %in : f32 to f64
      linalg.yield %117 : f64
    } -> tensor<1x6x8xf64>
    %73 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%72 : tensor<1x6x8xf64>) outs(%10 : tensor<1x6x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %117 = arith.addf %in, %out : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x1xf64>
    %74 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%73 : tensor<1x6x1xf64>) outs(%9 : tensor<1x6x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %117 = arith.divf %in, %cst_28 : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x1xf64>
    %75 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%72, %74 : tensor<1x6x8xf64>, tensor<1x6x1xf64>) outs(%7 : tensor<1x6x8xf64>) {
    ^bb0(%in: f64, %in_55: f64, %out: f64):
      %117 = arith.subf %in, %in_55 : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x8xf64>
    %76 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%75, %75 : tensor<1x6x8xf64>, tensor<1x6x8xf64>) outs(%7 : tensor<1x6x8xf64>) {
    ^bb0(%in: f64, %in_55: f64, %out: f64):
      %117 = arith.mulf %in, %in_55 : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x8xf64>
    %77 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%76 : tensor<1x6x8xf64>) outs(%10 : tensor<1x6x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %117 = arith.addf %in, %out : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x1xf64>
    %78 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%77 : tensor<1x6x1xf64>) outs(%9 : tensor<1x6x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %117 = arith.divf %in, %cst_28 : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x1xf64>
    %79 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%78 : tensor<1x6x1xf64>) outs(%17 : tensor<1x6x1xf32>) {
    ^bb0(%in: f64, %out: f32):
      %117 = arith.truncf %in : f64 to f32
      linalg.yield %117 : f32
    } -> tensor<1x6x1xf32>
    %80 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%71 : tensor<1x6x8xf32>) outs(%19 : tensor<1x6x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %117 = arith.addf %in, %out : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x1xf32>
    %81 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%80 : tensor<1x6x1xf32>) outs(%17 : tensor<1x6x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %117 = arith.divf %in, %cst_29 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x1xf32>
    %82 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%79 : tensor<1x6x1xf32>) outs(%17 : tensor<1x6x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %117 = arith.truncf %cst_25 : f64 to f32
      %118 = arith.addf %in, %117 : f32
      linalg.yield %118 : f32
    } -> tensor<1x6x1xf32>
    %83 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%82 : tensor<1x6x1xf32>) outs(%17 : tensor<1x6x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %117 = math.rsqrt %in : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x1xf32>
    %84 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%71, %81 : tensor<1x6x8xf32>, tensor<1x6x1xf32>) outs(%0 : tensor<1x6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.subf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x8xf32>
    %85 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%84, %83 : tensor<1x6x8xf32>, tensor<1x6x1xf32>) outs(%0 : tensor<1x6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.mulf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x8xf32>
    %86 = linalg.generic {indexing_maps = [#map1, #map7, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%85, %cst_12 : tensor<1x6x8xf32>, tensor<8xf32>) outs(%0 : tensor<1x6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.mulf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x8xf32>
    %87 = linalg.generic {indexing_maps = [#map1, #map7, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%86, %cst_11 : tensor<1x6x8xf32>, tensor<8xf32>) outs(%0 : tensor<1x6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.addf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x8xf32>
    %collapsed_49 = tensor.collapse_shape %87 [[0, 1], [2]] : tensor<1x6x8xf32> into tensor<6x8xf32>
    %88 = tensor.empty() : tensor<8x16xf32>
    %transposed_50 = linalg.transpose ins(%cst_10 : tensor<16x8xf32>) outs(%88 : tensor<8x16xf32>) permutation = [1, 0] 
    %89 = tensor.empty() : tensor<6x16xf32>
    %90 = linalg.fill ins(%cst_0 : f32) outs(%89 : tensor<6x16xf32>) -> tensor<6x16xf32>
    %91 = linalg.matmul ins(%collapsed_49, %transposed_50 : tensor<6x8xf32>, tensor<8x16xf32>) outs(%90 : tensor<6x16xf32>) -> tensor<6x16xf32>
    %92 = linalg.generic {indexing_maps = [#map8, #map4], iterator_types = ["parallel", "parallel"]} ins(%cst_9 : tensor<16xf32>) outs(%89 : tensor<6x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<6x16xf32>
    %93 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel"]} ins(%91, %92 : tensor<6x16xf32>, tensor<6x16xf32>) outs(%89 : tensor<6x16xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.addf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<6x16xf32>
    %expanded_51 = tensor.expand_shape %93 [[0, 1], [2]] output_shape [1, 6, 16] : tensor<6x16xf32> into tensor<1x6x16xf32>
    %94 = tensor.empty() : tensor<1x6x16xf32>
    %95 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_51 : tensor<1x6x16xf32>) outs(%94 : tensor<1x6x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      %117 = arith.divf %in, %cst_30 : f32
      %118 = math.erf %117 : f32
      %119 = arith.addf %118, %cst_2 : f32
      %120 = arith.mulf %119, %cst_3 : f32
      %121 = arith.mulf %in, %120 : f32
      linalg.yield %121 : f32
    } -> tensor<1x6x16xf32>
    %collapsed_52 = tensor.collapse_shape %95 [[0, 1], [2]] : tensor<1x6x16xf32> into tensor<6x16xf32>
    %96 = tensor.empty() : tensor<16x8xf32>
    %transposed_53 = linalg.transpose ins(%cst_8 : tensor<8x16xf32>) outs(%96 : tensor<16x8xf32>) permutation = [1, 0] 
    %97 = linalg.matmul ins(%collapsed_52, %transposed_53 : tensor<6x16xf32>, tensor<16x8xf32>) outs(%29 : tensor<6x8xf32>) -> tensor<6x8xf32>
    %98 = linalg.generic {indexing_maps = [#map8, #map4], iterator_types = ["parallel", "parallel"]} ins(%cst_7 : tensor<8xf32>) outs(%4 : tensor<6x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<6x8xf32>
    %99 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel"]} ins(%97, %98 : tensor<6x8xf32>, tensor<6x8xf32>) outs(%4 : tensor<6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.addf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<6x8xf32>
    %expanded_54 = tensor.expand_shape %99 [[0, 1], [2]] output_shape [1, 6, 8] : tensor<6x8xf32> into tensor<1x6x8xf32>
    %100 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%87, %expanded_54 : tensor<1x6x8xf32>, tensor<1x6x8xf32>) outs(%0 : tensor<1x6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.addf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x8xf32>
    %101 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%100 : tensor<1x6x8xf32>) outs(%7 : tensor<1x6x8xf64>) {
    ^bb0(%in: f32, %out: f64):
      %117 = arith.extf %in : f32 to f64
      linalg.yield %117 : f64
    } -> tensor<1x6x8xf64>
    %102 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%101 : tensor<1x6x8xf64>) outs(%10 : tensor<1x6x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %117 = arith.addf %in, %out : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x1xf64>
    %103 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%102 : tensor<1x6x1xf64>) outs(%9 : tensor<1x6x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %117 = arith.divf %in, %cst_28 : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x1xf64>
    %104 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%101, %103 : tensor<1x6x8xf64>, tensor<1x6x1xf64>) outs(%7 : tensor<1x6x8xf64>) {
    ^bb0(%in: f64, %in_55: f64, %out: f64):
      %117 = arith.subf %in, %in_55 : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x8xf64>
    %105 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%104, %104 : tensor<1x6x8xf64>, tensor<1x6x8xf64>) outs(%7 : tensor<1x6x8xf64>) {
    ^bb0(%in: f64, %in_55: f64, %out: f64):
      %117 = arith.mulf %in, %in_55 : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x8xf64>
    %106 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%105 : tensor<1x6x8xf64>) outs(%10 : tensor<1x6x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %117 = arith.addf %in, %out : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x1xf64>
    %107 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%106 : tensor<1x6x1xf64>) outs(%9 : tensor<1x6x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %117 = arith.divf %in, %cst_28 : f64
      linalg.yield %117 : f64
    } -> tensor<1x6x1xf64>
    %108 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%107 : tensor<1x6x1xf64>) outs(%17 : tensor<1x6x1xf32>) {
    ^bb0(%in: f64, %out: f32):
      %117 = arith.truncf %in : f64 to f32
      linalg.yield %117 : f32
    } -> tensor<1x6x1xf32>
    %109 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%100 : tensor<1x6x8xf32>) outs(%19 : tensor<1x6x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %117 = arith.addf %in, %out : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x1xf32>
    %110 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%109 : tensor<1x6x1xf32>) outs(%17 : tensor<1x6x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %117 = arith.divf %in, %cst_29 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x1xf32>
    %111 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%108 : tensor<1x6x1xf32>) outs(%17 : tensor<1x6x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %117 = arith.truncf %cst_25 : f64 to f32
      %118 = arith.addf %in, %117 : f32
      linalg.yield %118 : f32
    } -> tensor<1x6x1xf32>
    %112 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%111 : tensor<1x6x1xf32>) outs(%17 : tensor<1x6x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %117 = math.rsqrt %in : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x1xf32>
    %113 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%100, %110 : tensor<1x6x8xf32>, tensor<1x6x1xf32>) outs(%0 : tensor<1x6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.subf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x8xf32>
    %114 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%113, %112 : tensor<1x6x8xf32>, tensor<1x6x1xf32>) outs(%0 : tensor<1x6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.mulf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x8xf32>
    %115 = linalg.generic {indexing_maps = [#map1, #map7, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%114, %cst_6 : tensor<1x6x8xf32>, tensor<8xf32>) outs(%0 : tensor<1x6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.mulf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x8xf32>
    %116 = linalg.generic {indexing_maps = [#map1, #map7, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%115, %cst_5 : tensor<1x6x8xf32>, tensor<8xf32>) outs(%0 : tensor<1x6x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %117 = arith.addf %in, %in_55 : f32
      linalg.yield %117 : f32
    } -> tensor<1x6x8xf32>
    return %116 : tensor<1x6x8xf32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_8_torch.float32_10: "0x040000000000B03F0000B83F0000C03F0000C83F0000B03F0000B83F0000C03F0000C83F",
      torch_tensor_8_torch.float32_9: "0x040000000000A03F0000A83F0000B03F0000B83F0000A03F0000A83F0000B03F0000B83F",
      torch_tensor_8_torch.float32_8: "0x040000000000384000003C4000004040000044400000384000003C400000404000004440",
      torch_tensor_8_16_torch.float32: "0x040000000000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD00000000",
      torch_tensor_16_torch.float32: "0x040000000000284000002C4000003040000034400000284000002C4000003040000034400000284000002C4000003040000034400000284000002C400000304000003440",
      torch_tensor_16_8_torch.float32_1: "0x04000000000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD",
      torch_tensor_8_torch.float32_7: "0x040000000000903F0000983F0000A03F0000A83F0000903F0000983F0000A03F0000A83F",
      torch_tensor_8_torch.float32_6: "0x040000000000803F0000883F0000903F0000983F0000803F0000883F0000903F0000983F",
      torch_tensor_8_torch.float32_5: "0x040000000000184000001C4000002040000024400000184000001C400000204000002440",
      torch_tensor_8_8_torch.float32_3: "0x04000000000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E",
      torch_tensor_8_torch.float32_4: "0x040000000000084000000C4000001040000014400000084000000C400000104000001440",
      torch_tensor_8_8_torch.float32_2: "0x04000000000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E",
      torch_tensor_8_torch.float32_3: "0x040000000000F03F0000F83F00000040000004400000F03F0000F83F0000004000000440",
      torch_tensor_8_8_torch.float32_1: "0x040000000000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D",
      torch_tensor_8_torch.float32_2: "0x040000000000D03F0000D83F0000E03F0000E83F0000D03F0000D83F0000E03F0000E83F",
      torch_tensor_8_8_torch.float32: "0x04000000000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D",
      torch_tensor_8_torch.float32_1: "0x040000000000603F0000703F0000803F0000883F0000603F0000703F0000803F0000883F",
      torch_tensor_8_torch.float32: "0x040000000000403F0000503F0000603F0000703F0000403F0000503F0000603F0000703F",
      torch_tensor_32_8_torch.float32: "0x04000000000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE",
      torch_tensor_16_8_torch.float32: "0x04000000000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E000030BE000080BD0000403D0000203E000080BE000010BE000000BD0000A03D0000403E000060BE0000E0BD000000000000E03D0000603E000040BE0000A0BD0000003D0000103E0000803E000020BE000040BD0000803D0000303E000070BE000000BE000080BC0000C03D0000503E000050BE0000C0BD0000803C0000003E0000703E"
    }
  }
#-}
