// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The layouts of a weight and of the activations that meet it are one decision:
// products are summed as integers up to the smaller of their two groups, which
// is therefore the group of the panel and the period of the activation's sums.

#include "quant-mlir/CodeGen/Kernel/PackModule.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "quant-mlir/CodeGen/Kernel/PanelLayout.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::kernel;
using namespace quantmlir::qt;

/// Kernels take K in steps of this many values where nothing else cuts it.
static constexpr int64_t wholeRowStep = 32;
/// Rows of activations start on cache lines.
static constexpr int64_t rowAlignment = 64;

namespace {

class Packer {
public:
  Packer(ModuleOp module, const PanelShape &shape)
      : module(module), shape(shape) {}

  /// Returns the bytes of all weights.
  FailureOr<int64_t> run();

private:
  MLIRContext *context() { return module.getContext(); }
  LogicalResult packWeight(WeightOp weight, ArrayRef<LoadOp> loads);
  FailureOr<int64_t> choosePanelGroup(LoadOp load, QuantTensorType type);
  LogicalResult layOutActivations();
  void layOutNumbers(QuantizeOp op, ArrayRef<OpOperand *> uses, int64_t bytes);
  void roundActivations();

  ModuleOp module;
  PanelShape shape;
  /// Names of those that are multiplied by 8-bit floats as they are.
  llvm::DenseSet<StringRef> float8Weights;
};

} // namespace

/// Bytes from one row of activations to the next. The rows of a tile would
/// share the few lines that a cache has for addresses a multiple of 4 KiB
/// apart.
static int64_t rowStride(int64_t bytes) {
  int64_t stride = llvm::alignTo(bytes, rowAlignment);
  return stride % 1024 == 0 ? stride + rowAlignment : stride;
}

static bool isBF16(const LaneForm &form) {
  return form.kind == LaneForm::Kind::Float && form.floatType.isBF16();
}

/// True for an activation of small floats, which kernels keep as f32.
static bool isRoundedFloat(QuantTensorType type) {
  LaneForm form = type.getScheme().getLaneForm(type.getRowLength());
  return form.kind == LaneForm::Kind::Float && form.scaleType &&
         form.floatType.getWidth() == 8;
}

/// True for an activation that bf16 holds exactly, before its scales.
static bool isPairable(QuantTensorType type) {
  return isRoundedFloat(type) ||
         isBF16(type.getScheme().getLaneForm(type.getRowLength()));
}

/// Values per scale of a dynamically quantized activation of row length `k`,
/// the padded row itself for one scale per token.
static int64_t activationGroup(QuantTensorType type) {
  return type.getScheme().getLaneForm(type.getRowLength()).group;
}

/// The group along K in which products of `x` and `w` are summed as integers.
static FailureOr<int64_t> commonGroup(MatmulOp matmul, QuantTensorType x,
                                      QuantTensorType w) {
  int64_t k = w.getRowLength();
  LaneForm form = w.getScheme().getLaneForm(k);
  int64_t gx = activationGroup(x), gw = form.group;
  int64_t smaller = std::min(gx, gw), larger = std::max(gx, gw);
  if (smaller == k)
    return llvm::alignTo(k, wholeRowStep);
  if (larger != k && larger % smaller != 0)
    return matmul.emitOpError("activation groups of ")
           << gx << " and weight groups of " << gw
           << " do not fit: one must divide the other";
  if (smaller % 4 != 0)
    return matmul.emitOpError("has groups of ")
           << smaller << " values; kernels need a multiple of 4";
  return smaller;
}

/// True if a kernel computes what the scheme says: bf16, or signed bytes or
/// 8-bit floats, with f32 scales of their own for every row, or one for all.
static bool isRuntimeScheme(QuantTensorType type) {
  LaneForm form = type.getScheme().getLaneForm(type.getRowLength());
  bool isByte = form.kind == LaneForm::Kind::Integer && form.codeBits == 8 &&
                form.offset == 128 && !form.hasMinimum;
  if (isBF16(form))
    return true;
  bool isFloat8 = isRoundedFloat(type);
  ArrayRef<int64_t> rows = type.getShape().drop_back();
  SmallVector<StoragePart> parts =
      type.getScheme().getStorageParts(type.getShape());
  return (isByte || isFloat8) && parts.size() == 2 &&
         parts[1].elementType.isF32() &&
         (ArrayRef(parts[1].shape).drop_back() == rows ||
          ArrayRef(parts[1].shape) == ArrayRef<int64_t>(1));
}

