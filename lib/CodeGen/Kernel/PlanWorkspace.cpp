// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Buffers live from the first to the last op that touches them, in the order of
// the function's one block. They are placed largest first at the lowest offset
// where they disturb no buffer that lives at the same time.

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "quant-mlir/CodeGen/Kernel/Passes.h"
#include "quant-mlir/Dialect/Kernel/IR/Kernel.h"
#include "llvm/Support/MathExtras.h"

namespace quantmlir::kernel {
#define GEN_PASS_DEF_KERNELPLANWORKSPACEPASS
#include "quant-mlir/CodeGen/Kernel/Passes.h.inc"
} // namespace quantmlir::kernel

using namespace mlir;
using namespace quantmlir;
using kernel::KernelDialect;

static constexpr int64_t bufferAlignment = 64;

namespace {

struct Buffer {
  memref::AllocOp alloc;
  int64_t bytes;
  unsigned first, last; ///< positions of ops in the block, inclusive
  int64_t offset = 0;

  bool livesWith(const Buffer &other) const {
    return first <= other.last && other.first <= last;
  }
};

struct PlanWorkspace
    : kernel::impl::KernelPlanWorkspacePassBase<PlanWorkspace> {
  void runOnOperation() override;

private:
  FailureOr<int64_t> boundBytes(memref::AllocOp alloc);
  unsigned lastUse(Value buffer);

  llvm::DenseMap<Operation *, unsigned> order;
  Block *body;
};

} // namespace

FailureOr<int64_t> PlanWorkspace::boundBytes(memref::AllocOp alloc) {
  MemRefType type = alloc.getType();
  // Upstream's lowering of loads and stores takes whole bytes only.
  if (type.getElementType().isInteger(1))
    return alloc.emitOpError("holds single bits between two loops; tensors of "
                             "i1 that cannot be fused are not supported yet");
  int64_t bits =
      type.getElementType().isIndex() ? 64 : type.getElementTypeBitWidth();
  int64_t bytes = llvm::divideCeil(bits, 8);
  auto batch =
      getOperation()->getAttrOfType<IntegerAttr>(KernelDialect::batchAttrName);
  for (int64_t size : type.getShape()) {
    if (ShapedType::isDynamic(size)) {
      if (!batch)
        return alloc.emitOpError("has a dynamic size, but the function has no ")
               << KernelDialect::batchAttrName << " to bound it";
      size = batch.getInt();
    }
    bytes *= size;
  }
  return llvm::alignTo(bytes, bufferAlignment);
}

/// The position of the last op that touches the buffer, directly or by a view.
unsigned PlanWorkspace::lastUse(Value buffer) {
  unsigned last = 0;
  for (Operation *user : buffer.getUsers()) {
    last = std::max(last, order.lookup(body->findAncestorOpInBlock(*user)));
    if (isa<ViewLikeOpInterface>(user))
      for (Value view : user->getResults())
        last = std::max(last, lastUse(view));
  }
  return last;
}

static int64_t placeBuffers(MutableArrayRef<Buffer> buffers) {
  SmallVector<Buffer *> bySize = llvm::to_vector(
      llvm::map_range(buffers, [](Buffer &buffer) { return &buffer; }));
  llvm::stable_sort(bySize, [](const Buffer *a, const Buffer *b) {
    return a->bytes > b->bytes;
  });
  int64_t total = 0;
  SmallVector<Buffer *> placed;
  for (Buffer *buffer : bySize) {
    SmallVector<Buffer *> alive = llvm::filter_to_vector(
        placed, [&](Buffer *other) { return other->livesWith(*buffer); });
    llvm::sort(alive, [](const Buffer *a, const Buffer *b) {
      return a->offset < b->offset;
    });
    int64_t offset = 0;
    for (Buffer *other : alive) {
      if (offset + buffer->bytes <= other->offset)
        break;
      offset = std::max(offset, other->offset + other->bytes);
    }
    buffer->offset = offset;
    placed.push_back(buffer);
    total = std::max(total, offset + buffer->bytes);
  }
  return total;
}

void PlanWorkspace::runOnOperation() {
  func::FuncOp function = getOperation();
  if (function.isExternal())
    return;
  if (!function.getBody().hasOneBlock()) {
    function.emitError("has control flow between blocks; its buffers cannot be "
                       "planned");
    return signalPassFailure();
  }
  body = &function.getBody().front();
  order.clear();
  for (auto [index, op] : llvm::enumerate(*body))
    order[&op] = index;

  SmallVector<Buffer> buffers;
  WalkResult walked = function.walk([&](memref::AllocOp alloc) {
    if (alloc->getBlock() != body) {
      alloc.emitOpError("is inside a loop or branch; its place in the "
                        "workspace cannot be planned");
      return WalkResult::interrupt();
    }
    FailureOr<int64_t> bytes = boundBytes(alloc);
    if (failed(bytes))
      return WalkResult::interrupt();
    buffers.push_back({alloc, *bytes, order.lookup(alloc), lastUse(alloc)});
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return signalPassFailure();
  numBuffers += buffers.size();

  Builder builder(&getContext());
  function->setAttr(KernelDialect::workspaceAttrName,
                    builder.getI64IntegerAttr(placeBuffers(buffers)));
  auto bytes = MemRefType::get({ShapedType::kDynamic}, builder.getI8Type());
  auto role = builder.getDictionaryAttr(builder.getNamedAttr(
      KernelDialect::roleAttrName, builder.getStringAttr("workspace")));
  if (failed(function.insertArgument(function.getNumArguments(), bytes, role,
                                     function.getLoc())))
    return signalPassFailure();
  Value workspace = function.getArguments().back();
  for (Buffer &buffer : buffers) {
    OpBuilder at(buffer.alloc);
    Location loc = buffer.alloc.getLoc();
    Value offset = arith::ConstantIndexOp::create(at, loc, buffer.offset);
    Value view =
        memref::ViewOp::create(at, loc, buffer.alloc.getType(), workspace,
                               offset, buffer.alloc.getDynamicSizes());
    buffer.alloc.replaceAllUsesWith(view);
    buffer.alloc.erase();
  }
  // Deallocations that bufferization may have left have nothing to do.
  function.walk([](memref::DeallocOp op) { op.erase(); });
}
