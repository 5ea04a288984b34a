// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "WeightValues.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include <cmath>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

RankedTensorType quantmlir::qt::getLogicalType(WeightOp weight) {
  if (auto stored = dyn_cast<QuantTensorType>(weight.getType()))
    return stored.getLogicalType();
  return cast<RankedTensorType>(weight.getType());
}

LoadOp quantmlir::qt::getWeightSource(Value weight) {
  if (auto dequantize = weight.getDefiningOp<DequantizeOp>())
    return dequantize.getInput().getDefiningOp<LoadOp>();
  return weight.getDefiningOp<LoadOp>();
}

WeightOp quantmlir::qt::findWeight(Value value) {
  LoadOp load = getWeightSource(value);
  return load ? SymbolTable::lookupNearestSymbolFrom<WeightOp>(
                    load, load.getWeightAttr())
              : WeightOp();
}

llvm::Expected<std::vector<float>>
quantmlir::qt::readFloats(WeightOp weight, WeightSource &source) {
  llvm::Expected<WeightData> data = source.read(weight);
  if (!data)
    return data.takeError();
  std::vector<float> values;
  int64_t k = getLogicalType(weight).getShape().back();
  if (auto type = dyn_cast<QuantTensorType>(weight.getType())) {
    auto rows = dequantizeRows(type.getScheme(), data->parts, type.getNumRows(),
                               k, 0, type.getNumRows());
    if (!rows)
      return rows.takeError();
    values = std::move(*rows);
  } else {
    ArrayRef<uint8_t> bytes = data->parts.front();
    values.resize(bytes.size() / 4);
    std::memcpy(values.data(), bytes.data(), values.size() * 4);
  }
  // No format has a place for a broken weight, and one spoils its whole group.
  for (auto [index, value] : llvm::enumerate(values))
    if (!std::isfinite(value))
      return tensorError(weight.getFile(), weight.getTensorName(),
                         (std::isnan(value) ? "NaN" : "infinity") +
                             llvm::Twine(" in row ") + llvm::Twine(index / k) +
                             ", column " + llvm::Twine(index % k));
  return values;
}

LogicalResult quantmlir::qt::checkNotOverwritten(ModuleOp module,
                                                 StringRef file) {
  llvm::StringSet<> checked;
  for (WeightOp weight : module.getOps<WeightOp>())
    if (checked.insert(weight.getFile()).second &&
        (weight.getFile() == file ||
         llvm::sys::fs::equivalent(weight.getFile(), file)))
      return emitError(weight.getLoc(), file)
             << ": weights-out would overwrite the file that weight '"
             << weight.getSymName() << "' is in";
  return success();
}
