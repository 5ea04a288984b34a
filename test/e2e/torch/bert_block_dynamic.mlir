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
#map12 = affine_map<(d0, d1, d2, d3) -> ()>
module {
  func.func @bert_block_dynamic(%arg0: tensor<1x?xi64>) -> tensor<1x?x8xf32> {
    %c2_i64 = arith.constant 2 : i64
    %c0_i64 = arith.constant 0 : i64
    %c1_i64 = arith.constant 1 : i64
    %c1 = arith.constant 1 : index
    %c0 = arith.constant 0 : index
    %c16 = arith.constant 16 : index
    %c32 = arith.constant 32 : index
    %cst = arith.constant 0.000000e+00 : f64
    %cst_0 = arith.constant 0.000000e+00 : f32
    %cst_1 = arith.constant 0xFF800000 : f32
    %true = arith.constant true
    %cst_2 = arith.constant 1.000000e+00 : f32
    %cst_3 = arith.constant 5.000000e-01 : f32
    %cst_4 = arith.constant dense<0.000000e+00> : tensor<f32>
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
    %dim = tensor.dim %arg0, %c1 : tensor<1x?xi64>
    %0 = arith.index_cast %dim : index to i64
    %1 = tensor.empty(%dim) : tensor<1x?x8xf32>
    %2 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%arg0 : tensor<1x?xi64>) outs(%1 : tensor<1x?x8xf32>) {
    ^bb0(%in: i64, %out: f32):
      %153 = arith.index_cast %in : i64 to index
      %154 = linalg.index 2 : index
      %155 = arith.cmpi slt, %153, %c16 : index
      cf.assert %155, "index must be smaller than dim size"
      %156 = arith.cmpi sge, %in, %c0_i64 : i64
      cf.assert %156, "index must be larger or equal to 0"
      %extracted = tensor.extract %cst_27[%153, %154] : tensor<16x8xf32>
      linalg.yield %extracted : f32
    } -> tensor<1x?x8xf32>
    %3 = tensor.empty(%dim) : tensor<?xi64>
    %4 = linalg.generic {indexing_maps = [#map2], iterator_types = ["parallel"]} outs(%3 : tensor<?xi64>) {
    ^bb0(%out: i64):
      %153 = linalg.index 0 : index
      %154 = arith.index_cast %153 : index to i64
      linalg.yield %154 : i64
    } -> tensor<?xi64>
    %5 = tensor.empty(%dim) : tensor<?x8xf32>
    %6 = linalg.generic {indexing_maps = [#map3, #map4], iterator_types = ["parallel", "parallel"]} ins(%4 : tensor<?xi64>) outs(%5 : tensor<?x8xf32>) {
    ^bb0(%in: i64, %out: f32):
      %153 = arith.index_cast %in : i64 to index
      %154 = linalg.index 1 : index
      %155 = arith.cmpi slt, %153, %c32 : index
      cf.assert %155, "index must be smaller than dim size"
      %156 = arith.cmpi sge, %in, %c0_i64 : i64
      cf.assert %156, "index must be larger or equal to 0"
      %extracted = tensor.extract %cst_26[%153, %154] : tensor<32x8xf32>
      linalg.yield %extracted : f32
    } -> tensor<?x8xf32>
    %7 = linalg.generic {indexing_maps = [#map1, #map5, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%2, %6 : tensor<1x?x8xf32>, tensor<?x8xf32>) outs(%1 : tensor<1x?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.addf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x8xf32>
    %8 = tensor.empty(%dim) : tensor<1x?x8xf64>
    %9 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%7 : tensor<1x?x8xf32>) outs(%8 : tensor<1x?x8xf64>) {
    ^bb0(%in: f32, %out: f64):
      %153 = arith.extf %in : f32 to f64
      linalg.yield %153 : f64
    } -> tensor<1x?x8xf64>
    %10 = tensor.empty(%dim) : tensor<1x?x1xf64>
    %11 = linalg.fill ins(%cst : f64) outs(%10 : tensor<1x?x1xf64>) -> tensor<1x?x1xf64>
    %12 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%9 : tensor<1x?x8xf64>) outs(%11 : tensor<1x?x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %153 = arith.addf %in, %out : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x1xf64>
    %13 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%12 : tensor<1x?x1xf64>) outs(%10 : tensor<1x?x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %153 = arith.divf %in, %cst_28 : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x1xf64>
    %14 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%9, %13 : tensor<1x?x8xf64>, tensor<1x?x1xf64>) outs(%8 : tensor<1x?x8xf64>) {
    ^bb0(%in: f64, %in_55: f64, %out: f64):
      %153 = arith.subf %in, %in_55 : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x8xf64>
    %15 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%14, %14 : tensor<1x?x8xf64>, tensor<1x?x8xf64>) outs(%8 : tensor<1x?x8xf64>) {
    ^bb0(%in: f64, %in_55: f64, %out: f64):
      %153 = arith.mulf %in, %in_55 : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x8xf64>
    %16 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%15 : tensor<1x?x8xf64>) outs(%11 : tensor<1x?x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %153 = arith.addf %in, %out : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x1xf64>
    %17 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%16 : tensor<1x?x1xf64>) outs(%10 : tensor<1x?x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %153 = arith.divf %in, %cst_28 : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x1xf64>
    %18 = tensor.empty(%dim) : tensor<1x?x1xf32>
    %19 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%17 : tensor<1x?x1xf64>) outs(%18 : tensor<1x?x1xf32>) {
    ^bb0(%in: f64, %out: f32):
      %153 = arith.truncf %in : f64 to f32
      linalg.yield %153 : f32
    } -> tensor<1x?x1xf32>
    %20 = linalg.fill ins(%cst_0 : f32) outs(%18 : tensor<1x?x1xf32>) -> tensor<1x?x1xf32>
    %21 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%7 : tensor<1x?x8xf32>) outs(%20 : tensor<1x?x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %153 = arith.addf %in, %out : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x1xf32>
    %22 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%21 : tensor<1x?x1xf32>) outs(%18 : tensor<1x?x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %153 = arith.divf %in, %cst_29 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x1xf32>
    %23 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%19 : tensor<1x?x1xf32>) outs(%18 : tensor<1x?x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %153 = arith.truncf %cst_25 : f64 to f32
      %154 = arith.addf %in, %153 : f32
      linalg.yield %154 : f32
    } -> tensor<1x?x1xf32>
    %24 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%23 : tensor<1x?x1xf32>) outs(%18 : tensor<1x?x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %153 = math.rsqrt %in : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x1xf32>
    %25 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%7, %22 : tensor<1x?x8xf32>, tensor<1x?x1xf32>) outs(%1 : tensor<1x?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.subf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x8xf32>
    %26 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%25, %24 : tensor<1x?x8xf32>, tensor<1x?x1xf32>) outs(%1 : tensor<1x?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.mulf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x8xf32>
    %27 = linalg.generic {indexing_maps = [#map1, #map7, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%26, %cst_24 : tensor<1x?x8xf32>, tensor<8xf32>) outs(%1 : tensor<1x?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.mulf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x8xf32>
    %28 = linalg.generic {indexing_maps = [#map1, #map7, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%27, %cst_23 : tensor<1x?x8xf32>, tensor<8xf32>) outs(%1 : tensor<1x?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.addf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x8xf32>
    %collapsed = tensor.collapse_shape %28 [[0, 1], [2]] : tensor<1x?x8xf32> into tensor<?x8xf32>
    %29 = tensor.empty() : tensor<8x8xf32>
    %transposed = linalg.transpose ins(%cst_22 : tensor<8x8xf32>) outs(%29 : tensor<8x8xf32>) permutation = [1, 0] 
    %30 = linalg.fill ins(%cst_0 : f32) outs(%5 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %31 = linalg.matmul ins(%collapsed, %transposed : tensor<?x8xf32>, tensor<8x8xf32>) outs(%30 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %32 = arith.cmpi sge, %0, %c0_i64 : i64
    cf.assert %32, "negative values not allowed in new dimensions"
    %33 = tensor.empty(%dim) : tensor<?x8xf32>
    %34 = linalg.generic {indexing_maps = [#map8, #map4], iterator_types = ["parallel", "parallel"]} ins(%cst_21 : tensor<8xf32>) outs(%33 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<?x8xf32>
    cf.assert %true, "mismatched size for broadcast"
    %35 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel"]} ins(%31, %34 : tensor<?x8xf32>, tensor<?x8xf32>) outs(%5 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.addf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<?x8xf32>
    %expanded = tensor.expand_shape %35 [[0, 1], [2, 3]] output_shape [1, %dim, 2, 4] : tensor<?x8xf32> into tensor<1x?x2x4xf32>
    %36 = tensor.empty(%dim) : tensor<1x2x?x4xf32>
    %transposed_31 = linalg.transpose ins(%expanded : tensor<1x?x2x4xf32>) outs(%36 : tensor<1x2x?x4xf32>) permutation = [0, 2, 1, 3] 
    %transposed_32 = linalg.transpose ins(%cst_20 : tensor<8x8xf32>) outs(%29 : tensor<8x8xf32>) permutation = [1, 0] 
    %37 = linalg.matmul ins(%collapsed, %transposed_32 : tensor<?x8xf32>, tensor<8x8xf32>) outs(%30 : tensor<?x8xf32>) -> tensor<?x8xf32>
    cf.assert %32, "negative values not allowed in new dimensions"
    %38 = linalg.generic {indexing_maps = [#map8, #map4], iterator_types = ["parallel", "parallel"]} ins(%cst_19 : tensor<8xf32>) outs(%33 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<?x8xf32>
    cf.assert %true, "mismatched size for broadcast"
    %39 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel"]} ins(%37, %38 : tensor<?x8xf32>, tensor<?x8xf32>) outs(%5 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.addf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<?x8xf32>
    %expanded_33 = tensor.expand_shape %39 [[0, 1], [2, 3]] output_shape [1, %dim, 2, 4] : tensor<?x8xf32> into tensor<1x?x2x4xf32>
    %transposed_34 = linalg.transpose ins(%cst_18 : tensor<8x8xf32>) outs(%29 : tensor<8x8xf32>) permutation = [1, 0] 
    %40 = linalg.matmul ins(%collapsed, %transposed_34 : tensor<?x8xf32>, tensor<8x8xf32>) outs(%30 : tensor<?x8xf32>) -> tensor<?x8xf32>
    cf.assert %32, "negative values not allowed in new dimensions"
    %41 = linalg.generic {indexing_maps = [#map8, #map4], iterator_types = ["parallel", "parallel"]} ins(%cst_17 : tensor<8xf32>) outs(%33 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<?x8xf32>
    cf.assert %true, "mismatched size for broadcast"
    %42 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel"]} ins(%40, %41 : tensor<?x8xf32>, tensor<?x8xf32>) outs(%5 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.addf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<?x8xf32>
    %expanded_35 = tensor.expand_shape %42 [[0, 1], [2, 3]] output_shape [1, %dim, 2, 4] : tensor<?x8xf32> into tensor<1x?x2x4xf32>
    %transposed_36 = linalg.transpose ins(%expanded_35 : tensor<1x?x2x4xf32>) outs(%36 : tensor<1x2x?x4xf32>) permutation = [0, 2, 1, 3] 
    %43 = linalg.generic {indexing_maps = [#map9, #map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed_31 : tensor<1x2x?x4xf32>) outs(%36 : tensor<1x2x?x4xf32>) {
    ^bb0(%in: f32, %out: f32):
      %153 = arith.truncf %cst_16 : f64 to f32
      %154 = arith.mulf %in, %153 : f32
      linalg.yield %154 : f32
    } -> tensor<1x2x?x4xf32>
    %44 = tensor.empty(%dim) : tensor<1x2x4x?xf32>
    %transposed_37 = linalg.transpose ins(%expanded_33 : tensor<1x?x2x4xf32>) outs(%44 : tensor<1x2x4x?xf32>) permutation = [0, 2, 3, 1] 
    %45 = linalg.generic {indexing_maps = [#map9, #map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed_37 : tensor<1x2x4x?xf32>) outs(%44 : tensor<1x2x4x?xf32>) {
    ^bb0(%in: f32, %out: f32):
      %153 = arith.truncf %cst_16 : f64 to f32
      %154 = arith.mulf %in, %153 : f32
      linalg.yield %154 : f32
    } -> tensor<1x2x4x?xf32>
    cf.assert %32, "unimplemented: dynamic negative broadcast sizes"
    %46 = tensor.empty(%dim) : tensor<1x2x?x4xf32>
    %47 = linalg.generic {indexing_maps = [#map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%46 : tensor<1x2x?x4xf32>) {
    ^bb0(%out: f32):
      %153 = linalg.index 1 : index
      %154 = linalg.index 2 : index
      %155 = linalg.index 3 : index
      %156 = arith.cmpi eq, %dim, %c1 : index
      %157 = arith.select %156, %c0, %154 : index
      %extracted = tensor.extract %43[%c0, %153, %157, %155] : tensor<1x2x?x4xf32>
      linalg.yield %extracted : f32
    } -> tensor<1x2x?x4xf32>
    %collapsed_38 = tensor.collapse_shape %47 [[0, 1], [2], [3]] : tensor<1x2x?x4xf32> into tensor<2x?x4xf32>
    cf.assert %32, "unimplemented: dynamic negative broadcast sizes"
    %48 = tensor.empty(%dim) : tensor<1x2x4x?xf32>
    %49 = linalg.generic {indexing_maps = [#map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%48 : tensor<1x2x4x?xf32>) {
    ^bb0(%out: f32):
      %153 = linalg.index 1 : index
      %154 = linalg.index 2 : index
      %155 = linalg.index 3 : index
      %156 = arith.cmpi eq, %dim, %c1 : index
      %157 = arith.select %156, %c0, %155 : index
      %extracted = tensor.extract %45[%c0, %153, %154, %157] : tensor<1x2x4x?xf32>
      linalg.yield %extracted : f32
    } -> tensor<1x2x4x?xf32>
    %collapsed_39 = tensor.collapse_shape %49 [[0, 1], [2], [3]] : tensor<1x2x4x?xf32> into tensor<2x4x?xf32>
    %50 = tensor.empty(%dim, %dim) : tensor<2x?x?xf32>
    %51 = linalg.fill ins(%cst_0 : f32) outs(%50 : tensor<2x?x?xf32>) -> tensor<2x?x?xf32>
    %52 = linalg.batch_matmul ins(%collapsed_38, %collapsed_39 : tensor<2x?x4xf32>, tensor<2x4x?xf32>) outs(%51 : tensor<2x?x?xf32>) -> tensor<2x?x?xf32>
    %53 = arith.muli %0, %c2_i64 : i64
    %54 = arith.cmpi slt, %0, %c0_i64 : i64
    %55 = arith.select %54, %c2_i64, %53 : i64
    %56 = arith.extui %54 : i1 to i64
    %57 = arith.muli %55, %0 : i64
    %58 = arith.addi %56, %c1_i64 : i64
    %59 = arith.select %54, %c2_i64, %57 : i64
    %60 = arith.select %54, %58, %56 : i64
    %61 = arith.cmpi sle, %60, %c1_i64 : i64
    cf.assert %61, "must have at most one inferred (negative) dimension"
    %62 = arith.muli %53, %0 : i64
    %63 = arith.divsi %62, %59 : i64
    %64 = arith.select %54, %63, %0 : i64
    %from_elements = tensor.from_elements %c1_i64, %c2_i64, %64, %64 : tensor<4xi64>
    %reshape = tensor.reshape %52(%from_elements) : (tensor<2x?x?xf32>, tensor<4xi64>) -> tensor<1x2x?x?xf32>
    %65 = arith.index_cast %64 : i64 to index
    %66 = tensor.empty(%65) : tensor<1x2x?xi64>
    %67 = linalg.fill ins(%c0_i64 : i64) outs(%66 : tensor<1x2x?xi64>) -> tensor<1x2x?xi64>
    %68 = tensor.empty(%65) : tensor<1x2x?xf32>
    %69 = linalg.fill ins(%cst_1 : f32) outs(%68 : tensor<1x2x?xf32>) -> tensor<1x2x?xf32>
    %70:2 = linalg.generic {indexing_maps = [#map9, #map10, #map10], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%reshape : tensor<1x2x?x?xf32>) outs(%69, %67 : tensor<1x2x?xf32>, tensor<1x2x?xi64>) {
    ^bb0(%in: f32, %out: f32, %out_55: i64):
      %153 = linalg.index 3 : index
      %154 = arith.index_cast %153 : index to i64
      %155 = arith.maximumf %in, %out : f32
      %156 = arith.cmpf ogt, %in, %out : f32
      %157 = arith.select %156, %154, %out_55 : i64
      linalg.yield %155, %157 : f32, i64
    } -> (tensor<1x2x?xf32>, tensor<1x2x?xi64>)
    %expanded_40 = tensor.expand_shape %70#0 [[0], [1], [2, 3]] output_shape [1, 2, %65, 1] : tensor<1x2x?xf32> into tensor<1x2x?x1xf32>
    %71 = tensor.empty(%65, %65) : tensor<1x2x?x?xf32>
    %72 = linalg.generic {indexing_maps = [#map9, #map11, #map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%reshape, %expanded_40 : tensor<1x2x?x?xf32>, tensor<1x2x?x1xf32>) outs(%71 : tensor<1x2x?x?xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.subf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<1x2x?x?xf32>
    %73 = linalg.generic {indexing_maps = [#map9, #map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%72 : tensor<1x2x?x?xf32>) outs(%71 : tensor<1x2x?x?xf32>) {
    ^bb0(%in: f32, %out: f32):
      %153 = math.exp %in : f32
      linalg.yield %153 : f32
    } -> tensor<1x2x?x?xf32>
    %74 = tensor.empty(%65) : tensor<1x2x?x1xf32>
    %75 = linalg.fill ins(%cst_0 : f32) outs(%74 : tensor<1x2x?x1xf32>) -> tensor<1x2x?x1xf32>
    %76 = linalg.generic {indexing_maps = [#map9, #map11], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%73 : tensor<1x2x?x?xf32>) outs(%75 : tensor<1x2x?x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %153 = arith.addf %in, %out : f32
      linalg.yield %153 : f32
    } -> tensor<1x2x?x1xf32>
    %77 = linalg.generic {indexing_maps = [#map9, #map11, #map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%73, %76 : tensor<1x2x?x?xf32>, tensor<1x2x?x1xf32>) outs(%71 : tensor<1x2x?x?xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.divf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<1x2x?x?xf32>
    %78 = tensor.empty(%65, %65) : tensor<1x2x?x?xi1>
    %79 = linalg.generic {indexing_maps = [#map9, #map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%reshape : tensor<1x2x?x?xf32>) outs(%78 : tensor<1x2x?x?xi1>) {
    ^bb0(%in: f32, %out: i1):
      %153 = arith.extf %in : f32 to f64
      %154 = arith.cmpf oeq, %153, %cst_15 : f64
      linalg.yield %154 : i1
    } -> tensor<1x2x?x?xi1>
    %80 = tensor.empty(%65) : tensor<1x2x?x1xi1>
    %81 = linalg.fill ins(%true : i1) outs(%80 : tensor<1x2x?x1xi1>) -> tensor<1x2x?x1xi1>
    %82 = linalg.generic {indexing_maps = [#map9, #map11], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%79 : tensor<1x2x?x?xi1>) outs(%81 : tensor<1x2x?x1xi1>) {
    ^bb0(%in: i1, %out: i1):
      %153 = arith.andi %in, %out : i1
      linalg.yield %153 : i1
    } -> tensor<1x2x?x1xi1>
    %83 = arith.cmpi sge, %64, %c0_i64 : i64
    cf.assert %83, "negative values not allowed in new dimensions"
    %84 = arith.index_cast %64 : i64 to index
    cf.assert %83, "negative values not allowed in new dimensions"
    %85 = tensor.empty(%84, %84) : tensor<1x2x?x?xf32>
    %86 = linalg.generic {indexing_maps = [#map12, #map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%cst_4 : tensor<f32>) outs(%85 : tensor<1x2x?x?xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<1x2x?x?xf32>
    %87 = arith.cmpi eq, %65, %84 : index
    cf.assert %87, "mismatched size for broadcast"
    %88 = arith.cmpi eq, %84, %65 : index
    cf.assert %88, "mismatched size for broadcast"
    %89 = tensor.empty(%65, %84) : tensor<1x2x?x?xf32>
    %90 = linalg.generic {indexing_maps = [#map11, #map9, #map9, #map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%82, %86, %77 : tensor<1x2x?x1xi1>, tensor<1x2x?x?xf32>, tensor<1x2x?x?xf32>) outs(%89 : tensor<1x2x?x?xf32>) {
    ^bb0(%in: i1, %in_55: f32, %in_56: f32, %out: f32):
      %153 = arith.select %in, %in_55, %in_56 : f32
      linalg.yield %153 : f32
    } -> tensor<1x2x?x?xf32>
    cf.assert %32, "unimplemented: dynamic negative broadcast sizes"
    cf.assert %32, "unimplemented: dynamic negative broadcast sizes"
    %91 = tensor.empty(%dim, %dim) : tensor<1x2x?x?xf32>
    %92 = linalg.generic {indexing_maps = [#map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%91 : tensor<1x2x?x?xf32>) {
    ^bb0(%out: f32):
      %153 = linalg.index 1 : index
      %154 = linalg.index 2 : index
      %155 = linalg.index 3 : index
      %156 = arith.cmpi eq, %65, %c1 : index
      %157 = arith.select %156, %c0, %154 : index
      %158 = arith.cmpi eq, %84, %c1 : index
      %159 = arith.select %158, %c0, %155 : index
      %extracted = tensor.extract %90[%c0, %153, %157, %159] : tensor<1x2x?x?xf32>
      linalg.yield %extracted : f32
    } -> tensor<1x2x?x?xf32>
    cf.assert %61, "must have at most one inferred (negative) dimension"
    %from_elements_41 = tensor.from_elements %c2_i64, %64, %64 : tensor<3xi64>
    %reshape_42 = tensor.reshape %92(%from_elements_41) : (tensor<1x2x?x?xf32>, tensor<3xi64>) -> tensor<2x?x?xf32>
    cf.assert %32, "unimplemented: dynamic negative broadcast sizes"
    %93 = linalg.generic {indexing_maps = [#map9], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%46 : tensor<1x2x?x4xf32>) {
    ^bb0(%out: f32):
      %153 = linalg.index 1 : index
      %154 = linalg.index 2 : index
      %155 = linalg.index 3 : index
      %156 = arith.cmpi eq, %dim, %c1 : index
      %157 = arith.select %156, %c0, %154 : index
      %extracted = tensor.extract %transposed_36[%c0, %153, %157, %155] : tensor<1x2x?x4xf32>
      linalg.yield %extracted : f32
    } -> tensor<1x2x?x4xf32>
    %collapsed_43 = tensor.collapse_shape %93 [[0, 1], [2], [3]] : tensor<1x2x?x4xf32> into tensor<2x?x4xf32>
    %94 = arith.cmpi eq, %64, %0 : i64
    cf.assert %94, "mismatching contracting dimension"
    %95 = tensor.empty(%65) : tensor<2x?x4xf32>
    %96 = linalg.fill ins(%cst_0 : f32) outs(%95 : tensor<2x?x4xf32>) -> tensor<2x?x4xf32>
    %97 = linalg.batch_matmul ins(%reshape_42, %collapsed_43 : tensor<2x?x?xf32>, tensor<2x?x4xf32>) outs(%96 : tensor<2x?x4xf32>) -> tensor<2x?x4xf32>
    %expanded_44 = tensor.expand_shape %97 [[0, 1], [2], [3]] output_shape [1, 2, %65, 4] : tensor<2x?x4xf32> into tensor<1x2x?x4xf32>
    %98 = tensor.empty(%65) : tensor<1x?x2x4xf32>
    %transposed_45 = linalg.transpose ins(%expanded_44 : tensor<1x2x?x4xf32>) outs(%98 : tensor<1x?x2x4xf32>) permutation = [0, 2, 1, 3] 
    %collapsed_46 = tensor.collapse_shape %transposed_45 [[0, 1], [2, 3]] : tensor<1x?x2x4xf32> into tensor<?x8xf32>
    %transposed_47 = linalg.transpose ins(%cst_14 : tensor<8x8xf32>) outs(%29 : tensor<8x8xf32>) permutation = [1, 0] 
    %99 = tensor.empty(%65) : tensor<?x8xf32>
    %100 = linalg.fill ins(%cst_0 : f32) outs(%99 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %101 = linalg.matmul ins(%collapsed_46, %transposed_47 : tensor<?x8xf32>, tensor<8x8xf32>) outs(%100 : tensor<?x8xf32>) -> tensor<?x8xf32>
    cf.assert %32, "negative values not allowed in new dimensions"
    %102 = linalg.generic {indexing_maps = [#map8, #map4], iterator_types = ["parallel", "parallel"]} ins(%cst_13 : tensor<8xf32>) outs(%33 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<?x8xf32>
    %103 = arith.cmpi eq, %65, %dim : index
    cf.assert %103, "mismatched size for broadcast"
    %104 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel"]} ins(%101, %102 : tensor<?x8xf32>, tensor<?x8xf32>) outs(%99 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.addf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<?x8xf32>
    %expanded_48 = tensor.expand_shape %104 [[0, 1], [2]] output_shape [1, %65, 8] : tensor<?x8xf32> into tensor<1x?x8xf32>
    %105 = arith.cmpi eq, %dim, %65 : index
    cf.assert %105, "mismatched size for broadcast"
    %106 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%28, %expanded_48 : tensor<1x?x8xf32>, tensor<1x?x8xf32>) outs(%1 : tensor<1x?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.addf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x8xf32>
    %107 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%106 : tensor<1x?x8xf32>) outs(%8 : tensor<1x?x8xf64>) {
    ^bb0(%in: f32, %out: f64):
      %153 = arith.extf %in : f32 to f64
      linalg.yield %153 : f64
    } -> tensor<1x?x8xf64>
    %108 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%107 : tensor<1x?x8xf64>) outs(%11 : tensor<1x?x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %153 = arith.addf %in, %out : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x1xf64>
    %109 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%108 : tensor<1x?x1xf64>) outs(%10 : tensor<1x?x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %153 = arith.divf %in, %cst_28 : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x1xf64>
    %110 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%107, %109 : tensor<1x?x8xf64>, tensor<1x?x1xf64>) outs(%8 : tensor<1x?x8xf64>) {
    ^bb0(%in: f64, %in_55: f64, %out: f64):
      %153 = arith.subf %in, %in_55 : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x8xf64>
    %111 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%110, %110 : tensor<1x?x8xf64>, tensor<1x?x8xf64>) outs(%8 : tensor<1x?x8xf64>) {
    ^bb0(%in: f64, %in_55: f64, %out: f64):
      %153 = arith.mulf %in, %in_55 : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x8xf64>
    %112 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%111 : tensor<1x?x8xf64>) outs(%11 : tensor<1x?x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %153 = arith.addf %in, %out : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x1xf64>
    %113 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%112 : tensor<1x?x1xf64>) outs(%10 : tensor<1x?x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %153 = arith.divf %in, %cst_28 : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x1xf64>
    %114 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%113 : tensor<1x?x1xf64>) outs(%18 : tensor<1x?x1xf32>) {
    ^bb0(%in: f64, %out: f32):
      %153 = arith.truncf %in : f64 to f32
      linalg.yield %153 : f32
    } -> tensor<1x?x1xf32>
    %115 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%106 : tensor<1x?x8xf32>) outs(%20 : tensor<1x?x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %153 = arith.addf %in, %out : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x1xf32>
    %116 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%115 : tensor<1x?x1xf32>) outs(%18 : tensor<1x?x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %153 = arith.divf %in, %cst_29 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x1xf32>
    %117 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%114 : tensor<1x?x1xf32>) outs(%18 : tensor<1x?x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %153 = arith.truncf %cst_25 : f64 to f32
      %154 = arith.addf %in, %153 : f32
      linalg.yield %154 : f32
    } -> tensor<1x?x1xf32>
    %118 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%117 : tensor<1x?x1xf32>) outs(%18 : tensor<1x?x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %153 = math.rsqrt %in : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x1xf32>
    %119 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%106, %116 : tensor<1x?x8xf32>, tensor<1x?x1xf32>) outs(%1 : tensor<1x?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.subf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x8xf32>
    %120 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%119, %118 : tensor<1x?x8xf32>, tensor<1x?x1xf32>) outs(%1 : tensor<1x?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.mulf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x8xf32>
    %121 = linalg.generic {indexing_maps = [#map1, #map7, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%120, %cst_12 : tensor<1x?x8xf32>, tensor<8xf32>) outs(%1 : tensor<1x?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.mulf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x8xf32>
    %122 = linalg.generic {indexing_maps = [#map1, #map7, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%121, %cst_11 : tensor<1x?x8xf32>, tensor<8xf32>) outs(%1 : tensor<1x?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.addf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x8xf32>
    %collapsed_49 = tensor.collapse_shape %122 [[0, 1], [2]] : tensor<1x?x8xf32> into tensor<?x8xf32>
    %123 = tensor.empty() : tensor<8x16xf32>
    %transposed_50 = linalg.transpose ins(%cst_10 : tensor<16x8xf32>) outs(%123 : tensor<8x16xf32>) permutation = [1, 0] 
    %124 = tensor.empty(%dim) : tensor<?x16xf32>
    %125 = linalg.fill ins(%cst_0 : f32) outs(%124 : tensor<?x16xf32>) -> tensor<?x16xf32>
    %126 = linalg.matmul ins(%collapsed_49, %transposed_50 : tensor<?x8xf32>, tensor<8x16xf32>) outs(%125 : tensor<?x16xf32>) -> tensor<?x16xf32>
    cf.assert %32, "negative values not allowed in new dimensions"
    %127 = tensor.empty(%dim) : tensor<?x16xf32>
    %128 = linalg.generic {indexing_maps = [#map8, #map4], iterator_types = ["parallel", "parallel"]} ins(%cst_9 : tensor<16xf32>) outs(%127 : tensor<?x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<?x16xf32>
    cf.assert %true, "mismatched size for broadcast"
    %129 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel"]} ins(%126, %128 : tensor<?x16xf32>, tensor<?x16xf32>) outs(%124 : tensor<?x16xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.addf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<?x16xf32>
    %expanded_51 = tensor.expand_shape %129 [[0, 1], [2]] output_shape [1, %dim, 16] : tensor<?x16xf32> into tensor<1x?x16xf32>
    %130 = tensor.empty(%dim) : tensor<1x?x16xf32>
    %131 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_51 : tensor<1x?x16xf32>) outs(%130 : tensor<1x?x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      %153 = arith.divf %in, %cst_30 : f32
      %154 = math.erf %153 : f32
      %155 = arith.addf %154, %cst_2 : f32
      %156 = arith.mulf %155, %cst_3 : f32
      %157 = arith.mulf %in, %156 : f32
      linalg.yield %157 : f32
    } -> tensor<1x?x16xf32>
    %collapsed_52 = tensor.collapse_shape %131 [[0, 1], [2]] : tensor<1x?x16xf32> into tensor<?x16xf32>
    %132 = tensor.empty() : tensor<16x8xf32>
    %transposed_53 = linalg.transpose ins(%cst_8 : tensor<8x16xf32>) outs(%132 : tensor<16x8xf32>) permutation = [1, 0] 
    %133 = linalg.matmul ins(%collapsed_52, %transposed_53 : tensor<?x16xf32>, tensor<16x8xf32>) outs(%30 : tensor<?x8xf32>) -> tensor<?x8xf32>
    cf.assert %32, "negative values not allowed in new dimensions"
    %134 = linalg.generic {indexing_maps = [#map8, #map4], iterator_types = ["parallel", "parallel"]} ins(%cst_7 : tensor<8xf32>) outs(%33 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<?x8xf32>
    cf.assert %true, "mismatched size for broadcast"
    %135 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel"]} ins(%133, %134 : tensor<?x8xf32>, tensor<?x8xf32>) outs(%5 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.addf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<?x8xf32>
    %expanded_54 = tensor.expand_shape %135 [[0, 1], [2]] output_shape [1, %dim, 8] : tensor<?x8xf32> into tensor<1x?x8xf32>
    %136 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%122, %expanded_54 : tensor<1x?x8xf32>, tensor<1x?x8xf32>) outs(%1 : tensor<1x?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.addf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x8xf32>
    %137 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%136 : tensor<1x?x8xf32>) outs(%8 : tensor<1x?x8xf64>) {
    ^bb0(%in: f32, %out: f64):
      %153 = arith.extf %in : f32 to f64
      linalg.yield %153 : f64
    } -> tensor<1x?x8xf64>
    %138 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%137 : tensor<1x?x8xf64>) outs(%11 : tensor<1x?x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %153 = arith.addf %in, %out : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x1xf64>
    %139 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%138 : tensor<1x?x1xf64>) outs(%10 : tensor<1x?x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %153 = arith.divf %in, %cst_28 : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x1xf64>
    %140 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%137, %139 : tensor<1x?x8xf64>, tensor<1x?x1xf64>) outs(%8 : tensor<1x?x8xf64>) {
    ^bb0(%in: f64, %in_55: f64, %out: f64):
      %153 = arith.subf %in, %in_55 : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x8xf64>
    %141 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%140, %140 : tensor<1x?x8xf64>, tensor<1x?x8xf64>) outs(%8 : tensor<1x?x8xf64>) {
    ^bb0(%in: f64, %in_55: f64, %out: f64):
      %153 = arith.mulf %in, %in_55 : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x8xf64>
    %142 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%141 : tensor<1x?x8xf64>) outs(%11 : tensor<1x?x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %153 = arith.addf %in, %out : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x1xf64>
    %143 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%142 : tensor<1x?x1xf64>) outs(%10 : tensor<1x?x1xf64>) {
    ^bb0(%in: f64, %out: f64):
      %153 = arith.divf %in, %cst_28 : f64
      linalg.yield %153 : f64
    } -> tensor<1x?x1xf64>
    %144 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%143 : tensor<1x?x1xf64>) outs(%18 : tensor<1x?x1xf32>) {
    ^bb0(%in: f64, %out: f32):
      %153 = arith.truncf %in : f64 to f32
      linalg.yield %153 : f32
    } -> tensor<1x?x1xf32>
    %145 = linalg.generic {indexing_maps = [#map1, #map6], iterator_types = ["parallel", "parallel", "reduction"]} ins(%136 : tensor<1x?x8xf32>) outs(%20 : tensor<1x?x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %153 = arith.addf %in, %out : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x1xf32>
    %146 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%145 : tensor<1x?x1xf32>) outs(%18 : tensor<1x?x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %153 = arith.divf %in, %cst_29 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x1xf32>
    %147 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%144 : tensor<1x?x1xf32>) outs(%18 : tensor<1x?x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %153 = arith.truncf %cst_25 : f64 to f32
      %154 = arith.addf %in, %153 : f32
      linalg.yield %154 : f32
    } -> tensor<1x?x1xf32>
    %148 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%147 : tensor<1x?x1xf32>) outs(%18 : tensor<1x?x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %153 = math.rsqrt %in : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x1xf32>
    %149 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%136, %146 : tensor<1x?x8xf32>, tensor<1x?x1xf32>) outs(%1 : tensor<1x?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.subf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x8xf32>
    %150 = linalg.generic {indexing_maps = [#map1, #map6, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%149, %148 : tensor<1x?x8xf32>, tensor<1x?x1xf32>) outs(%1 : tensor<1x?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.mulf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x8xf32>
    %151 = linalg.generic {indexing_maps = [#map1, #map7, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%150, %cst_6 : tensor<1x?x8xf32>, tensor<8xf32>) outs(%1 : tensor<1x?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.mulf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x8xf32>
    %152 = linalg.generic {indexing_maps = [#map1, #map7, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%151, %cst_5 : tensor<1x?x8xf32>, tensor<8xf32>) outs(%1 : tensor<1x?x8xf32>) {
    ^bb0(%in: f32, %in_55: f32, %out: f32):
      %153 = arith.addf %in, %in_55 : f32
      linalg.yield %153 : f32
    } -> tensor<1x?x8xf32>
    return %152 : tensor<1x?x8xf32>
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