/// The group of a weight of floats that all its readers multiply `together`
/// numbers at a time, which both sides hold exactly: two of bf16, four of 8
/// bits.
static std::optional<int64_t>
sharedGroup(ArrayRef<LoadOp> loads, QuantTensorType type, int64_t together) {
  LaneForm form = type.getScheme().getLaneForm(type.getRowLength());
  bool isFloat8 =
      form.kind == LaneForm::Kind::Float && form.floatType.getWidth() == 8;
  if (!isFloat8 && (together == 4 || !isBF16(form)))
    return std::nullopt;
  std::optional<int64_t> chosen;
  int64_t k = type.getRowLength();
  for (LoadOp load : loads)
    for (Operation *user : load->getUsers()) {
      auto matmul = dyn_cast<MatmulOp>(user);
      auto x = matmul ? dyn_cast<QuantTensorType>(matmul.getX().getType())
                      : QuantTensorType();
      if (!x || !(together == 4 ? isRoundedFloat(x) : isPairable(x)))
        return std::nullopt;
      // Sums go up to the smaller group.
      int64_t gx = activationGroup(x), gw = form.group;
      int64_t smaller = std::min(gx, gw), larger = std::max(gx, gw);
      bool nested = larger == k || larger % smaller == 0;
      int64_t group = smaller == k ? llvm::alignTo(k, together) : smaller;
      if (!nested || group % together != 0 || k % together != 0 ||
          (chosen && *chosen != group))
        return std::nullopt;
      chosen = group;
    }
  return chosen;
}

FailureOr<int64_t> Packer::choosePanelGroup(LoadOp load, QuantTensorType type) {
  int64_t k = type.getRowLength();
  LaneForm form = type.getScheme().getLaneForm(k);
  if (form.kind == LaneForm::Kind::Float) {
    if (form.group != k && form.group % shape.floatDepth != 0)
      return load.emitOpError("has groups of ")
             << form.group << " floats; these kernels need a multiple of "
             << shape.floatDepth;
    return form.group == k ? llvm::alignTo(k, shape.floatDepth) : form.group;
  }
  std::optional<int64_t> chosen;
  for (Operation *user : load->getUsers()) {
    auto matmul = dyn_cast<MatmulOp>(user);
    if (!matmul)
      continue;
    auto x = dyn_cast<QuantTensorType>(matmul.getX().getType());
    // Float kernels take any group of whole words.
    if (!x || isPairable(x)) {
      if (form.group != k && form.group % 4 != 0)
        return matmul.emitOpError("has groups of ")
               << form.group << " values; kernels need a multiple of 4";
      continue;
    }
    FailureOr<int64_t> group = commonGroup(matmul, x, type);
    if (failed(group))
      return failure();
    if (chosen && *chosen != *group)
      return matmul.emitOpError("shares its weight with a matmul whose "
                                "activations have other groups");
    chosen = group;
  }
  if (chosen)
    return *chosen;
  return form.group == k ? llvm::alignTo(k, wholeRowStep) : form.group;
}

/// True for a table whose rows are looked up, and which nothing multiplies.
static bool isLookedUpOnly(ArrayRef<LoadOp> loads) {
  return llvm::all_of(loads, [](LoadOp load) {
    return llvm::all_of(load->getUsers(), llvm::IsaPred<GatherOp>);
  });
}

LogicalResult Packer::packWeight(WeightOp weight, ArrayRef<LoadOp> loads) {
  auto type = dyn_cast<QuantTensorType>(weight.getType());
  if (!type)
    return success();
  if (type.getRank() != 2)
    return weight.emitOpError("is ") << type << "; only matrices can be packed";
  std::optional<int64_t> group;
  if (shape.pairs)
    group = sharedGroup(loads, type, 2);
  bool pairs = group.has_value(), multiplied = false;
  if (shape.float8)
    group = sharedGroup(loads, type, 4);
  if (group && !pairs)
    float8Weights.insert(weight.getSymName());
  for (LoadOp load : group ? ArrayRef<LoadOp>() : loads) {
    FailureOr<int64_t> wanted = choosePanelGroup(load, type);
    if (failed(wanted))
      return failure();
    // A lookup, or a product with floats, takes whatever group the integer
    // matmul on the same weight needs.
    bool multiplies = llvm::any_of(load->getUsers(), [](Operation *user) {
      auto matmul = dyn_cast<MatmulOp>(user);
      auto x = matmul ? dyn_cast<QuantTensorType>(matmul.getX().getType())
                      : QuantTensorType();
      return x && !isPairable(x);
    });
    if (multiplies && multiplied && *group != *wanted)
      return load.emitOpError("is multiplied with activations of other groups "
                              "than another load of ")
             << load.getWeightAttr();
    if (!group || multiplies)
      group = *wanted;
    multiplied |= multiplies;
  }
  if (!group)
    return success();
  bool isFloat = type.getScheme().getLaneForm(type.getRowLength()).kind ==
                 LaneForm::Kind::Float;
  // Whole panels need no masks, and panels of experts must be whole.
  int64_t rows = type.getShape()[0];
  for (LoadOp load : loads)
    for (Operation *user : load->getUsers())
      if (auto matmul = dyn_cast<MatmulOp>(user);
          matmul && matmul.getExperts()) {
        rows = type.getShape()[0] / matmul.getNumExperts();
        if (rows % shape.lanes != 0)
          return matmul.emitOpError("has experts of ")
                 << rows << " rows; kernels need a multiple of " << shape.lanes;
      }
  int64_t lanes = shape.lanes, vectors = shape.vectors;
  while (vectors > 1 && rows % (lanes * vectors) != 0)
    vectors /= 2;
  // A lookup in panels of several rows would wait for memory at every word.
  if (shape.rowsOfTables && isLookedUpOnly(loads))
    lanes = vectors = 1;
  int64_t depth = pairs ? 2 : isFloat ? shape.floatDepth : 4;
  auto packed = type.withLayout(
      PanelsAttr::get(context(), lanes, vectors, depth, *group));
  weight.setType(packed);
  for (LoadOp load : loads)
    load.getResult().setType(packed);
  return success();
}

