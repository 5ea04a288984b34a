// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Import/WeightSource.h"

namespace quantmlir::qt {
#define GEN_PASS_DEF_MATERIALIZEWEIGHTSPASS
#include "quant-mlir/Dialect/QT/Transforms/Passes.h.inc"
} // namespace quantmlir::qt

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

/// Bytes up to which a constant is an attribute that can be read in a dump.
/// What is larger becomes a resource: attributes are hashed and kept for ever.
static constexpr size_t readableBytes = 1024;

static Value makeConstant(OpBuilder &builder, Location loc,
                          RankedTensorType type, ArrayRef<uint8_t> bytes,
                          StringRef name) {
  ArrayRef<char> raw(reinterpret_cast<const char *>(bytes.data()),
                     bytes.size());
  if (bytes.size() <= readableBytes)
    return arith::ConstantOp::create(
        builder, loc, DenseElementsAttr::getFromRawBuffer(type, raw));
  // The file is not mapped for as long as the program lives: a copy.
  AsmResourceBlob blob = HeapAsmResourceBlob::allocateAndCopyWithAlign(
      raw, /*align=*/64, /*dataIsMutable=*/false);
  // One dimension: LLVM would make a constant of every innermost row, millions
  // of them for a model.
  auto flatType =
      RankedTensorType::get(type.getNumElements(), type.getElementType());
  Value flat = arith::ConstantOp::create(
      builder, loc,
      DenseResourceElementsAttr::get(flatType, name, std::move(blob)));
  if (type.getRank() == 1)
    return flat;
  ReassociationIndices all =
      llvm::to_vector(llvm::seq<int64_t>(type.getRank()));
  return tensor::ExpandShapeOp::create(builder, loc, type, flat,
                                       ArrayRef<ReassociationIndices>(all));
}

namespace {
struct MaterializeWeightsPass
    : quantmlir::qt::impl::MaterializeWeightsPassBase<MaterializeWeightsPass> {
  void runOnOperation() override {
    WeightSource source;
    SymbolTableCollection symbols;
    WalkResult result = getOperation().walk([&](LoadOp load) {
      auto weight =
          symbols.lookupNearestSymbolFrom<WeightOp>(load, load.getWeightAttr());
      return failed(materialize(load, weight, source)) ? WalkResult::interrupt()
                                                       : WalkResult::advance();
    });
    if (result.wasInterrupted())
      return signalPassFailure();
    // Declarations that nothing refers to any more, or never did.
    getOperation().walk([&](WeightOp weight) {
      if (SymbolTable::symbolKnownUseEmpty(weight, getOperation()))
        weight.erase();
    });
  }

  LogicalResult materialize(LoadOp load, WeightOp weight,
                            WeightSource &source) {
    auto plain = dyn_cast<RankedTensorType>(weight.getType());
    if (plain && !plain.getElementType().isF32())
      return weight.emitOpError("is ")
             << plain << "; a plain weight must be f32 to become a constant";
    llvm::Expected<WeightData> data = source.read(weight);
    if (!data)
      return weight.emitError() << llvm::toString(data.takeError());

    OpBuilder builder(load);
    StringRef name = weight.getSymName();
    if (plain) {
      Value value = makeConstant(builder, load.getLoc(), plain,
                                 data->parts.front(), name);
      load.getResult().replaceAllUsesWith(value);
      load.erase();
      return success();
    }

    auto type = cast<QuantTensorType>(weight.getType());
    if (type.getLayout())
      return weight.emitOpError("is packed; only the layout of interchange "
                                "files can become constants");
    SmallVector<Value> parts;
    for (auto [part, bytes] : llvm::zip_equal(
             type.getScheme().getStorageParts(type.getShape()), data->parts)) {
      auto partType = RankedTensorType::get(part.shape, part.elementType);
      parts.push_back(makeConstant(builder, load.getLoc(), partType, bytes,
                                   (name + part.suffix).str()));
    }
    Value value = AssembleOp::create(builder, load.getLoc(), type, parts);
    load.getResult().replaceAllUsesWith(value);
    load.erase();
    return success();
  }
};
} // namespace
