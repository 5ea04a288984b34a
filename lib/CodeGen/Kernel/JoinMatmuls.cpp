// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// q, k and v, or gate and up, multiply one activation. Their weights lie one
// behind the other in the packed file, where panels of equal form are panels of
// one larger matrix. So it takes no copy to make them one product, and its
// results are columns of one buffer: threads share all of its panels evenly,
// and what is done with q needs no barrier in front of the product for k.

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"
#include "quant-mlir/CodeGen/Kernel/PanelLayout.h"
#include "quant-mlir/CodeGen/Kernel/Passes.h"
#include "quant-mlir/Dialect/Kernel/IR/Kernel.h"

namespace quantmlir::kernel {
#define GEN_PASS_DEF_KERNELJOINMATMULSPASS
#include "quant-mlir/CodeGen/Kernel/Passes.h.inc"
} // namespace quantmlir::kernel

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::kernel;

namespace {

struct JoinMatmuls : kernel::impl::KernelJoinMatmulsPassBase<JoinMatmuls> {
  void runOnOperation() override;

private:
  template <typename MatmulOp> void joinAll();
};

} // namespace

static qt::QuantTensorType weightType(TypeAttr type) {
  return cast<qt::QuantTensorType>(type.getValue());
}

/// A weight like this one, but for the number of rows.
static qt::QuantTensorType withRows(qt::QuantTensorType type, int64_t rows) {
  return qt::QuantTensorType::get(
      type.getContext(), {rows, type.getRowLength()}, type.getElementType(),
      type.getScheme(), type.getLayout());
}

/// The allocation that the matmul fills, if all who read it can as well read
/// columns of a wider buffer. What the function returns they cannot be.
template <typename MatmulOp> static memref::AllocOp ownBuffer(MatmulOp matmul) {
  auto alloc = matmul.getOut().template getDefiningOp<memref::AllocOp>();
  if (!alloc || alloc.getType().getRank() != 2)
    return {};
  bool fits = llvm::all_of(alloc->getUsers(), [](Operation *user) {
    if (isa<bufferization::ToTensorOp>(user))
      return llvm::none_of(user->getUsers(), [](Operation *reader) {
        return isa<bufferization::ToBufferOp>(reader);
      });
    return isa<kernel::KernelOpInterface, memref::DimOp>(user);
  });
  return fits ? alloc : memref::AllocOp();
}

/// Where the weight lies, if the program says so.
template <typename MatmulOp>
static std::optional<int64_t> placeOf(MatmulOp matmul) {
  APInt offset;
  if (!matchPattern(matmul.getOffset(), m_ConstantInt(&offset)))
    return std::nullopt;
  return offset.getSExtValue();
}

/// The weight of both, if that of `next` lies right behind `weight`, the first
/// rows of which are those of `matmul`, and all else is the same; null if not.
template <typename MatmulOp>
static qt::QuantTensorType
joinedWeight(MatmulOp matmul, qt::QuantTensorType weight, MatmulOp next) {
  qt::QuantTensorType behind = weightType(next.getTypeAttr());
  std::optional<int64_t> from = placeOf(matmul), to = placeOf(next);
  PanelLayout layout(weight);
  if (!from || !to || *from + layout.totalBytes != *to ||
      withRows(behind, layout.n) != weight)
    return {};
  // Rows that fill up the last panel would be in the middle.
  if (layout.n % layout.panelRows != 0)
    return {};
  auto othersThanType = [](MatmulOp op) {
    NamedAttrList attrs(op->getAttrDictionary());
    attrs.erase(op.getTypeAttrName());
    return attrs.getDictionary(op.getContext());
  };
  if (othersThanType(matmul) != othersThanType(next))
    return {};
  for (auto [a, b] :
       llvm::zip_equal(matmul->getOpOperands(), next->getOpOperands()))
    if (a.get() != b.get() && a.get() != matmul.getOut() &&
        a.get() != matmul.getOffset())
      return {};
  return withRows(weight, layout.n + behind.getShape()[0]);
}

/// `matmuls` become the first of them, times the weight of all.
template <typename MatmulOp>
static void join(ArrayRef<MatmulOp> matmuls, qt::QuantTensorType weight) {
  MatmulOp first = matmuls.front();
  SmallVector<memref::AllocOp> parts =
      llvm::map_to_vector(matmuls, ownBuffer<MatmulOp>);
  memref::AllocOp front = parts.front();
  OpBuilder builder(front);
  auto type =
      MemRefType::get({front.getType().getDimSize(0), weight.getShape()[0]},
                      builder.getF32Type());
  auto joined = memref::AllocOp::create(builder, first.getLoc(), type,
                                        front.getDynamicSizes());
  OpFoldResult zero = builder.getIndexAttr(0), one = builder.getIndexAttr(1);
  int64_t column = 0;
  for (memref::AllocOp part : parts) {
    int64_t count = part.getType().getDimSize(1);
    auto slice = memref::SubViewOp::create(
        builder, part.getLoc(), joined, {zero, builder.getIndexAttr(column)},
        {front.getMixedSizes()[0], builder.getIndexAttr(count)}, {one, one});
    part.replaceAllUsesWith(slice.getResult());
    column += count;
  }
  first.getOutMutable().assign(joined);
  first.setTypeAttr(TypeAttr::get(weight));
  for (MatmulOp matmul : matmuls.drop_front())
    matmul.erase();
  for (memref::AllocOp part : parts)
    part.erase();
}

template <typename MatmulOp> void JoinMatmuls::joinAll() {
  struct Group {
    SmallVector<MatmulOp> matmuls;
    qt::QuantTensorType weight;
  };
  SmallVector<Group> groups;
  getOperation().walk([&](MatmulOp matmul) {
    memref::AllocOp alloc = ownBuffer(matmul);
    if (!alloc || matmul.getBias() || matmul.getResidual() ||
        matmul.getExperts())
      return;
    // Weights are in the order of the program, so only the last can go on.
    if (!groups.empty() &&
        groups.back().matmuls.front()->getBlock() == matmul->getBlock()) {
      Group &last = groups.back();
      MatmulOp first = last.matmuls.front();
      qt::QuantTensorType joined = joinedWeight(first, last.weight, matmul);
      if (joined && ownBuffer(first)->isBeforeInBlock(alloc)) {
        last.matmuls.push_back(matmul);
        last.weight = joined;
        return;
      }
    }
    groups.push_back({{matmul}, weightType(matmul.getTypeAttr())});
  });
  for (Group &group : groups) {
    if (group.matmuls.size() == 1)
      continue;
    numJoined += group.matmuls.size();
    join<MatmulOp>(group.matmuls, group.weight);
  }
}

void JoinMatmuls::runOnOperation() {
  joinAll<kernel::MatmulIntOp>();
  joinAll<kernel::MatmulBF16Op>();
  joinAll<kernel::MatmulFloat8Op>();
  joinAll<kernel::MatmulFloatOp>();
}