/// A copy of the activation for its readers of numbers of so many bytes.
void Packer::layOutNumbers(QuantizeOp op, ArrayRef<OpOperand *> uses,
                           int64_t bytes) {
  QuantTensorType type = op.getType();
  int64_t k = type.getRowLength();
  // Whole groups of all weights.
  int64_t padded = k;
  for (OpOperand *use : uses) {
    auto w = cast<MatmulOp>(use->getOwner()).getW().getType();
    padded = std::max<int64_t>(
        padded, llvm::alignTo(k, cast<PanelsAttr>(w.getLayout()).getGroup()));
  }
  int64_t stride = rowStride(bytes * padded);
  int64_t group = isRoundedFloat(type) ? activationGroup(type) : 0;
  Attribute layout = PairsAttr::get(context(), stride, group);
  if (bytes == 1)
    layout = BytesAttr::get(context(), stride,
                            group == k ? std::max(padded, k) : group);
  OpBuilder builder(op);
  Value copy =
      QuantizeOp::create(builder, op.getLoc(), type.withLayout(layout),
                         op.getInput(), op.getMultiplier(), op.getScale());
  for (OpOperand *use : uses)
    use->set(copy);
}

LogicalResult Packer::layOutActivations() {
  SmallVector<QuantizeOp> quantizes;
  module.walk([&](QuantizeOp op) { quantizes.push_back(op); });
  for (QuantizeOp op : quantizes) {
    QuantTensorType type = op.getType();
    if (!isRuntimeScheme(type))
      return op.emitOpError("makes ")
             << type.getScheme()
             << " when the program runs; kernels make symmetric 8-bit "
                "integers or 8-bit floats with f32 scales per token, group or "
                "tensor, or bf16";
    OpBuilder builder(op);
    // One copy of the activation for each period of sums that its readers need;
    // with 0, rounded floats.
    llvm::MapVector<int64_t, SmallVector<OpOperand *>> readers;
    SmallVector<OpOperand *> pairReaders, byteReaders;
    bool isFloat = isPairable(type);
    for (OpOperand &use : op.getResult().getUses()) {
      if (isa<DequantizeOp>(use.getOwner())) {
        readers[0].push_back(&use);
        continue;
      }
      auto matmul = dyn_cast<MatmulOp>(use.getOwner());
      auto w = matmul ? dyn_cast_or_null<PanelsAttr>(
                            matmul.getW().getType().getLayout())
                      : PanelsAttr();
      if (!w)
        return use.getOwner()->emitOpError(
            "reads a quantized activation, but only qt.dequantize and "
            "qt.matmul "
            "with a packed weight have kernels");
      auto load = matmul.getW().getDefiningOp<LoadOp>();
      if (w.getDepth() == 2)
        pairReaders.push_back(&use);
      else if (float8Weights.contains(load.getWeight()))
        byteReaders.push_back(&use);
      else
        readers[isFloat ? 0 : w.getGroup()].push_back(&use);
    }
    if (!pairReaders.empty())
      layOutNumbers(op, pairReaders, 2);
    if (!byteReaders.empty())
      layOutNumbers(op, byteReaders, 1);
    for (auto &[sums, uses] : readers) {
      int64_t k = type.getRowLength(), group = activationGroup(type);
      int64_t stride = k;
      if (sums) {
        if (group == k)
          group = llvm::alignTo(k, sums);
        stride = rowStride(llvm::alignTo(k, std::max(group, sums)));
      }
      auto packed =
          type.withLayout(RowsAttr::get(context(), stride, group, sums));
      Value copy =
          QuantizeOp::create(builder, op.getLoc(), packed, op.getInput(),
                             op.getMultiplier(), op.getScale());
      for (OpOperand *use : uses)
        use->set(copy);
    }
    op.erase();
  }
  return success();
}

