// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Import/Fingerprint.h"
#include "quant-mlir/Import/WeightSource.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace quantmlir;

/// Weights whose numbers are hashed, spread over the model, and how many bytes
/// of each: enough to tell fine-tunes apart, little enough not to read a file.
static constexpr size_t sampledWeights = 5;
static constexpr size_t sampledBytes = 4096;

llvm::Expected<std::string> quantmlir::fingerprintModel(ModuleOp module) {
  if (auto kept =
          module->getAttrOfType<StringAttr>(qt::QTDialect::fingerprintAttrName))
    return kept.str();
  SmallVector<qt::WeightOp> weights(module.getOps<qt::WeightOp>());
  llvm::sort(weights, [](qt::WeightOp a, qt::WeightOp b) {
    return a.getSymName() < b.getSymName();
  });
  if (weights.empty())
    return llvm::createStringError("the model has no weights in files");
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (qt::WeightOp weight : weights) {
    stream << weight.getSymName();
    auto type = dyn_cast<qt::QuantTensorType>(weight.getType());
    for (int64_t size :
         type ? type.getShape()
              : cast<RankedTensorType>(weight.getType()).getShape())
      stream << " " << size;
    stream << "\n";
  }
  WeightSource source;
  size_t step = std::max<size_t>(1, weights.size() / sampledWeights);
  for (size_t i = 0; i < weights.size(); i += step) {
    llvm::Expected<WeightData> data = source.read(weights[i]);
    if (!data)
      return data.takeError();
    for (ArrayRef<uint8_t> part : data->parts)
      stream << llvm::xxh3_64bits(part.take_front(sampledBytes)) << "\n";
  }
  return llvm::utohexstr(llvm::xxh3_64bits(text), /*LowerCase=*/true, 16);
}
