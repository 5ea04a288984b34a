// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A graph from outside brings its weights inside the IR, as constants.
// Everything behind this point wants them in a file: quantizing streams them
// one by one, and what is not in the IR is not copied with it.
//
// Two things are done on the way. Constants with the same numbers become one
// weight. And where the program transposes a constant, since its author kept
// linears as [K, N], the weight is written as [N, K] and the transposition
// goes.

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Export/SafetensorsWriter.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"

namespace quantmlir::qt {
#define GEN_PASS_DEF_EXTERNALIZECONSTANTSPASS
#include "quant-mlir/Dialect/QT/Transforms/Passes.h.inc"
} // namespace quantmlir::qt

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

/// The type's name in a safetensors header; empty if it has none.
static StringRef fileType(Type type) {
  if (type.isF64())
    return "F64";
  if (type.isF32())
    return "F32";
  if (type.isF16())
    return "F16";
  return type.isBF16() ? "BF16" : "";
}

namespace {
/// One tensor of the file.
struct Weight {
  ElementsAttr numbers;
  RankedTensorType type;
  bool transposed = false;
  std::string name;
  /// What is to be replaced by a load of it.
  SmallVector<Operation *> ops;

  uint64_t bytes() const {
    return uint64_t(type.getNumElements()) *
           (type.getElementTypeBitWidth() / 8);
  }
};

struct ExternalizeConstantsPass
    : quantmlir::qt::impl::ExternalizeConstantsPassBase<
          ExternalizeConstantsPass> {
  using ExternalizeConstantsPassBase::ExternalizeConstantsPassBase;

  void runOnOperation() override {
    if (file.empty()) {
      getOperation().emitError(
          "--qt-externalize-constants needs the option file=PATH");
      return signalPassFailure();
    }
    if (failed(collect()))
      return signalPassFailure();
    // A file without tensors is of no use to anybody.
    if (weights.empty())
      return;
    chooseNames();
    if (llvm::Error error = write()) {
      getOperation().emitError(llvm::toString(std::move(error)));
      return signalPassFailure();
    }
    replace();
  }

private:
  Weight &weightOf(ElementsAttr numbers, RankedTensorType type,
                   bool transposed) {
    Weight &weight = weights[{numbers, unsigned(transposed)}];
    weight.numbers = numbers;
    weight.type = type;
    weight.transposed = transposed;
    return weight;
  }

  /// The numbers of a constant, little-endian, row-major; of a splat just one.
  /// Empty if the resource was left out of the text.
  static ArrayRef<char> dataOf(ElementsAttr numbers) {
    if (auto dense = dyn_cast<DenseElementsAttr>(numbers))
      return dense.getRawData();
    auto resource = cast<DenseResourceElementsAttr>(numbers);
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    return blob ? blob->getData() : ArrayRef<char>();
  }

  /// Whether some operation has this value for its weight.
  static bool isWeight(Value value) {
    return llvm::any_of(value.getUses(), [](OpOperand &use) {
      auto op = dyn_cast<QuantizableOpInterface>(use.getOwner());
      return op && &op.getWeightOperand() == &use;
    });
  }

  /// The transposition that an operation is, if it is one of `value`.
  static linalg::TransposeOp asTranspose(Operation *op, Value value) {
    auto transpose = dyn_cast<linalg::TransposeOp>(op);
    return transpose && transpose.getInput() == value &&
                   transpose.getPermutation() == ArrayRef<int64_t>{1, 0} &&
                   transpose->getNumResults() == 1
               ? transpose
               : linalg::TransposeOp();
  }

  /// Weights are moved whatever their size, other numbers if they are many.
  bool isToMove(arith::ConstantOp op, uint64_t bytes) {
    if (isWeight(op) || llvm::any_of(op->getUsers(), [&](Operation *user) {
          auto transpose = asTranspose(user, op);
          return transpose && isWeight(transpose->getResult(0));
        }))
      return true;
    return bytes >= minBytes && !isa<SplatElementsAttr>(op.getValue());
  }

  LogicalResult collect() {
    WalkResult result = getOperation().walk([&](arith::ConstantOp op) {
      auto type = dyn_cast<RankedTensorType>(op.getType());
      auto numbers = dyn_cast<ElementsAttr>(op.getValue());
      if (!type || !numbers || fileType(type.getElementType()).empty() ||
          !isa<DenseElementsAttr, DenseResourceElementsAttr>(numbers))
        return WalkResult::advance();
      uint64_t size = type.getElementTypeBitWidth() / 8;
      uint64_t bytes = uint64_t(type.getNumElements()) * size;
      if (bytes == 0 || !isToMove(op, bytes))
        return WalkResult::advance();
      bool isSplat = isa<SplatElementsAttr>(numbers);
      if (dataOf(numbers).size() != (isSplat ? size : bytes)) {
        op.emitOpError() << "has " << dataOf(numbers).size()
                         << " bytes of numbers, its type needs " << bytes;
        return WalkResult::interrupt();
      }
      constants.push_back(op);
      bool elsewhere = false;
      for (Operation *user : op->getUsers()) {
        if (auto transpose = asTranspose(user, op))
          weightOf(numbers,
                   cast<RankedTensorType>(transpose->getResult(0).getType()),
                   /*transposed=*/true)
              .ops.push_back(transpose);
        else
          elsewhere = true;
      }
      if (elsewhere || op->use_empty())
        weightOf(numbers, type, /*transposed=*/false).ops.push_back(op);
      return WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }

  /// The resource's name where there is one: exporters put the parameter's in
  /// it.
  void chooseNames() {
    llvm::StringSet<> taken;
    for (auto symbol : getOperation().getOps<SymbolOpInterface>())
      taken.insert(symbol.getName());
    for (auto &[key, weight] : weights) {
      std::string base = "constant";
      if (auto resource = dyn_cast<DenseResourceElementsAttr>(weight.numbers))
        base = resource.getRawHandle().getKey().str();
      weight.name = base;
      for (unsigned i = 0; !taken.insert(weight.name).second; ++i)
        weight.name = base + "_" + std::to_string(i);
    }
  }

  llvm::Error write() {
    SmallVector<SafetensorsWriter::Entry> entries;
    for (const auto &[key, weight] : weights)
      entries.push_back(
          {weight.name, fileType(weight.type.getElementType()).str(),
           llvm::to_vector(weight.type.getShape()), weight.bytes()});
    auto writer = SafetensorsWriter::create(file, entries);
    if (!writer)
      return writer.takeError();
    for (const auto &[key, weight] : weights) {
      ArrayRef<char> data = dataOf(weight.numbers);
      std::vector<char> repeated;
      if (data.size() != weight.bytes()) {
        for (uint64_t i = 0; i < weight.bytes(); ++i)
          repeated.push_back(data[i % data.size()]);
        data = repeated;
      }
      ArrayRef<uint8_t> bytes(reinterpret_cast<const uint8_t *>(data.data()),
                              data.size());
      if (llvm::Error error = weight.transposed
                                  ? appendTransposed(**writer, bytes, weight)
                                  : (*writer)->append(bytes))
        return error;
      numBytes += weight.bytes();
    }
    return (*writer)->finish();
  }

  /// Row by row of the result, so that no second copy is in memory.
  static llvm::Error appendTransposed(SafetensorsWriter &writer,
                                      ArrayRef<uint8_t> bytes,
                                      const Weight &weight) {
    int64_t rows = weight.type.getDimSize(0),
            columns = weight.type.getDimSize(1);
    size_t size = weight.type.getElementTypeBitWidth() / 8;
    std::vector<uint8_t> row(columns * size);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c)
        std::copy_n(&bytes[(c * rows + r) * size], size, &row[c * size]);
      if (llvm::Error error = writer.append(row))
        return error;
    }
    return llvm::Error::success();
  }

  void replace() {
    OpBuilder builder = OpBuilder::atBlockBegin(getOperation().getBody());
    for (const auto &[key, weight] : weights) {
      WeightOp::create(builder, getOperation().getLoc(), weight.name,
                       weight.type, file);
      ++numWeights;
    }
    for (const auto &[key, weight] : weights) {
      for (Operation *op : weight.ops) {
        OpBuilder at(op);
        Value load = LoadOp::create(at, op->getLoc(), weight.type, weight.name);
        op->replaceAllUsesWith(ValueRange{load});
        if (weight.transposed)
          op->erase();
      }
    }
    // All of their users are gone: transpositions, or what reads a load now.
    for (arith::ConstantOp constant : constants)
      constant.erase();
  }

  /// In the order in which they are met, which is the order in the file.
  llvm::MapVector<std::pair<Attribute, unsigned>, Weight> weights;
  /// The constants that they stand for.
  SmallVector<arith::ConstantOp> constants;
};
} // namespace
