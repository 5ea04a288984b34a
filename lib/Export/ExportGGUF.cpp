// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Export/ExportGGUF.h"
#include "ExportedModule.h"
#include "mlir/Support/DebugStringHelper.h"
#include "quant-mlir/Export/GGUFWriter.h"
#include "quant-mlir/Import/WeightSource.h"
#include "quant-mlir/Quantize/Mix.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Endian.h"

using namespace mlir;
using namespace quantmlir;
using llvm::Twine;

namespace {
class Exporter {
public:
  explicit Exporter(ModuleOp module) : module(module) {}
  llvm::Error write(StringRef path);

private:
  llvm::Error openSource();
  llvm::Error checkActivations();
  llvm::Error collectWeights();
  llvm::Error chooseType(const TensorInfo &tensor);
  void describeTypes();
  void setKey(StringRef key, uint32_t value);
  llvm::Error append(GGUFWriter &writer, const TensorInfo &tensor);

  ModuleOp module;
  std::shared_ptr<GGUFFile> source;
  WeightSource weightSource;
  /// By the name of the tensor.
  llvm::MapVector<StringRef, qt::WeightOp> weights;
  std::vector<GGUFWriter::Entry> entries;
  GGUFWriter::Keys keys;
  /// What the new values of keys point to.
  std::vector<std::unique_ptr<uint8_t[]>> numbers;
};
} // namespace

llvm::Error Exporter::openSource() {
  llvm::Expected<std::string> name = findSource(module);
  if (!name)
    return name.takeError();
  if (llvm::sys::fs::is_directory(*name))
    return fileError(*name,
                     "is a folder; only what was imported from a GGUF "
                     "file can become one, which gives it its tokenizer");
  auto opened = GGUFFile::open(*name);
  if (!opened)
    return opened.takeError();
  source = std::move(*opened);
  return llvm::Error::success();
}

/// Programs that read GGUF files round activations as they like.
llvm::Error Exporter::checkActivations() {
  llvm::Error error = llvm::Error::success();
  module.walk([&](qt::MatmulOp matmul) {
    qt::WeightOp weight = weightOf(matmul.getW());
    auto quantize = matmul.getX().getDefiningOp<qt::QuantizeOp>();
    if (!weight || !quantize || isReadersChoice(quantize))
      return WalkResult::advance();
    llvm::consumeError(std::move(error));
    error =
        weightError(weight, "its input is rounded to " +
                                debugString(quantize.getType().getScheme()) +
                                ", which a GGUF file cannot ask for");
    return WalkResult::interrupt();
  });
  return error;
}

