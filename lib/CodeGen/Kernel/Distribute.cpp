// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A decode step of a small model takes about a millisecond and has some 200
// kernels; a fork and join for each would cost a tenth of that. So the threads
// run the whole function side by side, each takes its share of every kernel,
// and they meet at a barrier only where one reads what another wrote.

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "mlir/Transforms/RegionUtils.h"
#include "quant-mlir/CodeGen/Kernel/Passes.h"
#include "quant-mlir/Dialect/Kernel/IR/Kernel.h"
#include "llvm/ADT/MapVector.h"

namespace quantmlir::kernel {
#define GEN_PASS_DEF_KERNELDISTRIBUTEPASS
#include "quant-mlir/CodeGen/Kernel/Passes.h.inc"
} // namespace quantmlir::kernel

using namespace mlir;
using namespace quantmlir;
using kernel::KernelDialect;
using kernel::KernelOpInterface;

//===----------------------------------------------------------------------===//
// What an op touches, and how its work is split
//===----------------------------------------------------------------------===//

/// True for a linalg op that writes element (i, ...) from elements (i, ...) of
/// operands of the same shape, or from ones that all rows share.
static bool isRowLocalLinalg(linalg::LinalgOp op) {
  // One row is split by other dimensions, see Expand/Linalg.cpp.
  if (op.getNumLoops() < 2 || op.getStaticLoopRanges()[0] == 1 ||
      op.getNumDpsInits() != 1 ||
      !llvm::all_of(op.getIteratorTypesArray(), linalg::isParallelIterator) ||
      !op.getMatchingIndexingMap(op.getDpsInitOperand(0)).isIdentity())
    return false;
  AffineExpr row = getAffineDimExpr(0, op.getContext());
  return llvm::all_of(op.getIndexingMapsArray(), [&](AffineMap map) {
    return !map.isFunctionOfDim(0) || map.getResult(0) == row;
  });
}

static bool isKernel(Operation *op) {
  return isa<KernelOpInterface, linalg::LinalgOp>(op);
}

static bool isRowLocal(Operation *op) {
  if (auto kernelOp = dyn_cast<KernelOpInterface>(op))
    return kernelOp.isRowLocal();
  auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
  return linalgOp && isRowLocalLinalg(linalgOp);
}

namespace {

/// Equal if the program says so: one value, or the size of one buffer twice.
static bool sameSize(Value a, Value b) {
  if (a == b)
    return true;
  auto dimA = a.getDefiningOp<memref::DimOp>();
  auto dimB = b.getDefiningOp<memref::DimOp>();
  return dimA && dimB && dimA.getSource() == dimB.getSource() &&
         dimA.getConstantIndex() &&
         dimA.getConstantIndex() == dimB.getConstantIndex();
}

/// The memory that a view shows: an argument, or a stretch of the workspace.
struct Root {
  Value base;
  int64_t begin = 0, end = 0; ///< bytes; equal if not known
  /// The stretch of the workspace, if it is one.
  memref::ViewOp stretch;
  /// False if rows of the view are other rows of the root.
  bool sameRows = true;

  bool overlaps(const Root &other) const {
    if (base != other.base)
      return false;
    bool known = begin != end && other.begin != other.end;
    return !known || (begin < other.end && other.begin < end);
  }
  bool sameView(const Root &other) const {
    return base == other.base && begin == other.begin && end == other.end &&
           sameRows && other.sameRows && sameCount(other);
  }

private:
  /// Buffers that take turns in one stretch may have different numbers of rows,
  /// which threads share differently.
  bool sameCount(const Root &other) const {
    memref::ViewOp mine = stretch, theirs = other.stretch;
    if (mine == theirs)
      return true;
    if (!mine || !theirs)
      return false;
    MemRefType a = mine.getType(), b = theirs.getType();
    if (a.getRank() == 0 || b.getRank() == 0 ||
        a.getDimSize(0) != b.getDimSize(0))
      return false;
    return !a.isDynamicDim(0) ||
           sameSize(mine.getSizes().front(), theirs.getSizes().front());
  }
};

struct Access {
  Root root;
  bool writes;
  bool byRows; ///< row r is touched by the thread that has row r
};

/// What the threads have done since they last met.
class Epoch {
public:
  explicit Epoch(int64_t batch) : batch(batch) {}

  /// True if `op` must wait for what other threads may still be doing.
  bool conflicts(Operation *op) const;
  void record(Operation *op);
  void clear() { done.clear(); }

private:
  SmallVector<Access> accesses(Operation *op) const;
  Root rootOf(Value value) const;

  SmallVector<Access> done;
  int64_t batch;
};

} // namespace

