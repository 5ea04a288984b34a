// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ChannelScaling.h"
#include "StoredInput.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "quant-mlir/Export/SafetensorsWriter.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

//===----------------------------------------------------------------------===//
// Sites
//===----------------------------------------------------------------------===//

SmallVector<ActivationSite>
quantmlir::qt::findActivationSites(ModuleOp module) {
  llvm::MapVector<Value, ActivationSite> sites;
  llvm::DenseMap<Operation *, SmallVector<QuantizableOpInterface, 1>> readers;
  module.walk([&](QuantizableOpInterface op) {
    OpOperand *operand = op.getActivationOperand();
    WeightOp weight = findWeight(op.getWeightOperand().get());
    if (!weight)
      return;
    readers[weight].push_back(op);
    if (!operand)
      return;
    ActivationSite &site = sites[operand->get()];
    site.activation = operand->get();
    site.readers.push_back(op);
    site.weights.push_back(weight);
  });
  llvm::StringSet<> names;
  for (ActivationSite &site : llvm::make_second_range(sites)) {
    std::string weight = site.weights.front().getSymName().str();
    std::string name = weight;
    for (int count = 2; !names.insert(name).second; ++count)
      name = weight + "#" + std::to_string(count);
    site.name = StringAttr::get(module.getContext(), name).getValue();
    for (WeightOp one : site.weights)
      site.weightReaders.push_back(readers[one]);
  }
  return llvm::to_vector(llvm::make_second_range(sites));
}

WeightOp ActivationSite::findSharedWeight() const {
  for (auto [weight, all] : llvm::zip_equal(weights, weightReaders))
    for (QuantizableOpInterface reader : all)
      if (!llvm::is_contained(readers, reader))
        return weight;
  return {};
}

//===----------------------------------------------------------------------===//
// Folds
//===----------------------------------------------------------------------===//

static bool isShapeQuery(Operation *op) { return isa<tensor::DimOp>(op); }

/// True if `use` is the only one that reads numbers.
static bool isOnlyUse(OpOperand &use) {
  return llvm::all_of(use.get().getUses(), [&](OpOperand &other) {
    return &other == &use || isShapeQuery(other.getOwner());
  });
}

/// Every weight that is loaded, and how often. A weight with several loads must
/// not change for one of them.
static bool isLoadedOnce(WeightOp weight) {
  auto uses = SymbolTable::getSymbolUses(weight, weight->getParentOp());
  return uses && llvm::range_size(*uses) == 1;
}

namespace {
/// Channels of the last dimension, `begin` to `end`.
struct ChannelRange {
  int64_t begin, end;
};
} // namespace

/// Which rows a slice takes does not matter: factors are the same for all.
static std::optional<ChannelRange>
getChannelRange(tensor::ExtractSliceOp slice) {
  RankedTensorType result = slice.getType();
  int64_t offset = slice.getStaticOffsets().back();
  if (result.getRank() != slice.getSourceType().getRank() ||
      slice.getStaticStrides().back() != 1 || ShapedType::isDynamic(offset) ||
      ShapedType::isDynamic(result.getShape().back()))
    return std::nullopt;
  return ChannelRange{offset, offset + result.getShape().back()};
}

static bool takesOtherChannels(OpOperand &use, ChannelRange range) {
  auto slice = dyn_cast<tensor::ExtractSliceOp>(use.getOwner());
  std::optional<ChannelRange> other =
      slice ? getChannelRange(slice) : std::nullopt;
  return other && (other->end <= range.begin || range.end <= other->begin);
}

namespace {
/// Follows an activation back to what its channels are made by.
struct FoldFinder {
  ChannelFold fold;
  std::string why;

  bool decline(const llvm::Twine &reason) {
    why = reason.str();
    return false;
  }
  bool follow(Value value);
  bool through(OpOperand &operand);
  bool take(ChannelScalableOpInterface producer);
};
} // namespace

bool FoldFinder::through(OpOperand &operand) {
  if (!isOnlyUse(operand))
    return decline("what it is made of has other readers");
  return follow(operand.get());
}

bool FoldFinder::take(ChannelScalableOpInterface producer) {
  fold.parameters.clear();
  SmallVector<OpOperand *> operands = producer.getChannelOperands();
  if (operands.empty())
    return decline("'" + producer->getName().getStringRef() +
                   "' of experts has no parameter for each channel");
  for (OpOperand *operand : operands) {
    WeightOp weight = findWeight(operand->get());
    if (!weight)
      return decline("a parameter of '" + producer->getName().getStringRef() +
                     "' is not in a file");
    if (!isLoadedOnce(weight) || !isOnlyUse(*operand))
      return decline("'" + weight.getSymName() + "' has other readers");
    fold.parameters.push_back(weight);
  }
  fold.producer = producer;
  return true;
}

