// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#map = affine_map<(d0, d1) -> (d1)>
#map1 = affine_map<(d0, d1) -> (d0, d1)>
#map2 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map3 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
#map4 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, 0)>
#map5 = affine_map<(d0, d1, d2, d3) -> ()>
module {
  func.func @attention_sdpa_dynamic(%arg0: tensor<1x?x8xf32>) -> tensor<1x?x8xf32> {
    %c2_i64 = arith.constant 2 : i64
    %c1_i64 = arith.constant 1 : i64
    %c0_i64 = arith.constant 0 : i64
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %cst = arith.constant 0.000000e+00 : f32
    %cst_0 = arith.constant 0xFF800000 : f32
    %true = arith.constant true
    %cst_1 = arith.constant dense<0.000000e+00> : tensor<f32>
    %cst_2 = arith.constant 0xFFF0000000000000 : f64
    %cst_3 = arith.constant 0.70710678118654757 : f64
    %cst_4 = arith.constant dense_resource<torch_tensor_8_torch.float32_2> : tensor<8xf32>
    %cst_5 = arith.constant dense_resource<torch_tensor_8_8_torch.float32_2> : tensor<8x8xf32>
    %cst_6 = arith.constant dense_resource<torch_tensor_8_torch.float32_1> : tensor<8xf32>
    %cst_7 = arith.constant dense_resource<torch_tensor_8_8_torch.float32_1> : tensor<8x8xf32>
    %cst_8 = arith.constant dense_resource<torch_tensor_8_torch.float32> : tensor<8xf32>
    %cst_9 = arith.constant dense_resource<torch_tensor_8_8_torch.float32> : tensor<8x8xf32>
    %dim = tensor.dim %arg0, %c1 : tensor<1x?x8xf32>
    %0 = arith.index_cast %dim : index to i64
    %collapsed = tensor.collapse_shape %arg0 [[0, 1], [2]] : tensor<1x?x8xf32> into tensor<?x8xf32>
    %1 = tensor.empty() : tensor<8x8xf32>
    %transposed = linalg.transpose ins(%cst_9 : tensor<8x8xf32>) outs(%1 : tensor<8x8xf32>) permutation = [1, 0] 
    %2 = tensor.empty(%dim) : tensor<?x8xf32>
    %3 = linalg.fill ins(%cst : f32) outs(%2 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %4 = linalg.matmul ins(%collapsed, %transposed : tensor<?x8xf32>, tensor<8x8xf32>) outs(%3 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %5 = arith.cmpi sge, %0, %c0_i64 : i64
    cf.assert %5, "negative values not allowed in new dimensions"
    %6 = tensor.empty(%dim) : tensor<?x8xf32>
    %7 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel"]} ins(%cst_8 : tensor<8xf32>) outs(%6 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<?x8xf32>
    cf.assert %true, "mismatched size for broadcast"
    %8 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel"]} ins(%4, %7 : tensor<?x8xf32>, tensor<?x8xf32>) outs(%2 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %in_26: f32, %out: f32):
      %72 = arith.addf %in, %in_26 : f32
      linalg.yield %72 : f32
    } -> tensor<?x8xf32>
    %expanded = tensor.expand_shape %8 [[0, 1], [2, 3]] output_shape [1, %dim, 2, 4] : tensor<?x8xf32> into tensor<1x?x2x4xf32>
    %9 = tensor.empty(%dim) : tensor<1x2x?x4xf32>
    %transposed_10 = linalg.transpose ins(%expanded : tensor<1x?x2x4xf32>) outs(%9 : tensor<1x2x?x4xf32>) permutation = [0, 2, 1, 3] 
    %transposed_11 = linalg.transpose ins(%cst_7 : tensor<8x8xf32>) outs(%1 : tensor<8x8xf32>) permutation = [1, 0] 
    %10 = linalg.matmul ins(%collapsed, %transposed_11 : tensor<?x8xf32>, tensor<8x8xf32>) outs(%3 : tensor<?x8xf32>) -> tensor<?x8xf32>
    cf.assert %5, "negative values not allowed in new dimensions"
    %11 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel"]} ins(%cst_6 : tensor<8xf32>) outs(%6 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<?x8xf32>
    cf.assert %true, "mismatched size for broadcast"
    %12 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel"]} ins(%10, %11 : tensor<?x8xf32>, tensor<?x8xf32>) outs(%2 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %in_26: f32, %out: f32):
      %72 = arith.addf %in, %in_26 : f32
      linalg.yield %72 : f32
    } -> tensor<?x8xf32>
    %expanded_12 = tensor.expand_shape %12 [[0, 1], [2, 3]] output_shape [1, %dim, 2, 4] : tensor<?x8xf32> into tensor<1x?x2x4xf32>
    %transposed_13 = linalg.transpose ins(%cst_5 : tensor<8x8xf32>) outs(%1 : tensor<8x8xf32>) permutation = [1, 0] 
    %13 = linalg.matmul ins(%collapsed, %transposed_13 : tensor<?x8xf32>, tensor<8x8xf32>) outs(%3 : tensor<?x8xf32>) -> tensor<?x8xf32>
    cf.assert %5, "negative values not allowed in new dimensions"
    %14 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel"]} ins(%cst_4 : tensor<8xf32>) outs(%6 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<?x8xf32>
    cf.assert %true, "mismatched size for broadcast"
    %15 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel"]} ins(%13, %14 : tensor<?x8xf32>, tensor<?x8xf32>) outs(%2 : tensor<?x8xf32>) {
    ^bb0(%in: f32, %in_26: f32, %out: f32):
      %72 = arith.addf %in, %in_26 : f32
      linalg.yield %72 : f32
    } -> tensor<?x8xf32>
    %expanded_14 = tensor.expand_shape %15 [[0, 1], [2, 3]] output_shape [1, %dim, 2, 4] : tensor<?x8xf32> into tensor<1x?x2x4xf32>
    %transposed_15 = linalg.transpose ins(%expanded_14 : tensor<1x?x2x4xf32>) outs(%9 : tensor<1x2x?x4xf32>) permutation = [0, 2, 1, 3] 
    %16 = linalg.generic {indexing_maps = [#map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed_10 : tensor<1x2x?x4xf32>) outs(%9 : tensor<1x2x?x4xf32>) {
    ^bb0(%in: f32, %out: f32):
      %72 = arith.truncf %cst_3 : f64 to f32
      %73 = arith.mulf %in, %72 : f32
      linalg.yield %73 : f32
    } -> tensor<1x2x?x4xf32>
    %17 = tensor.empty(%dim) : tensor<1x2x4x?xf32>
    %transposed_16 = linalg.transpose ins(%expanded_12 : tensor<1x?x2x4xf32>) outs(%17 : tensor<1x2x4x?xf32>) permutation = [0, 2, 3, 1] 
    %18 = linalg.generic {indexing_maps = [#map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed_16 : tensor<1x2x4x?xf32>) outs(%17 : tensor<1x2x4x?xf32>) {
    ^bb0(%in: f32, %out: f32):
      %72 = arith.truncf %cst_3 : f64 to f32
      %73 = arith.mulf %in, %72 : f32
      linalg.yield %73 : f32
    } -> tensor<1x2x4x?xf32>
    cf.assert %5, "unimplemented: dynamic negative broadcast sizes"
    %19 = tensor.empty(%dim) : tensor<1x2x?x4xf32>
    %20 = linalg.generic {indexing_maps = [#map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%19 : tensor<1x2x?x4xf32>) {
    ^bb0(%out: f32):
      %72 = linalg.index 1 : index
      %73 = linalg.index 2 : index
      %74 = linalg.index 3 : index
      %75 = arith.cmpi eq, %dim, %c1 : index
      %76 = arith.select %75, %c0, %73 : index
      %extracted = tensor.extract %16[%c0, %72, %76, %74] : tensor<1x2x?x4xf32>
      linalg.yield %extracted : f32
    } -> tensor<1x2x?x4xf32>
    %collapsed_17 = tensor.collapse_shape %20 [[0, 1], [2], [3]] : tensor<1x2x?x4xf32> into tensor<2x?x4xf32>
    cf.assert %5, "unimplemented: dynamic negative broadcast sizes"
    %21 = tensor.empty(%dim) : tensor<1x2x4x?xf32>
    %22 = linalg.generic {indexing_maps = [#map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%21 : tensor<1x2x4x?xf32>) {
    ^bb0(%out: f32):
      %72 = linalg.index 1 : index
      %73 = linalg.index 2 : index
      %74 = linalg.index 3 : index
      %75 = arith.cmpi eq, %dim, %c1 : index
      %76 = arith.select %75, %c0, %74 : index
      %extracted = tensor.extract %18[%c0, %72, %73, %76] : tensor<1x2x4x?xf32>
      linalg.yield %extracted : f32
    } -> tensor<1x2x4x?xf32>
    %collapsed_18 = tensor.collapse_shape %22 [[0, 1], [2], [3]] : tensor<1x2x4x?xf32> into tensor<2x4x?xf32>
    %23 = tensor.empty(%dim, %dim) : tensor<2x?x?xf32>
    %24 = linalg.fill ins(%cst : f32) outs(%23 : tensor<2x?x?xf32>) -> tensor<2x?x?xf32>
    %25 = linalg.batch_matmul ins(%collapsed_17, %collapsed_18 : tensor<2x?x4xf32>, tensor<2x4x?xf32>) outs(%24 : tensor<2x?x?xf32>) -> tensor<2x?x?xf32>
    %26 = arith.muli %0, %c2_i64 : i64
    %27 = arith.cmpi slt, %0, %c0_i64 : i64
    %28 = arith.select %27, %c2_i64, %26 : i64
    %29 = arith.extui %27 : i1 to i64
    %30 = arith.muli %28, %0 : i64
    %31 = arith.addi %29, %c1_i64 : i64
    %32 = arith.select %27, %c2_i64, %30 : i64
    %33 = arith.select %27, %31, %29 : i64
    %34 = arith.cmpi sle, %33, %c1_i64 : i64
    cf.assert %34, "must have at most one inferred (negative) dimension"
    %35 = arith.muli %26, %0 : i64
    %36 = arith.divsi %35, %32 : i64
    %37 = arith.select %27, %36, %0 : i64
    %from_elements = tensor.from_elements %c1_i64, %c2_i64, %37, %37 : tensor<4xi64>
    %reshape = tensor.reshape %25(%from_elements) : (tensor<2x?x?xf32>, tensor<4xi64>) -> tensor<1x2x?x?xf32>
    %38 = arith.index_cast %37 : i64 to index
    %39 = tensor.empty(%38) : tensor<1x2x?xi64>
    %40 = linalg.fill ins(%c0_i64 : i64) outs(%39 : tensor<1x2x?xi64>) -> tensor<1x2x?xi64>
    %41 = tensor.empty(%38) : tensor<1x2x?xf32>
    %42 = linalg.fill ins(%cst_0 : f32) outs(%41 : tensor<1x2x?xf32>) -> tensor<1x2x?xf32>
    %43:2 = linalg.generic {indexing_maps = [#map2, #map3, #map3], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%reshape : tensor<1x2x?x?xf32>) outs(%42, %40 : tensor<1x2x?xf32>, tensor<1x2x?xi64>) {
    ^bb0(%in: f32, %out: f32, %out_26: i64):
      %72 = linalg.index 3 : index
      %73 = arith.index_cast %72 : index to i64
      %74 = arith.maximumf %in, %out : f32
      %75 = arith.cmpf ogt, %in, %out : f32
      %76 = arith.select %75, %73, %out_26 : i64
      linalg.yield %74, %76 : f32, i64
    } -> (tensor<1x2x?xf32>, tensor<1x2x?xi64>)
    %expanded_19 = tensor.expand_shape %43#0 [[0], [1], [2, 3]] output_shape [1, 2, %38, 1] : tensor<1x2x?xf32> into tensor<1x2x?x1xf32>
    %44 = tensor.empty(%38, %38) : tensor<1x2x?x?xf32>
    %45 = linalg.generic {indexing_maps = [#map2, #map4, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%reshape, %expanded_19 : tensor<1x2x?x?xf32>, tensor<1x2x?x1xf32>) outs(%44 : tensor<1x2x?x?xf32>) {
    ^bb0(%in: f32, %in_26: f32, %out: f32):
      %72 = arith.subf %in, %in_26 : f32
      linalg.yield %72 : f32
    } -> tensor<1x2x?x?xf32>
    %46 = linalg.generic {indexing_maps = [#map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%45 : tensor<1x2x?x?xf32>) outs(%44 : tensor<1x2x?x?xf32>) {
    ^bb0(%in: f32, %out: f32):
      %72 = math.exp %in : f32
      linalg.yield %72 : f32
    } -> tensor<1x2x?x?xf32>
    %47 = tensor.empty(%38) : tensor<1x2x?x1xf32>
    %48 = linalg.fill ins(%cst : f32) outs(%47 : tensor<1x2x?x1xf32>) -> tensor<1x2x?x1xf32>
    %49 = linalg.generic {indexing_maps = [#map2, #map4], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%46 : tensor<1x2x?x?xf32>) outs(%48 : tensor<1x2x?x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %72 = arith.addf %in, %out : f32
      linalg.yield %72 : f32
    } -> tensor<1x2x?x1xf32>
    %50 = linalg.generic {indexing_maps = [#map2, #map4, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%46, %49 : tensor<1x2x?x?xf32>, tensor<1x2x?x1xf32>) outs(%44 : tensor<1x2x?x?xf32>) {
    ^bb0(%in: f32, %in_26: f32, %out: f32):
      %72 = arith.divf %in, %in_26 : f32
      linalg.yield %72 : f32
    } -> tensor<1x2x?x?xf32>
    %51 = tensor.empty(%38, %38) : tensor<1x2x?x?xi1>
    %52 = linalg.generic {indexing_maps = [#map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%reshape : tensor<1x2x?x?xf32>) outs(%51 : tensor<1x2x?x?xi1>) {
    ^bb0(%in: f32, %out: i1):
      %72 = arith.extf %in : f32 to f64
      %73 = arith.cmpf oeq, %72, %cst_2 : f64
      linalg.yield %73 : i1
    } -> tensor<1x2x?x?xi1>
    %53 = tensor.empty(%38) : tensor<1x2x?x1xi1>
    %54 = linalg.fill ins(%true : i1) outs(%53 : tensor<1x2x?x1xi1>) -> tensor<1x2x?x1xi1>
    %55 = linalg.generic {indexing_maps = [#map2, #map4], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%52 : tensor<1x2x?x?xi1>) outs(%54 : tensor<1x2x?x1xi1>) {
    ^bb0(%in: i1, %out: i1):
      %72 = arith.andi %in, %out : i1
      linalg.yield %72 : i1
    } -> tensor<1x2x?x1xi1>
    %56 = arith.cmpi sge, %37, %c0_i64 : i64
    cf.assert %56, "negative values not allowed in new dimensions"
    %57 = arith.index_cast %37 : i64 to index
    cf.assert %56, "negative values not allowed in new dimensions"
    %58 = tensor.empty(%57, %57) : tensor<1x2x?x?xf32>
    %59 = linalg.generic {indexing_maps = [#map5, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%cst_1 : tensor<f32>) outs(%58 : tensor<1x2x?x?xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<1x2x?x?xf32>
    %60 = arith.cmpi eq, %38, %57 : index
    cf.assert %60, "mismatched size for broadcast"
    %61 = arith.cmpi eq, %57, %38 : index
    cf.assert %61, "mismatched size for broadcast"
    %62 = tensor.empty(%38, %57) : tensor<1x2x?x?xf32>
    %63 = linalg.generic {indexing_maps = [#map4, #map2, #map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%55, %59, %50 : tensor<1x2x?x1xi1>, tensor<1x2x?x?xf32>, tensor<1x2x?x?xf32>) outs(%62 : tensor<1x2x?x?xf32>) {
    ^bb0(%in: i1, %in_26: f32, %in_27: f32, %out: f32):
      %72 = arith.select %in, %in_26, %in_27 : f32
      linalg.yield %72 : f32
    } -> tensor<1x2x?x?xf32>
    cf.assert %5, "unimplemented: dynamic negative broadcast sizes"
    cf.assert %5, "unimplemented: dynamic negative broadcast sizes"
    %64 = tensor.empty(%dim, %dim) : tensor<1x2x?x?xf32>
    %65 = linalg.generic {indexing_maps = [#map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%64 : tensor<1x2x?x?xf32>) {
    ^bb0(%out: f32):
      %72 = linalg.index 1 : index
      %73 = linalg.index 2 : index
      %74 = linalg.index 3 : index
      %75 = arith.cmpi eq, %38, %c1 : index
      %76 = arith.select %75, %c0, %73 : index
      %77 = arith.cmpi eq, %57, %c1 : index
      %78 = arith.select %77, %c0, %74 : index
      %extracted = tensor.extract %63[%c0, %72, %76, %78] : tensor<1x2x?x?xf32>
      linalg.yield %extracted : f32
    } -> tensor<1x2x?x?xf32>
    cf.assert %34, "must have at most one inferred (negative) dimension"
    %from_elements_20 = tensor.from_elements %c2_i64, %37, %37 : tensor<3xi64>
    %reshape_21 = tensor.reshape %65(%from_elements_20) : (tensor<1x2x?x?xf32>, tensor<3xi64>) -> tensor<2x?x?xf32>
    cf.assert %5, "unimplemented: dynamic negative broadcast sizes"
    %66 = linalg.generic {indexing_maps = [#map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%19 : tensor<1x2x?x4xf32>) {
    ^bb0(%out: f32):
      %72 = linalg.index 1 : index
      %73 = linalg.index 2 : index
      %74 = linalg.index 3 : index
      %75 = arith.cmpi eq, %dim, %c1 : index
      %76 = arith.select %75, %c0, %73 : index
      %extracted = tensor.extract %transposed_15[%c0, %72, %76, %74] : tensor<1x2x?x4xf32>
      linalg.yield %extracted : f32
    } -> tensor<1x2x?x4xf32>
    %collapsed_22 = tensor.collapse_shape %66 [[0, 1], [2], [3]] : tensor<1x2x?x4xf32> into tensor<2x?x4xf32>
    %67 = arith.cmpi eq, %37, %0 : i64
    cf.assert %67, "mismatching contracting dimension"
    %68 = tensor.empty(%38) : tensor<2x?x4xf32>
    %69 = linalg.fill ins(%cst : f32) outs(%68 : tensor<2x?x4xf32>) -> tensor<2x?x4xf32>
    %70 = linalg.batch_matmul ins(%reshape_21, %collapsed_22 : tensor<2x?x?xf32>, tensor<2x?x4xf32>) outs(%69 : tensor<2x?x4xf32>) -> tensor<2x?x4xf32>
    %expanded_23 = tensor.expand_shape %70 [[0, 1], [2], [3]] output_shape [1, 2, %38, 4] : tensor<2x?x4xf32> into tensor<1x2x?x4xf32>
    %71 = tensor.empty(%38) : tensor<1x?x2x4xf32>
    %transposed_24 = linalg.transpose ins(%expanded_23 : tensor<1x2x?x4xf32>) outs(%71 : tensor<1x?x2x4xf32>) permutation = [0, 2, 1, 3] 
    %collapsed_25 = tensor.collapse_shape %transposed_24 [[0], [1], [2, 3]] : tensor<1x?x2x4xf32> into tensor<1x?x8xf32>
    return %collapsed_25 : tensor<1x?x8xf32>
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
