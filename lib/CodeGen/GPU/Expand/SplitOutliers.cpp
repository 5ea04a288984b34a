// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A thread has four columns, which are a word of what says where outliers are.
// It goes down all rows twice: to find the loudest values, and to part them.

#include "Expand.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

LaunchShape quantmlir::cuda::emitSplitOutliers(GPUBuilder &b,
                                               const SplitOutliers &op,
                                               const Form &form) {
  using Values = GPUBuilder::Values;
  constexpr int64_t width = 4;
  int64_t words = op.x.columns / width;
  int64_t threads = threadsFor(words, form.warps);
  Value word = b.add(b.mul(b.block('x'), threads), b.thread());
  auto isLoud = [&](Value value) -> Value {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, value,
                                 b.f32(op.threshold));
  };
  b.onlyIf(b.less(word, words), [&] {
    Value column = b.mul(word, width);
    Values loudest =
        b.loop(b.index(0), op.rows, 1, Values(width, b.f32(0)),
               [&](Value row, ValueRange carried) {
                 Values most(carried);
                 for (auto [m, x] :
                      llvm::zip(most, b.loadSome(op.x, row, column, width)))
                   m = arith::MaximumFOp::create(b, m, b.magnitude(x));
                 return most;
               });
    Values loudColumns;
    Value flags = b.i32(0);
    for (auto [i, value] : llvm::enumerate(loudest)) {
      loudColumns.push_back(isLoud(value));
      flags = b.orI(
          flags, b.select(loudColumns.back(), b.i32(1 << (8 * i)), b.i32(0)));
    }
    b.loop(b.index(0), op.rows, 1, [&](Value row) {
      Values inliers, outliers;
      for (auto [x, loud] :
           llvm::zip(b.loadSome(op.x, row, column, width), loudColumns)) {
        Value out = op.perToken ? isLoud(b.magnitude(x)) : loud;
        inliers.push_back(b.select(out, b.f32(0), x));
        outliers.push_back(b.select(out, x, b.f32(0)));
      }
      b.storeSome(inliers, op.inliers, row, column);
      b.storeSome(outliers, op.outliers, row, column);
    });
    b.store(flags, op.columns, b.index(0), word);
  });
  return {int64_t(llvm::divideCeil(words, threads)), /*tokens=*/1, threads};
}