Root Epoch::rootOf(Value value) const {
  Root root;
  while (Operation *producer = value.getDefiningOp()) {
    auto view = dyn_cast<ViewLikeOpInterface>(producer);
    if (!view)
      break;
    if (!isa<memref::ViewOp, memref::CastOp>(producer))
      root.sameRows = false;
    if (auto bytes = dyn_cast<memref::ViewOp>(producer)) {
      root.stretch = bytes;
      APInt offset;
      if (matchPattern(bytes.getByteShift(), m_ConstantInt(&offset))) {
        Type element = bytes.getType().getElementType();
        int64_t size =
            element.isIndex() ? 8 : element.getIntOrFloatBitWidth() / 8;
        for (int64_t dim : bytes.getType().getShape())
          size *= ShapedType::isDynamic(dim) ? batch : dim;
        root.begin = offset.getSExtValue();
        root.end = root.begin + size;
      }
    }
    value = view.getViewSource();
  }
  root.base = value;
  return root;
}

SmallVector<Access> Epoch::accesses(Operation *op) const {
  SmallVector<Access> result;
  std::optional<SmallVector<MemoryEffects::EffectInstance>> effects =
      getEffectsRecursively(op);
  // An op of unknown effects touches all that it is given, and more.
  if (!effects) {
    for (Value operand : op->getOperands())
      if (isa<MemRefType>(operand.getType()))
        result.push_back({rootOf(operand), /*writes=*/true, /*byRows=*/false});
    return result;
  }
  bool rowLocal = isRowLocal(op);
  auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
  auto byRows = [&](OpOperand *operand) {
    // What the body of a linalg op loads may be of any row.
    if (!rowLocal || !operand || operand->getOwner() != op)
      return false;
    // What all rows share may be made by any thread.
    return !linalgOp ||
           linalgOp.getMatchingIndexingMap(operand).isFunctionOfDim(0);
  };
  for (auto &effect : *effects)
    if (Value value = effect.getValue();
        value && isa<MemRefType>(value.getType()) &&
        isa<MemoryEffects::Read, MemoryEffects::Write>(effect.getEffect()))
      result.push_back({rootOf(value),
                        isa<MemoryEffects::Write>(effect.getEffect()),
                        byRows(effect.getEffectValue<OpOperand *>())});
  return result;
}

bool Epoch::conflicts(Operation *op) const {
  for (const Access &access : accesses(op))
    for (const Access &before : done) {
      if (!(access.writes || before.writes) ||
          !access.root.overlaps(before.root))
        continue;
      // The thread that made these rows is the one that reads them.
      if (access.byRows && before.byRows && access.root.sameView(before.root))
        continue;
      return true;
    }
  return false;
}

void Epoch::record(Operation *op) { llvm::append_range(done, accesses(op)); }

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {

struct Distribute : kernel::impl::KernelDistributePassBase<Distribute> {
  void runOnOperation() override;

private:
  LogicalResult distribute(func::FuncOp function);
  void insertBarriers(func::FuncOp function);
  LogicalResult outline(Operation *op, Value thread, Value threads);
  func::FuncOp kernelFunction(Operation *op, ArrayRef<Value> captured);

  /// Functions by their text before they were given names.
  llvm::StringMap<func::FuncOp> kernels;
};

} // namespace

/// True if the op does something to memory and is no kernel: thread 0 runs it,
/// in a function of its own, too.
static bool isSerial(Operation *op) {
  if (isKernel(op) || isa<kernel::BarrierOp, func::ReturnOp>(op) ||
      isa<ViewLikeOpInterface>(op) || isMemoryEffectFree(op))
    return false;
  // A scalar that later ops use must be computed by every thread.
  return op->getNumResults() == 0;
}

/// Copies that bufferization left are work for all threads.
static void lowerCopies(func::FuncOp function) {
  SmallVector<memref::CopyOp> copies;
  function.walk([&](memref::CopyOp copy) { copies.push_back(copy); });
  for (memref::CopyOp copy : copies) {
    OpBuilder builder(copy);
    linalg::makeMemRefCopyOp(builder, copy.getLoc(), copy.getSource(),
                             copy.getTarget());
    copy.erase();
  }
}

void Distribute::insertBarriers(func::FuncOp function) {
  auto batch =
      function->getAttrOfType<IntegerAttr>(KernelDialect::batchAttrName);
  Epoch epoch(batch ? batch.getInt() : 1);
  for (Operation &op : llvm::make_early_inc_range(function.getBody().front())) {
    if (isMemoryEffectFree(&op) || isa<ViewLikeOpInterface>(op) ||
        op.hasTrait<OpTrait::IsTerminator>())
      continue;
    if (epoch.conflicts(&op)) {
      OpBuilder builder(&op);
      kernel::BarrierOp::create(builder, op.getLoc());
      ++numBarriers;
      epoch.clear();
    }
    epoch.record(&op);
  }
}