/// Activations that are floats as 16-bit ones, once for all who multiply them:
/// bf16 for weights of bf16, else f16. What f16 cannot hold, and rows of
/// outliers, which are mostly zeros, stay as they are.
void Packer::roundActivations() {
  llvm::MapVector<std::pair<Value, Type>, SmallVector<MatmulOp>> readers;
  module.walk([&](MatmulOp op) {
    QuantTensorType w = op.getW().getType();
    int64_t k = w.getRowLength();
    LaneForm form = w.getScheme().getLaneForm(k);
    bool isF32 = form.kind == LaneForm::Kind::Float && form.floatType.isF32();
    if (isa<QuantTensorType>(op.getX().getType()) || isF32 || k % 4 != 0 ||
        op.getX().getDefiningOp<SplitOutliersOp>())
      return;
    Type half = isBF16(form) ? Type(BFloat16Type::get(context()))
                             : Type(Float16Type::get(context()));
    readers[{op.getX(), half}].push_back(op);
  });
  for (auto &[key, matmuls] : readers) {
    auto [x, half] = key;
    auto type = cast<RankedTensorType>(x.getType());
    int64_t k = type.getShape().back(), padded = k;
    for (MatmulOp op : matmuls)
      padded = std::max(padded, PanelLayout(op.getW().getType()).paddedK);
    auto scheme = cast<QuantSchemeInterface>(parseAttribute(
        half.isBF16() ? "#qt.float<bf16>" : "#qt.float<f16>", context()));
    auto rounded = QuantTensorType::get(
        context(), type.getShape(), type.getElementType(), scheme,
        PairsAttr::get(context(), rowStride(2 * padded), /*group=*/0));
    OpBuilder builder(context());
    builder.setInsertionPointAfterValue(x);
    Value copy = QuantizeOp::create(builder, x.getLoc(), rounded, x,
                                    /*multiplier=*/Value(), /*scale=*/Value());
    for (MatmulOp op : matmuls)
      op.getXMutable().assign(copy);
  }
}

FailureOr<int64_t> Packer::run() {
  llvm::DenseMap<StringRef, SmallVector<LoadOp>> loads;
  WalkResult walked = module.walk([&](Operation *op) {
    if (auto load = dyn_cast<LoadOp>(op))
      loads[load.getWeight()].push_back(load);
    Value weight = TypeSwitch<Operation *, Value>(op)
                       .Case<MatmulOp>([](auto m) { return m.getW(); })
                       .Case<GatherOp>([](auto g) { return g.getTable(); })
                       .Default(Value());
    if (weight && !weight.getDefiningOp<LoadOp>()) {
      op->emitOpError("needs a weight from a file (qt.load) to be packed");
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return failure();

  int64_t offset = 0;
  Builder builder(context());
  for (WeightOp weight :
       llvm::make_early_inc_range(module.getOps<WeightOp>())) {
    ArrayRef<LoadOp> users = loads[weight.getSymName()];
    if (users.empty()) {
      weight.erase();
      continue;
    }
    if (failed(packWeight(weight, users)))
      return failure();
    int64_t bytes;
    if (auto type = dyn_cast<QuantTensorType>(weight.getType())) {
      bytes = PanelLayout(type).totalBytes;
    } else {
      auto tensor = cast<RankedTensorType>(weight.getType());
      if (!tensor.getElementType().isF32()) {
        weight.emitOpError("is ") << tensor
                                  << "; kernels read unquantized "
                                     "weights as f32";
        return failure();
      }
      bytes = tensor.getNumElements() * 4;
    }
    weight.setOffsetAttr(builder.getI64IntegerAttr(offset));
    offset += llvm::alignTo(bytes, 64);
  }
  if (failed(layOutActivations()))
    return failure();
  if (shape.halves)
    roundActivations();
  return offset;
}

LogicalResult quantmlir::kernel::packModule(ModuleOp module,
                                            const PanelShape &shape,
                                            StringRef target) {
  FailureOr<int64_t> bytes = Packer(module, shape).run();
  if (failed(bytes))
    return failure();
  Builder builder(module.getContext());
  module->setAttr("kernel.target", builder.getStringAttr(target));
  module->setAttr("kernel.weights_bytes", builder.getI64IntegerAttr(*bytes));
  return success();
}
