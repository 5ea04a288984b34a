// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#map = affine_map<(d0, d1) -> (d1)>
#map1 = affine_map<(d0, d1) -> (d0, d1)>
#map2 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map3 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
#map4 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, 0)>
module {
  func.func @attention_explicit_dynamic(%arg0: tensor<1x?x8xf32>) -> tensor<1x?x8xf32> {
    %true = arith.constant true
    %c1_i64 = arith.constant 1 : i64
    %c0_i64 = arith.constant 0 : i64
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %cst = arith.constant 0.000000e+00 : f32
    %c2_i64 = arith.constant 2 : i64
    %cst_0 = arith.constant 0xFF800000 : f32
    %cst_1 = arith.constant dense_resource<torch_tensor_8_torch.float32_2> : tensor<8xf32>
    %cst_2 = arith.constant dense_resource<torch_tensor_8_8_torch.float32_2> : tensor<8x8xf32>
    %cst_3 = arith.constant dense_resource<torch_tensor_8_torch.float32_1> : tensor<8xf32>
    %cst_4 = arith.constant dense_resource<torch_tensor_8_8_torch.float32_1> : tensor<8x8xf32>
    %cst_5 = arith.constant dense_resource<torch_tensor_8_torch.float32> : tensor<8xf32>
    %cst_6 = arith.constant dense_resource<torch_tensor_8_8_torch.float32> : tensor<8x8xf32>
    %cst_7 = arith.constant 5.000000e-01 : f32
    %dim = tensor.dim %arg0, %c1 : tensor<1x?x8xf32>
    %0 = arith.index_cast %dim : index to i64
    %collapsed = tensor.collapse_shape %arg0 [[0, 1], [2]] : tensor<1x?x8xf32> into tensor<?x8xf32>
    %1 = tensor.empty() : tensor<8x8xf32>
    %transposed = linalg.transpose ins(%cst_6 : tensor<8x8xf32>) outs(%1 : tensor<8x8xf32>) permutation = [1, 0] 
    %2 = tensor.empty(%dim) : tensor<?x8xf32>
    %3 = linalg.fill ins(%cst : f32) outs(%2 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %4 = linalg.matmul ins(%collapsed, %transposed : tensor<?x8xf32>, tensor<8x8xf32>) outs(%3 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %5 = arith.cmpi sge, %0, %c0_i64 : i64
    cf.assert %5, "negative values not allowed in new dimensions"
    %6 = tensor.empty(%dim) : tensor<?x8xf32>
    %7 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel"]} ins(%cst_5 : tensor<8xf32>) outs(%6 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<?x8xf32>
    cf.assert %true, "mismatched size for broadcast"
    %8 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel"]} ins(%4, %7 : tensor<?x8xf32>, tensor<?x8xf32>) outs(%2 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %in_24: f32, %out: f32):
      %58 = arith.addf %in, %in_24 : f32
      linalg.yield %58 : f32
    } -> tensor<?x8xf32>
    %expanded = tensor.expand_shape %8 [[0, 1], [2, 3]] output_shape [1, %dim, 2, 4] : tensor<?x8xf32> into tensor<1x?x2x4xf32>
    %9 = tensor.empty(%dim) : tensor<1x2x?x4xf32>
    %transposed_8 = linalg.transpose ins(%expanded : tensor<1x?x2x4xf32>) outs(%9 : tensor<1x2x?x4xf32>) permutation = [0, 2, 1, 3] 
    %transposed_9 = linalg.transpose ins(%cst_4 : tensor<8x8xf32>) outs(%1 : tensor<8x8xf32>) permutation = [1, 0] 
    %10 = linalg.matmul ins(%collapsed, %transposed_9 : tensor<?x8xf32>, tensor<8x8xf32>) outs(%3 : tensor<?x8xf32>) -> tensor<?x8xf32>
    cf.assert %5, "negative values not allowed in new dimensions"
    %11 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel"]} ins(%cst_3 : tensor<8xf32>) outs(%6 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<?x8xf32>
    cf.assert %true, "mismatched size for broadcast"
    %12 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel"]} ins(%10, %11 : tensor<?x8xf32>, tensor<?x8xf32>) outs(%2 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %in_24: f32, %out: f32):
      %58 = arith.addf %in, %in_24 : f32
      linalg.yield %58 : f32
    } -> tensor<?x8xf32>
    %expanded_10 = tensor.expand_shape %12 [[0, 1], [2, 3]] output_shape [1, %dim, 2, 4] : tensor<?x8xf32> into tensor<1x?x2x4xf32>
    %transposed_11 = linalg.transpose ins(%cst_2 : tensor<8x8xf32>) outs(%1 : tensor<8x8xf32>) permutation = [1, 0] 
    %13 = linalg.matmul ins(%collapsed, %transposed_11 : tensor<?x8xf32>, tensor<8x8xf32>) outs(%3 : tensor<?x8xf32>) -> tensor<?x8xf32>
    cf.assert %5, "negative values not allowed in new dimensions"
    %14 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel"]} ins(%cst_1 : tensor<8xf32>) outs(%6 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<?x8xf32>
    cf.assert %true, "mismatched size for broadcast"
    %15 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel"]} ins(%13, %14 : tensor<?x8xf32>, tensor<?x8xf32>) outs(%2 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %in_24: f32, %out: f32):
      %58 = arith.addf %in, %in_24 : f32
      linalg.yield %58 : f32
    } -> tensor<?x8xf32>
    %expanded_12 = tensor.expand_shape %15 [[0, 1], [2, 3]] output_shape [1, %dim, 2, 4] : tensor<?x8xf32> into tensor<1x?x2x4xf32>
    %transposed_13 = linalg.transpose ins(%expanded_12 : tensor<1x?x2x4xf32>) outs(%9 : tensor<1x2x?x4xf32>) permutation = [0, 2, 1, 3] 
    %16 = tensor.empty(%dim) : tensor<1x2x4x?xf32>
    %transposed_14 = linalg.transpose ins(%expanded_10 : tensor<1x?x2x4xf32>) outs(%16 : tensor<1x2x4x?xf32>) permutation = [0, 2, 3, 1] 
    cf.assert %5, "unimplemented: dynamic negative broadcast sizes"
    %17 = tensor.empty(%dim) : tensor<1x2x?x4xf32>
    %18 = linalg.generic {indexing_maps = [#map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%17 : tensor<1x2x?x4xf32>) {
    ^bb0(%out: f32):
      %58 = linalg.index 1 : index
      %59 = linalg.index 2 : index
      %60 = linalg.index 3 : index
      %61 = arith.cmpi eq, %dim, %c1 : index
      %62 = arith.select %61, %c0, %59 : index
      %extracted = tensor.extract %transposed_8[%c0, %58, %62, %60] : tensor<1x2x?x4xf32>
      linalg.yield %extracted : f32
    } -> tensor<1x2x?x4xf32>
    %collapsed_15 = tensor.collapse_shape %18 [[0, 1], [2], [3]] : tensor<1x2x?x4xf32> into tensor<2x?x4xf32>
    cf.assert %5, "unimplemented: dynamic negative broadcast sizes"
    %19 = tensor.empty(%dim) : tensor<1x2x4x?xf32>
    %20 = linalg.generic {indexing_maps = [#map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%19 : tensor<1x2x4x?xf32>) {
    ^bb0(%out: f32):
      %58 = linalg.index 1 : index
      %59 = linalg.index 2 : index
      %60 = linalg.index 3 : index
      %61 = arith.cmpi eq, %dim, %c1 : index
      %62 = arith.select %61, %c0, %60 : index
      %extracted = tensor.extract %transposed_14[%c0, %58, %59, %62] : tensor<1x2x4x?xf32>
      linalg.yield %extracted : f32
    } -> tensor<1x2x4x?xf32>
    %collapsed_16 = tensor.collapse_shape %20 [[0, 1], [2], [3]] : tensor<1x2x4x?xf32> into tensor<2x4x?xf32>
    %21 = tensor.empty(%dim, %dim) : tensor<2x?x?xf32>
    %22 = linalg.fill ins(%cst : f32) outs(%21 : tensor<2x?x?xf32>) -> tensor<2x?x?xf32>
    %23 = linalg.batch_matmul ins(%collapsed_15, %collapsed_16 : tensor<2x?x4xf32>, tensor<2x4x?xf32>) outs(%22 : tensor<2x?x?xf32>) -> tensor<2x?x?xf32>
    %24 = arith.muli %0, %c2_i64 : i64
    %25 = arith.cmpi slt, %0, %c0_i64 : i64
    %26 = arith.select %25, %c2_i64, %24 : i64
    %27 = arith.extui %25 : i1 to i64
    %28 = arith.muli %26, %0 : i64
    %29 = arith.addi %27, %c1_i64 : i64
    %30 = arith.select %25, %c2_i64, %28 : i64
    %31 = arith.select %25, %29, %27 : i64
    %32 = arith.cmpi sle, %31, %c1_i64 : i64
    cf.assert %32, "must have at most one inferred (negative) dimension"
    %33 = arith.muli %24, %0 : i64
    %34 = arith.divsi %33, %30 : i64
    %35 = arith.select %25, %34, %0 : i64
    %from_elements = tensor.from_elements %c1_i64, %c2_i64, %35, %35 : tensor<4xi64>
    %reshape = tensor.reshape %23(%from_elements) : (tensor<2x?x?xf32>, tensor<4xi64>) -> tensor<1x2x?x?xf32>
    %36 = arith.index_cast %35 : i64 to index
    %37 = tensor.empty(%36, %36) : tensor<1x2x?x?xf32>
    %38 = linalg.generic {indexing_maps = [#map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%reshape : tensor<1x2x?x?xf32>) outs(%37 : tensor<1x2x?x?xf32>) {
    ^bb0(%in: f32, %out: f32):
      %58 = arith.mulf %in, %cst_7 : f32
      linalg.yield %58 : f32
    } -> tensor<1x2x?x?xf32>
    %39 = tensor.empty(%36) : tensor<1x2x?xi64>
    %40 = linalg.fill ins(%c0_i64 : i64) outs(%39 : tensor<1x2x?xi64>) -> tensor<1x2x?xi64>
    %41 = tensor.empty(%36) : tensor<1x2x?xf32>
    %42 = linalg.fill ins(%cst_0 : f32) outs(%41 : tensor<1x2x?xf32>) -> tensor<1x2x?xf32>
    %43:2 = linalg.generic {indexing_maps = [#map2, #map3, #map3], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%38 : tensor<1x2x?x?xf32>) outs(%42, %40 : tensor<1x2x?xf32>, tensor<1x2x?xi64>) {
    ^bb0(%in: f32, %out: f32, %out_24: i64):
      %58 = linalg.index 3 : index
      %59 = arith.index_cast %58 : index to i64
      %60 = arith.maximumf %in, %out : f32
      %61 = arith.cmpf ogt, %in, %out : f32
      %62 = arith.select %61, %59, %out_24 : i64
      linalg.yield %60, %62 : f32, i64
    } -> (tensor<1x2x?xf32>, tensor<1x2x?xi64>)
    %expanded_17 = tensor.expand_shape %43#0 [[0], [1], [2, 3]] output_shape [1, 2, %36, 1] : tensor<1x2x?xf32> into tensor<1x2x?x1xf32>
    %44 = linalg.generic {indexing_maps = [#map2, #map4, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%38, %expanded_17 : tensor<1x2x?x?xf32>, tensor<1x2x?x1xf32>) outs(%37 : tensor<1x2x?x?xf32>) {
    ^bb0(%in: f32, %in_24: f32, %out: f32):
      %58 = arith.subf %in, %in_24 : f32
      linalg.yield %58 : f32
    } -> tensor<1x2x?x?xf32>
    %45 = linalg.generic {indexing_maps = [#map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%44 : tensor<1x2x?x?xf32>) outs(%37 : tensor<1x2x?x?xf32>) {
    ^bb0(%in: f32, %out: f32):
      %58 = math.exp %in : f32
      linalg.yield %58 : f32
    } -> tensor<1x2x?x?xf32>
    %46 = tensor.empty(%36) : tensor<1x2x?x1xf32>
    %47 = linalg.fill ins(%cst : f32) outs(%46 : tensor<1x2x?x1xf32>) -> tensor<1x2x?x1xf32>
    %48 = linalg.generic {indexing_maps = [#map2, #map4], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%45 : tensor<1x2x?x?xf32>) outs(%47 : tensor<1x2x?x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %58 = arith.addf %in, %out : f32
      linalg.yield %58 : f32
    } -> tensor<1x2x?x1xf32>
    %49 = linalg.generic {indexing_maps = [#map2, #map4, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%45, %48 : tensor<1x2x?x?xf32>, tensor<1x2x?x1xf32>) outs(%37 : tensor<1x2x?x?xf32>) {
    ^bb0(%in: f32, %in_24: f32, %out: f32):
      %58 = arith.divf %in, %in_24 : f32
      linalg.yield %58 : f32
    } -> tensor<1x2x?x?xf32>
    cf.assert %5, "unimplemented: dynamic negative broadcast sizes"
    cf.assert %5, "unimplemented: dynamic negative broadcast sizes"
    %50 = tensor.empty(%dim, %dim) : tensor<1x2x?x?xf32>
    %51 = linalg.generic {indexing_maps = [#map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%50 : tensor<1x2x?x?xf32>) {
    ^bb0(%out: f32):
      %58 = linalg.index 1 : index
      %59 = linalg.index 2 : index
      %60 = linalg.index 3 : index
      %61 = arith.cmpi eq, %36, %c1 : index
      %62 = arith.select %61, %c0, %59 : index
      %63 = arith.select %61, %c0, %60 : index
      %extracted = tensor.extract %49[%c0, %58, %62, %63] : tensor<1x2x?x?xf32>
      linalg.yield %extracted : f32
    } -> tensor<1x2x?x?xf32>
    cf.assert %32, "must have at most one inferred (negative) dimension"
    %from_elements_18 = tensor.from_elements %c2_i64, %35, %35 : tensor<3xi64>
    %reshape_19 = tensor.reshape %51(%from_elements_18) : (tensor<1x2x?x?xf32>, tensor<3xi64>) -> tensor<2x?x?xf32>
    cf.assert %5, "unimplemented: dynamic negative broadcast sizes"
    %52 = linalg.generic {indexing_maps = [#map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%17 : tensor<1x2x?x4xf32>) {
    ^bb0(%out: f32):
      %58 = linalg.index 1 : index
      %59 = linalg.index 2 : index
      %60 = linalg.index 3 : index
      %61 = arith.cmpi eq, %dim, %c1 : index
      %62 = arith.select %61, %c0, %59 : index
      %extracted = tensor.extract %transposed_13[%c0, %58, %62, %60] : tensor<1x2x?x4xf32>
      linalg.yield %extracted : f32
    } -> tensor<1x2x?x4xf32>
    %collapsed_20 = tensor.collapse_shape %52 [[0, 1], [2], [3]] : tensor<1x2x?x4xf32> into tensor<2x?x4xf32>
    %53 = arith.cmpi eq, %35, %0 : i64
    cf.assert %53, "mismatching contracting dimension"
    %54 = tensor.empty(%36) : tensor<2x?x4xf32>
    %55 = linalg.fill ins(%cst : f32) outs(%54 : tensor<2x?x4xf32>) -> tensor<2x?x4xf32>
    %56 = linalg.batch_matmul ins(%reshape_19, %collapsed_20 : tensor<2x?x?xf32>, tensor<2x?x4xf32>) outs(%55 : tensor<2x?x4xf32>) -> tensor<2x?x4xf32>
    %expanded_21 = tensor.expand_shape %56 [[0, 1], [2], [3]] output_shape [1, 2, %36, 4] : tensor<2x?x4xf32> into tensor<1x2x?x4xf32>
    %57 = tensor.empty(%36) : tensor<1x?x2x4xf32>
    %transposed_22 = linalg.transpose ins(%expanded_21 : tensor<1x2x?x4xf32>) outs(%57 : tensor<1x?x2x4xf32>) permutation = [0, 2, 1, 3] 
    %collapsed_23 = tensor.collapse_shape %transposed_22 [[0], [1], [2, 3]] : tensor<1x?x2x4xf32> into tensor<1x?x8xf32>
    return %collapsed_23 : tensor<1x?x8xf32>
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