llvm::Error Exporter::collectWeights() {
  for (auto weight : module.getOps<qt::WeightOp>()) {
    if (!weights.insert({weight.getTensorName(), weight}).second)
      return weightError(weight, "the module needs it in two forms");
    const TensorInfo *tensor = source->find(weight.getTensorName());
    if (!tensor)
      return weightError(weight, "is not in " + source->path() +
                                     ", so a GGUF file has no place for it");
    auto type = dyn_cast<qt::QuantTensorType>(weight.getType());
    RankedTensorType logical =
        type ? type.getLogicalType() : cast<RankedTensorType>(weight.getType());
    // Experts lie one below the other.
    ArrayRef<int64_t> shape(tensor->shape);
    bool isStack = shape.size() == 3 && logical.getRank() == 2 &&
                   shape[2] == logical.getDimSize(1) &&
                   tensor->numElements() == logical.getNumElements();
    if (logical.getShape() != shape && !isStack)
      return weightError(weight, "has another shape than in " + source->path());
  }
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

static std::optional<DType> typeOf(qt::QuantTensorType type) {
  if (type.getLayout())
    return std::nullopt;
  std::string scheme = debugString(type.getScheme());
  return llvm::StringSwitch<std::optional<DType>>(scheme)
      .Case("#qt.float<f32>", DType::F32)
      .Case("#qt.float<f16>", DType::F16)
      .Case("#qt.float<bf16>", DType::BF16)
#define QUANT_BLOCK(NAME, MNEMONIC, VALUES, BYTES, GGUF)                       \
  .Case("#qt." #MNEMONIC, DType::NAME)
#include "quant-mlir/Quantize/BlockFormats.def"
      .Default(std::nullopt);
}

llvm::Error Exporter::chooseType(const TensorInfo &tensor) {
  GGUFWriter::Entry &entry = entries.emplace_back(
      GGUFWriter::Entry{tensor.name, tensor.type, tensor.shape});
  qt::WeightOp weight = weights.lookup(tensor.name);
  if (!weight || weight.getFile() == source->path())
    return llvm::Error::success();
  auto type = dyn_cast<qt::QuantTensorType>(weight.getType());
  std::optional<DType> chosen = type ? typeOf(type) : DType::F32;
  if (!chosen)
    return weightError(weight, "is " + debugString(type) +
                                   ", which GGUF files do not have");
  entry.type = *chosen;
  return llvm::Error::success();
}

void Exporter::setKey(StringRef key, uint32_t value) {
  auto &number = numbers.emplace_back(new uint8_t[4]);
  llvm::support::endian::write32le(number.get(), value);
  GGUFValue set(GGUFType::U32, /*array=*/false, 1, {number.get(), 4});
  auto [entry, isNew] = keys.insert({key, set});
  if (!isNew)
    entry->second = set;
}

/// Sets the keys that say how the tensors are stored.
void Exporter::describeTypes() {
  auto recipe = module->getAttrOfType<StringAttr>("qt.recipe");
  if (!recipe || recipe == "as-stored")
    return;
  setKey("general.quantization_version", 2);
  // Behind the name of a mix are methods.
  if (const Mix *mix = findMix(recipe.getValue().split('-').first))
    return setKey("general.file_type", mix->fileType);
  llvm::MapVector<DType, size_t> counts;
  for (const GGUFWriter::Entry &entry : entries)
    if (entry.shape.size() > 1)
      ++counts[entry.type];
  const auto *most = llvm::max_element(counts, llvm::less_second());
  DType type = most == counts.end() ? DType::F32 : most->first;
  for (auto [plain, id] : {std::pair(DType::F32, 0), std::pair(DType::F16, 1),
                           std::pair(DType::BF16, 32)})
    if (type == plain)
      return setKey("general.file_type", id);
  for (const Mix &mix : getMixes())
    if (dtypeName(type).equals_insensitive(mix.type))
      return setKey("general.file_type", mix.fileType);
  // Readers guess.
  keys.erase("general.file_type");
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

llvm::Error Exporter::append(GGUFWriter &writer, const TensorInfo &tensor) {
  qt::WeightOp weight = weights.lookup(tensor.name);
  if (!weight || weight.getFile() == source->path())
    return writer.append(source->data(tensor));
  llvm::Expected<WeightData> data = weightSource.read(weight);
  if (!data)
    return data.takeError();
  return writer.append(data->parts.front());
}

llvm::Error Exporter::write(StringRef path) {
  if (llvm::Error error = openSource())
    return error;
  keys = source->keys();
  if (llvm::Error error = checkActivations())
    return error;
  if (llvm::Error error = collectWeights())
    return error;
  for (const TensorInfo &tensor : source->tensors())
    if (llvm::Error error = chooseType(tensor))
      return error;
  describeTypes();
  for (auto &[name, weight] : weights)
    if (llvm::sys::fs::equivalent(weight.getFile(), path))
      return fileError(path, "is not overwritten: the module needs it");

  auto writer = GGUFWriter::create(path, keys, entries);
  if (!writer)
    return writer.takeError();
  for (const TensorInfo &tensor : source->tensors())
    if (llvm::Error error = append(**writer, tensor))
      return error;
  return (*writer)->finish();
}

llvm::Error quantmlir::exportGGUF(ModuleOp module, StringRef path) {
  return Exporter(module).write(path);
}
