// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A block has a row. Its mean and mean square are sums over all threads.

#include "Expand.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

LaunchShape quantmlir::cuda::emitNorm(GPUBuilder &b, const Norm &op,
                                      const Form &form) {
  using Values = GPUBuilder::Values;
  int64_t size = op.x.columns;
  int64_t threads = threadsFor(size, form.warps);
  Value thread = b.thread(), row = b.block('y');
  Value average = b.f32(1.0 / double(size));

  auto meanOf = [&](llvm::function_ref<Value(Value)> term) {
    Value part = b.loop(thread, b.index(size), threads, b.f32(0),
                        [&](Value k, ValueRange carried) -> Values {
                          Value x = b.load(op.x, row, k);
                          return {b.addF(carried[0], term(x))};
                        })
                     .front();
    Value sum = b.reduce(part, GPUBuilder::Reduction::Sum);
    sum = b.reduceOverWarps(sum, GPUBuilder::Reduction::Sum, thread,
                            threads / GPUBuilder::warpSize);
    return b.mulF(sum, average);
  };
  Value mean;
  if (op.centered)
    mean = meanOf([](Value x) { return x; });
  auto center = [&](Value x) -> Value {
    return mean ? arith::SubFOp::create(b, x, mean).getResult() : x;
  };
  // A second walk: the difference of mean square and squared mean would lose
  // the digits that a large mean takes up.
  Value square = meanOf([&](Value x) {
    Value difference = center(x);
    return b.mulF(difference, difference);
  });
  Value root = math::SqrtOp::create(b, b.addF(square, b.f32(op.eps)));
  Value factor = arith::DivFOp::create(b, b.f32(1), root);
  b.loop(thread, b.index(size), threads, [&](Value k) {
    Value value = b.mulF(center(b.load(op.x, row, k)), factor);
    value = b.mulF(value, b.load(op.gain, b.index(0), k));
    if (op.bias)
      value = b.addF(value, b.load(op.bias, b.index(0), k));
    b.store(value, op.out, row, k);
  });
  return {/*blocks=*/1, /*tokens=*/1, threads};
}