bool FoldFinder::follow(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return decline("it is an argument of the function");
  if (auto producer = dyn_cast<ChannelScalableOpInterface>(op))
    return take(producer);
  if (auto pass = dyn_cast<ChannelPassOpInterface>(op)) {
    OpOperand *operand = pass.getChannelSource();
    if (!operand)
      return decline("'" + op->getName().getStringRef() +
                     "' passes no factors on");
    for (int64_t &channel : fold.source)
      channel = pass.getSourceChannel(channel);
    return through(*operand);
  }
  if (isa<arith::MulFOp>(op)) {
    SmallVector<int64_t> source = fold.source;
    for (OpOperand &operand : op->getOpOperands()) {
      if (operand.get().getType() == value.getType() && through(operand))
        return true;
      fold.source = source;
    }
    return false;
  }
  // Shapes that keep the last dimension.
  if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op)) {
    OpOperand &operand = op->getOpOperand(0);
    auto from = cast<RankedTensorType>(operand.get().getType());
    auto to = cast<RankedTensorType>(value.getType());
    if (from.getRank() && to.getRank() && from.getShape().back() > 1 &&
        from.getShape().back() == to.getShape().back())
      return through(operand);
  }
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op))
    if (std::optional<ChannelRange> range = getChannelRange(slice)) {
      // Of a fused projection: the others take other channels.
      OpOperand &operand = slice.getSourceMutable();
      for (OpOperand &other : operand.get().getUses())
        if (&other != &operand && !isShapeQuery(other.getOwner()) &&
            !takesOtherChannels(other, *range))
          return decline("what it is made of has other readers");
      for (int64_t &channel : fold.source)
        channel += range->begin;
      return follow(operand.get());
    }
  return decline("'" + op->getName().getStringRef() + "' passes no factors on");
}

/// Finds a fold into what makes the activation.
static FailureOr<ChannelFold> findProducer(ActivationSite &site,
                                           std::string &why) {
  for (OpOperand &use : site.activation.getUses()) {
    auto reader = dyn_cast<QuantizableOpInterface>(use.getOwner());
    bool reads = reader && reader.getActivationOperand() == &use &&
                 llvm::is_contained(site.readers, reader);
    if (!reads && !isShapeQuery(use.getOwner())) {
      why = ("'" + use.getOwner()->getName().getStringRef() + "' reads it too")
                .str();
      return failure();
    }
  }
  FoldFinder finder;
  finder.fold.source = llvm::to_vector(llvm::seq(site.getChannels()));
  if (finder.follow(site.activation))
    return finder.fold;
  why = finder.why;
  return failure();
}

FailureOr<ChannelFold> quantmlir::qt::findChannelFold(ActivationSite &site,
                                                      bool mayMultiply,
                                                      std::string &why) {
  if (ShapedType::isDynamic(site.getChannels())) {
    why = "its number of channels is dynamic";
    return failure();
  }
  for (WeightOp weight : site.weights)
    if (!isLoadedOnce(weight)) {
      why = ("weight '" + weight.getSymName() + "' has other readers").str();
      return failure();
    }
  FailureOr<ChannelFold> fold = findProducer(site, why);
  if (succeeded(fold) || !mayMultiply)
    return fold;
  ChannelFold product;
  product.source = llvm::to_vector(llvm::seq(site.getChannels()));
  return product;
}

std::optional<MultipliedActivation>
quantmlir::qt::findMultiplier(Value activation) {
  auto product = activation.getDefiningOp<arith::MulFOp>();
  if (!product)
    return std::nullopt;
  auto broadcast = product.getRhs().getDefiningOp<linalg::BroadcastOp>();
  auto load =
      broadcast ? broadcast.getInput().getDefiningOp<LoadOp>() : LoadOp();
  auto type =
      load ? dyn_cast<RankedTensorType>(load.getType()) : RankedTensorType();
  int64_t rank = cast<RankedTensorType>(activation.getType()).getRank();
  if (!type || type.getRank() != 1 ||
      llvm::is_contained(broadcast.getDimensions(), rank - 1))
    return std::nullopt;
  return MultipliedActivation{product.getLhs(), load};
}

//===----------------------------------------------------------------------===//
// Scaling
//===----------------------------------------------------------------------===//

void ChannelScaler::multiply(std::vector<float> &factors, size_t index,
                             size_t size, float factor) {
  factors.resize(size, 1.0f);
  factors[index] *= factor;
}

void ChannelScaler::scale(ActivationSite &site, const ChannelFold &fold,
                          ArrayRef<float> factors) {
  for (WeightOp weight : site.weights)
    for (auto [k, factor] : llvm::enumerate(factors))
      multiply(changes[weight].columns, k, factors.size(), factor);

  for (WeightOp weight : fold.parameters) {
    int64_t rows = getLogicalType(weight).getDimSize(0);
    std::vector<float> inverse(rows, 1.0f);
    for (auto [channel, factor] : llvm::zip_equal(fold.source, factors))
      inverse[channel] = 1.0f / factor;
    for (auto [row, factor] : llvm::enumerate(inverse))
      multiply(changes[weight].rows, row, rows, factor);
  }
  if (!fold.producer)
    multiplied.push_back(site);
  std::vector<float> &total = sites[site.name];
  for (auto [k, factor] : llvm::enumerate(factors))
    multiply(total, k, factors.size(), factor);
}

