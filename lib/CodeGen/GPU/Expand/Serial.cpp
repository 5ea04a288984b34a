// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Code that is no kernel at all, loops whose steps may depend on each other:
// thread 0 of a CPU runs it, and so does one thread of a GPU. That is slow, but
// the numbers stay where they are.

#include "Tensors.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

namespace {

class SerialEmitter {
public:
  SerialEmitter(Region &body) : body(body) {
    getUsedValuesDefinedAbove(body, outside);
  }

  LogicalResult check() const;
  void addOperands(GPUBuilder &host, SmallVectorImpl<Operand> &operands);
  void emit(GPUBuilder &b, const Arguments &given);

private:
  bool isKnown(Operation *op) const;
  static std::string nameOf(size_t i) { return "number" + std::to_string(i); }

  Region &body;
  llvm::SetVector<Value> outside;
  Tensors tensors;
};

} // namespace

/// Elements of buffers from outside, and what has nothing to do with memory.
bool SerialEmitter::isKnown(Operation *op) const {
  if (auto load = dyn_cast<memref::LoadOp>(op))
    return outside.contains(load.getMemRef());
  if (auto store = dyn_cast<memref::StoreOp>(op))
    return outside.contains(store.getMemRef());
  auto isBuffer = llvm::IsaPred<BaseMemRefType>;
  if (llvm::any_of(op->getOperandTypes(), isBuffer) ||
      llvm::any_of(op->getResultTypes(), isBuffer))
    return false;
  return op->hasTrait<OpTrait::HasRecursiveMemoryEffects>() ||
         op->hasTrait<OpTrait::IsTerminator>() || isMemoryEffectFree(op);
}

LogicalResult SerialEmitter::check() const {
  WalkResult result = body.walk([&](Operation *op) {
    if (isKnown(op))
      return WalkResult::advance();
    op->emitOpError("has no GPU code yet");
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

void SerialEmitter::addOperands(GPUBuilder &host,
                                SmallVectorImpl<Operand> &operands) {
  for (auto [i, value] : llvm::enumerate(outside)) {
    if (isa<MemRefType>(value.getType()))
      tensors.add(value);
    else if (!isConstant(value))
      operands.push_back({nameOf(i), value});
  }
  tensors.addOperands(host, operands);
}

void SerialEmitter::emit(GPUBuilder &b, const Arguments &given) {
  IRMapping mapping;
  for (auto [i, value] : llvm::enumerate(outside)) {
    if (isConstant(value))
      mapping.map(value, b.clone(*value.getDefiningOp())->getResult(0));
    else if (!isa<MemRefType>(value.getType()))
      mapping.map(value, given.number(nameOf(i)));
  }
  SmallVector<Operation *> accesses;
  for (Operation &op : body.front().without_terminator())
    b.clone(op, mapping)->walk([&](Operation *inner) {
      if (isa<memref::LoadOp, memref::StoreOp>(inner))
        accesses.push_back(inner);
    });
  OpBuilder::InsertionGuard guard(b);
  for (Operation *op : accesses) {
    b.setInsertionPoint(op);
    if (auto load = dyn_cast<memref::LoadOp>(op))
      load.replaceAllUsesWith(
          tensors.load(b, given, load.getMemRef(), load.getIndices()));
    else if (auto store = dyn_cast<memref::StoreOp>(op))
      tensors.store(b, given, store.getValue(), store.getMemRef(),
                    store.getIndices());
    op->erase();
  }
}

LogicalResult KernelExpander::expandSerial(scf::IfOp serial) {
  SerialEmitter emitter(serial.getThenRegion());
  if (failed(emitter.check()))
    return failure();
  SmallVector<Operand> operands;
  emitter.addOperands(host, operands);
  return emitForms(
      operands, /*rows=*/host.index(1), Form{"serial", 1, 1},
      [&](GPUBuilder &b, const Arguments &given, const Form &) {
        b.onlyIf(b.less(b.thread(), 1), [&] { emitter.emit(b, given); });
        return LaunchShape{/*blocks=*/1, /*tokens=*/1, GPUBuilder::warpSize};
      });
}
