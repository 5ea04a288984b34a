// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What no kernel knows stays linalg and lands here. Parallel loops become one
// number that threads are counted by, and loops of a reduction stay loops of
// one thread.

#include "Tensors.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

namespace {

/// Elements that a block has, and its threads: each thread has several, so that
/// the blocks of a large tensor can be counted along y.
constexpr int64_t elements = 1024, threads = 256, mostBlocks = 65535;

class LinalgEmitter {
public:
  LinalgEmitter(linalg::LinalgOp op) : op(op) {}

  LogicalResult check();
  void addOperands(GPUBuilder &host, SmallVectorImpl<Operand> &operands);
  Value countElements(GPUBuilder &host);
  LaunchShape emit(GPUBuilder &b, const Arguments &given);

private:
  using Values = GPUBuilder::Values;

  bool isParallel(unsigned dim) {
    return linalg::isParallelIterator(op.getIteratorTypesArray()[dim]);
  }
  Value load(Value buffer, ValueRange indices) {
    return tensors.load(*builder, *arguments, buffer, indices);
  }
  Values indicesOf(OpOperand &operand, ValueRange loops);
  void emitElement(Value number);
  Values emitReduction(unsigned dim, Values &loops, ValueRange results);
  Values emitBody(ValueRange loops, ValueRange results);

  linalg::LinalgOp op;
  Tensors tensors;
  /// Constants and numbers from outside that the body uses.
  llvm::SetVector<Value> captured;
  Extents loopSizes;
  SmallVector<OpFoldResult> ranges;

  GPUBuilder *builder = nullptr;
  const Arguments *arguments = nullptr;
};

} // namespace

LogicalResult LinalgEmitter::check() {
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  for (OpOperand &out : op.getDpsInitsMutable()) {
    AffineMap map = op.getMatchingIndexingMap(&out);
    for (unsigned dim = 0; dim < op.getNumLoops(); ++dim)
      if (sizes[dim] != 1 && map.isFunctionOfDim(dim) != isParallel(dim))
        return op.emitOpError("writes an element in several parallel steps, "
                              "which no GPU kernel does yet");
  }
  for (Operation &inner : op.getBlock()->without_terminator())
    if (inner.getNumRegions() != 0)
      return inner.emitOpError("has a region, which no GPU kernel does yet");
  int64_t count = 1;
  for (auto [dim, size] : llvm::enumerate(sizes))
    if (isParallel(dim) && !ShapedType::isDynamic(size))
      count *= size;
  if (count > elements * mostBlocks)
    return op.emitOpError("has ") << count << " elements, too many for a GPU";
  return success();
}

void LinalgEmitter::addOperands(GPUBuilder &host,
                                SmallVectorImpl<Operand> &operands) {
  for (Value operand : op->getOperands()) {
    if (isa<MemRefType>(operand.getType()))
      tensors.add(operand);
    else
      operands.push_back({"number" + std::to_string(operands.size()), operand});
  }
  for (Operation &inner : *op.getBlock())
    if (auto load = dyn_cast<memref::LoadOp>(inner))
      tensors.add(load.getMemRef());
  for (Operation &inner : *op.getBlock())
    for (Value value : inner.getOperands())
      if (value.getParentBlock() != op.getBlock() &&
          !isa<MemRefType>(value.getType()) && captured.insert(value) &&
          !isConstant(value))
        operands.push_back({"number" + std::to_string(operands.size()), value});
  tensors.addOperands(host, operands);
  for (Range range : op.createLoopRanges(host, host.getLoc())) {
    ranges.push_back(range.size);
    loopSizes.add(range.size, "size", operands);
  }
}

Value LinalgEmitter::countElements(GPUBuilder &host) {
  Value count = host.index(1);
  for (auto [dim, size] : llvm::enumerate(ranges))
    if (isParallel(dim))
      count = host.mul(
          count, getValueOrCreateConstantIndexOp(host, host.getLoc(), size));
  return count;
}

//===----------------------------------------------------------------------===//
// In the function
//===----------------------------------------------------------------------===//

LinalgEmitter::Values LinalgEmitter::indicesOf(OpOperand &operand,
                                               ValueRange loops) {
  AffineMap map = op.getMatchingIndexingMap(&operand);
  return *affine::expandAffineMap(*builder, builder->getLoc(), map, loops);
}

