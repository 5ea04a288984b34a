// RUN: quant-opt %s --lm-raise-linalg | FileCheck %s

#all = affine_map<(b, t, d) -> (b, t, d)>
#ids = affine_map<(b, t, d) -> (b, t)>
#tokens = affine_map<(b, t, d) -> (t)>

// The assertion in the body goes with the lookup.
// CHECK-LABEL: func.func @lookup
//  CHECK-SAME: %[[IDS:.+]]: tensor<2x?xi64>, %[[TABLE:.+]]: tensor<16x8xf32>
//       CHECK: lm.embedding %[[IDS]], %[[TABLE]] : tensor<2x?xi64>, tensor<16x8xf32> -> tensor<2x?x8xf32>
//   CHECK-NOT: cf.assert
func.func @lookup(%ids: tensor<2x?xi64>, %table: tensor<16x8xf32>) -> tensor<2x?x8xf32> {
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %n = tensor.dim %ids, %c1 : tensor<2x?xi64>
  %e = tensor.empty(%n) : tensor<2x?x8xf32>
  %r = linalg.generic {indexing_maps = [#ids, #all], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%ids : tensor<2x?xi64>) outs(%e : tensor<2x?x8xf32>) {
  ^bb0(%id: i64, %o: f32):
    %row = arith.index_cast %id : i64 to index
    %col = linalg.index 2 : index
    %below = arith.cmpi slt, %row, %c16 : index
    cf.assert %below, "index must be smaller than dim size"
    %x = tensor.extract %table[%row, %col] : tensor<16x8xf32>
    linalg.yield %x : f32
  } -> tensor<2x?x8xf32>
  return %r : tensor<2x?x8xf32>
}

// Positions 0, 1, 2, .. are the first rows of their table; a batch of one goes.
// CHECK-LABEL: func.func @positions
//       CHECK: %[[N:.+]] = tensor.dim
//       CHECK: %[[ROWS:.+]] = tensor.extract_slice %{{.*}}[0, 0] [%[[N]], 8] [1, 1] : tensor<16x8xf32> to tensor<?x8xf32>
//       CHECK: tensor.expand_shape %[[ROWS]] {{\[\[}}0, 1], [2]] output_shape [1, %[[N]], 8]
//   CHECK-NOT: linalg
func.func @positions(%ids: tensor<1x?xi64>, %table: tensor<16x8xf32>) -> tensor<1x?x8xf32> {
  %c1 = arith.constant 1 : index
  %n = tensor.dim %ids, %c1 : tensor<1x?xi64>
  %e1 = tensor.empty(%n) : tensor<?xi64>
  %positions = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
      outs(%e1 : tensor<?xi64>) {
  ^bb0(%o: i64):
    %i = linalg.index 0 : index
    %j = arith.index_cast %i : index to i64
    linalg.yield %j : i64
  } -> tensor<?xi64>
  %e = tensor.empty(%n) : tensor<1x?x8xf32>
  %r = linalg.generic {indexing_maps = [#tokens, #all], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%positions : tensor<?xi64>) outs(%e : tensor<1x?x8xf32>) {
  ^bb0(%id: i64, %o: f32):
    %row = arith.index_cast %id : i64 to index
    %col = linalg.index 2 : index
    %x = tensor.extract %table[%row, %col] : tensor<16x8xf32>
    linalg.yield %x : f32
  } -> tensor<1x?x8xf32>
  return %r : tensor<1x?x8xf32>
}

// One row for all tokens: token type 1.
// CHECK-LABEL: func.func @one_row
//       CHECK: %[[ROW:.+]] = tensor.extract_slice %{{.*}}[1, 0] [1, 8] [1, 1] : tensor<2x8xf32> to tensor<8xf32>
//       CHECK: linalg.generic {{.*}} ins(%[[ROW]] : tensor<8xf32>)
//   CHECK-NOT: tensor.extract %
func.func @one_row(%table: tensor<2x8xf32>) -> tensor<3x5x8xf32> {
  %types = arith.constant dense<1> : tensor<3x5xi64>
  %e = tensor.empty() : tensor<3x5x8xf32>
  %r = linalg.generic {indexing_maps = [#ids, #all], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%types : tensor<3x5xi64>) outs(%e : tensor<3x5x8xf32>) {
  ^bb0(%id: i64, %o: f32):
    %row = arith.index_cast %id : i64 to index
    %col = linalg.index 2 : index
    %x = tensor.extract %table[%row, %col] : tensor<2x8xf32>
    linalg.yield %x : f32
  } -> tensor<3x5x8xf32>
  return %r : tensor<3x5x8xf32>
}

// More positions than the table has rows.
// CHECK-LABEL: func.func @too_many_positions
//   CHECK-NOT: tensor.extract_slice
//       CHECK: tensor.extract
func.func @too_many_positions(%table: tensor<4x8xf32>) -> tensor<5x8xf32> {
  %e = tensor.empty() : tensor<5x8xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(t, d) -> (t, d)>], iterator_types = ["parallel", "parallel"]}
      outs(%e : tensor<5x8xf32>) {
  ^bb0(%o: f32):
    %row = linalg.index 0 : index
    %col = linalg.index 1 : index
    %x = tensor.extract %table[%row, %col] : tensor<4x8xf32>
    linalg.yield %x : f32
  } -> tensor<5x8xf32>
  return %r : tensor<5x8xf32>
}

// The ids choose the column.
// CHECK-LABEL: func.func @column_lookup
//   CHECK-NOT: lm.
//       CHECK: tensor.extract
func.func @column_lookup(%ids: tensor<3xi64>, %table: tensor<8x8xf32>) -> tensor<3x8xf32> {
  %e = tensor.empty() : tensor<3x8xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(t, d) -> (t)>, affine_map<(t, d) -> (t, d)>], iterator_types = ["parallel", "parallel"]}
      ins(%ids : tensor<3xi64>) outs(%e : tensor<3x8xf32>) {
  ^bb0(%id: i64, %o: f32):
    %col = arith.index_cast %id : i64 to index
    %row = linalg.index 1 : index
    %x = tensor.extract %table[%row, %col] : tensor<8x8xf32>
    linalg.yield %x : f32
  } -> tensor<3x8xf32>
  return %r : tensor<3x8xf32>
}