/// A function that holds the kernel, or what thread 0 does alone, given its
/// operands, what its body uses from outside, and the threads.
static func::FuncOp wrapKernel(Operation *op, ArrayRef<Value> captured) {
  OpBuilder builder(op->getContext());
  SmallVector<Value> values(op->getOperands());
  llvm::append_range(values, captured);
  SmallVector<Type> inputs(ValueRange(values).getTypes());
  inputs.append(2, builder.getIndexType());
  auto function = func::FuncOp::create(builder, op->getLoc(), "kernel",
                                       builder.getFunctionType(inputs, {}));
  function.setPrivate();
  // Each of a model's layers calls it: one copy is enough.
  function.setNoInline(true);
  // Nor may LLVM make calls of memset and the like out of its loops: all that
  // an object needs is qm_barrier.
  function->setAttr("passthrough", builder.getStrArrayAttr({"no-builtins"}));
  Block *block = function.addEntryBlock();
  builder.setInsertionPointToStart(block);
  Location loc = op->getLoc();
  auto end = func::ReturnOp::create(builder, loc);
  builder.setInsertionPoint(end);
  if (!isKernel(op)) {
    Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
    Value first =
        arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                              block->getArgument(values.size()), zero);
    auto guard = scf::IfOp::create(builder, loc, first);
    builder.setInsertionPointToStart(guard.thenBlock());
  }
  IRMapping mapping;
  mapping.map(values, block->getArguments().take_front(values.size()));
  builder.clone(*op, mapping);
  return function;
}

func::FuncOp Distribute::kernelFunction(Operation *op,
                                        ArrayRef<Value> captured) {
  func::FuncOp function = wrapKernel(op, captured);
  // Two kernels are the same if all is but the values they are given.
  std::string text;
  llvm::raw_string_ostream os(text);
  function.print(os, OpPrintingFlags().useLocalScope());
  auto [known, isNew] = kernels.try_emplace(text, function);
  if (!isNew) {
    function.erase();
    return known->second;
  }
  ++numKernels;
  std::string name = op->getName().getStringRef().str();
  std::replace(name.begin(), name.end(), '.', '_');
  function.setName(name + "_" + std::to_string(kernels.size() - 1));
  getOperation().push_back(function);
  return function;
}

LogicalResult Distribute::outline(Operation *op, Value thread, Value threads) {
  OpBuilder builder(op);
  if (op->getNumResults() != 0)
    return op->emitOpError("is on tensors, not on buffers");
  if (!isa<func::FuncOp>(op->getParentOp()))
    return op->emitOpError("is inside a loop or branch, where threads cannot "
                           "share it");
  // What the body uses from outside: constants are made again inside, buffers
  // that it loads from and sizes are passed like operands.
  llvm::SetVector<Value> captured;
  for (Region &region : op->getRegions()) {
    llvm::SetVector<Value> used;
    getUsedValuesDefinedAbove(region, used);
    if (used.empty())
      continue;
    OpBuilder inside = OpBuilder::atBlockBegin(&region.front());
    for (Value value : used) {
      Operation *producer = value.getDefiningOp();
      if (producer && producer->hasTrait<OpTrait::ConstantLike>())
        replaceAllUsesInRegionWith(value, inside.clone(*producer)->getResult(0),
                                   region);
      else
        captured.insert(value);
    }
  }
  SmallVector<Value> operands(op->getOperands());
  llvm::append_range(operands, captured);
  operands.append({thread, threads});
  func::CallOp::create(builder, op->getLoc(),
                       kernelFunction(op, captured.getArrayRef()), operands);
  op->erase();
  return success();
}

LogicalResult Distribute::distribute(func::FuncOp function) {
  MLIRContext *context = &getContext();
  lowerCopies(function);
  insertBarriers(function);
  auto addArgument = [&](Type type, StringRef role) {
    auto attrs = DictionaryAttr::get(
        context,
        NamedAttribute(StringAttr::get(context, KernelDialect::roleAttrName),
                       StringAttr::get(context, role)));
    (void)function.insertArgument(function.getNumArguments(), type, attrs,
                                  function.getLoc());
    return function.getArguments().back();
  };
  Value thread = addArgument(IndexType::get(context), "thread_id");
  Value threads = addArgument(IndexType::get(context), "thread_count");
  addArgument(LLVM::LLVMPointerType::get(context), "barrier");
  // The runtime passes tensors as pointers to their descriptors.
  function->setAttr(LLVM::LLVMDialect::getEmitCWrapperAttrName(),
                    UnitAttr::get(context));

  // Those inside loops come first.
  SmallVector<Operation *> ops;
  function.walk([&](Operation *op) {
    if (isKernel(op) || (op->getParentOp() == function && isSerial(op)))
      ops.push_back(op);
  });
  for (Operation *op : ops)
    if (failed(outline(op, thread, threads)))
      return failure();
  return success();
}

void Distribute::runOnOperation() {
  kernels.clear();
  for (auto function : llvm::to_vector(getOperation().getOps<func::FuncOp>()))
    if (!function.isExternal() && function.isPublic() &&
        failed(distribute(function)))
      return signalPassFailure();
}