llvm::Expected<std::vector<float>> ChannelScaler::read(WeightOp weight) {
  llvm::Expected<std::vector<float>> values = readFloats(weight, source);
  auto found = changes.find(weight);
  if (!values || found == changes.end())
    return values;
  const Change &change = found->second;
  RankedTensorType type = getLogicalType(weight);
  int64_t rows = type.getDimSize(0), columns = values->size() / rows;
  for (int64_t n = 0; n < rows; ++n)
    for (int64_t k = 0; k < columns; ++k) {
      float &value = (*values)[n * columns + k];
      if (!change.rows.empty())
        value *= change.rows[n];
      if (!change.columns.empty())
        value *= change.columns[k];
    }
  return values;
}

static llvm::ArrayRef<uint8_t> bytesOf(const std::vector<float> &values) {
  return {reinterpret_cast<const uint8_t *>(values.data()), values.size() * 4};
}

LogicalResult ChannelScaler::write(StringRef file) {
  if (failed(checkNotOverwritten(module, file)))
    return failure();
  auto fail = [&](llvm::Error error) {
    return emitError(module.getLoc(), llvm::toString(std::move(error)));
  };
  std::vector<SafetensorsWriter::Entry> entries;
  for (auto &[op, change] : changes) {
    auto weight = cast<WeightOp>(op);
    RankedTensorType type = getLogicalType(weight);
    entries.push_back({weight.getSymName().str(), "F32",
                       llvm::to_vector(type.getShape()),
                       uint64_t(type.getNumElements()) * 4});
  }
  for (auto &[name, factors] : sites)
    entries.push_back({(name + smoothingSuffix).str(),
                       "F32",
                       {int64_t(factors.size())},
                       factors.size() * 4});
  for (ActivationSite &site : multiplied)
    entries.push_back({(site.name + multiplierSuffix).str(),
                       "F32",
                       {site.getChannels()},
                       uint64_t(site.getChannels()) * 4});
  auto writer = SafetensorsWriter::create(file, entries);
  if (!writer)
    return fail(writer.takeError());
  for (auto &[op, change] : changes) {
    llvm::Expected<std::vector<float>> values = read(cast<WeightOp>(op));
    if (!values)
      return fail(values.takeError());
    if (llvm::Error error = (*writer)->append(bytesOf(*values)))
      return fail(std::move(error));
  }
  for (auto &[name, factors] : sites)
    if (llvm::Error error = (*writer)->append(bytesOf(factors)))
      return fail(std::move(error));
  for (ActivationSite &site : multiplied) {
    std::vector<float> inverse;
    for (float factor : sites[site.name])
      inverse.push_back(1.0f / factor);
    if (llvm::Error error = (*writer)->append(bytesOf(inverse)))
      return fail(std::move(error));
  }
  if (llvm::Error error = (*writer)->finish())
    return fail(std::move(error));
  redirect(file);
  insertMultipliers(file);
  return success();
}

/// Declares the changed weights as floats in `file`.
void ChannelScaler::redirect(StringRef file) {
  for (auto &[op, change] : changes) {
    auto weight = cast<WeightOp>(op);
    RankedTensorType type = getLogicalType(weight);
    bool wasQuantized = isa<QuantTensorType>(weight.getType());
    moveWeight(weight, file);
    weight.setType(RankedTensorType::get(
        type.getShape(), Float32Type::get(module.getContext())));
    if (!wasQuantized)
      continue;
    // The one load: `qt.dequantize` of it becomes the load itself.
    auto uses = *SymbolTable::getSymbolUses(weight, module);
    auto load = cast<LoadOp>((*uses.begin()).getUser());
    auto dequantize = cast<DequantizeOp>(*load->user_begin());
    OpBuilder builder(load);
    Value plain =
        LoadOp::create(builder, load.getLoc(), weight.getType(),
                       FlatSymbolRefAttr::get(weight.getSymNameAttr()));
    dequantize.replaceAllUsesWith(plain);
    dequantize.erase();
    load.erase();
  }
}

/// Declares the vectors and lets the readers of their sites read the product.
void ChannelScaler::insertMultipliers(StringRef file) {
  for (ActivationSite &site : multiplied) {
    Location loc = site.activation.getLoc();
    auto type = cast<RankedTensorType>(site.activation.getType());
    auto vectorType =
        RankedTensorType::get(site.getChannels(), type.getElementType());
    std::string name = (site.name + multiplierSuffix).str();
    auto declaration = OpBuilder(site.weights.front());
    WeightOp::create(declaration, loc, name, vectorType, file);

    OpBuilder builder(module.getContext());
    builder.setInsertionPointAfterValue(site.activation);
    auto load = LoadOp::create(builder, loc, vectorType, name);
    Value empty = tensor::EmptyOp::create(
        builder, loc, tensor::getMixedSizes(builder, loc, site.activation),
        type.getElementType());
    auto leading = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank() - 1));
    Value wide = linalg::BroadcastOp::create(builder, loc, load, empty, leading)
                     ->getResult(0);
    Value product = arith::MulFOp::create(builder, loc, site.activation, wide);
    for (QuantizableOpInterface reader : site.readers)
      reader.getActivationOperand()->set(product);
  }
}