/// The values that the body yields, given those so far.
LinalgEmitter::Values LinalgEmitter::emitBody(ValueRange loops,
                                              ValueRange results) {
  GPUBuilder &b = *builder;
  IRMapping mapping;
  size_t number = 0;
  for (OpOperand &operand : op->getOpOperands()) {
    BlockArgument argument = op.getMatchingBlockArgument(&operand);
    if (op.isDpsInit(&operand)) {
      mapping.map(argument,
                  results[operand.getOperandNumber() - op.getNumDpsInputs()]);
    } else if (isa<MemRefType>(operand.get().getType())) {
      if (!argument.use_empty())
        mapping.map(argument, load(operand.get(), indicesOf(operand, loops)));
    } else {
      mapping.map(argument,
                  arguments->number("number" + std::to_string(number++)));
    }
  }
  for (Value value : captured)
    mapping.map(value,
                isConstant(value)
                    ? b.clone(*value.getDefiningOp())->getResult(0)
                    : arguments->number("number" + std::to_string(number++)));
  for (Operation &inner : op.getBlock()->without_terminator()) {
    if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
      mapping.map(index.getResult(), loops[index.getDim()]);
    } else if (auto read = dyn_cast<memref::LoadOp>(inner)) {
      Values indices;
      for (Value each : read.getIndices())
        indices.push_back(mapping.lookupOrDefault(each));
      mapping.map(read.getResult(), load(read.getMemRef(), indices));
    } else {
      b.clone(inner, mapping);
    }
  }
  Values yielded;
  for (Value value : op.getBlock()->getTerminator()->getOperands())
    yielded.push_back(mapping.lookupOrDefault(value));
  return yielded;
}

/// The loops of a reduction from `dim` on.
LinalgEmitter::Values LinalgEmitter::emitReduction(unsigned dim, Values &loops,
                                                   ValueRange results) {
  while (dim < op.getNumLoops() && isParallel(dim))
    ++dim;
  if (dim == op.getNumLoops())
    return emitBody(loops, results);
  GPUBuilder &b = *builder;
  return b.loop(b.index(0), loopSizes.get(b, *arguments, dim), 1, results,
                [&](Value i, ValueRange carried) {
                  loops[dim] = i;
                  return emitReduction(dim + 1, loops, carried);
                });
}

/// The element of that number, the last dimension counting fastest.
void LinalgEmitter::emitElement(Value number) {
  GPUBuilder &b = *builder;
  Values loops(op.getNumLoops());
  for (unsigned dim = op.getNumLoops(); dim-- > 0;) {
    if (!isParallel(dim))
      continue;
    Value size = loopSizes.get(b, *arguments, dim);
    loops[dim] = b.rem(number, size);
    number = b.div(number, size);
  }
  SmallVector<Values> places;
  Values results;
  for (OpOperand &out : op.getDpsInitsMutable()) {
    places.push_back(indicesOf(out, loops));
    results.push_back(load(out.get(), places.back()));
  }
  results = emitReduction(0, loops, results);
  for (auto [i, out] : llvm::enumerate(op.getDpsInitsMutable()))
    tensors.store(b, *arguments, results[i], out.get(), places[i]);
}

LaunchShape LinalgEmitter::emit(GPUBuilder &b, const Arguments &given) {
  builder = &b;
  arguments = &given;
  Value first = b.mul(b.block('y'), elements);
  Value end = b.min(b.add(first, elements), given.rows());
  b.loop(b.add(first, b.thread()), end, threads,
         [&](Value number) { emitElement(number); });
  return {/*blocks=*/1, /*tokens=*/elements, threads};
}

LogicalResult KernelExpander::expandLinalg(linalg::LinalgOp linalg) {
  LinalgEmitter emitter(linalg);
  if (failed(emitter.check()))
    return failure();
  SmallVector<Operand> operands;
  emitter.addOperands(host, operands);
  Value count = emitter.countElements(host);
  return emitForms(operands, count, Form{"elements", 1, threads / 32},
                   [&](GPUBuilder &b, const Arguments &given, const Form &) {
                     return emitter.emit(b, given);
                   });
}
