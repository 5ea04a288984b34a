// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Export/ExportGGUF.h"
#include "ExportedModule.h"
#include "GGUFTokenizer.h"
#include "mlir/Support/DebugStringHelper.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"
#include "quant-mlir/Import/GGUFDescription.h"
#include "quant-mlir/Import/TensorNames.h"
#include "quant-mlir/Import/WeightSource.h"
#include "quant-mlir/Quantize/Mix.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace quantmlir;
using llvm::Twine;

namespace {

/// A tensor of the file, and where its data is.
struct Item {
  GGUFWriter::Entry entry;
  qt::WeightOp weight;          ///< null if the data is none of the module's
  llvm::ArrayRef<uint8_t> data; ///< then
  /// The size of heads whose rows are interleaved; 0 if they stay.
  int64_t interleavedHead = 0;
};

class Exporter {
public:
  explicit Exporter(ModuleOp module) : module(module) {}
  llvm::Error write(StringRef path);

private:
  llvm::Error checkActivations();
  llvm::Error collectWeights();
  llvm::Error collectFromFile(StringRef path);
  llvm::Error collectFromFolder(StringRef path);
  llvm::Error addWeight(StringRef name, qt::WeightOp weight);
  void describeTypes();
  llvm::Error append(GGUFWriter &writer, const Item &item);

  ModuleOp module;
  std::shared_ptr<GGUFFile> source; ///< null if it is a folder
  WeightSource weightSource;
  /// By the name of the tensor.
  llvm::MapVector<StringRef, qt::WeightOp> weights;
  std::vector<Item> items;
  GGUFKeys keys;
  std::vector<float> ropeDivisors;
};
} // namespace

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
  for (auto weight : module.getOps<qt::WeightOp>())
    if (!weights.insert({weight.getTensorName(), weight}).second)
      return weightError(weight, "the module needs it in two forms");
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

static ArrayRef<int64_t> shapeOf(qt::WeightOp weight) {
  auto type = dyn_cast<qt::QuantTensorType>(weight.getType());
  return type ? type.getLogicalType().getShape()
              : cast<RankedTensorType>(weight.getType()).getShape();
}

/// Adds a tensor whose data the module has.
llvm::Error Exporter::addWeight(StringRef name, qt::WeightOp weight) {
  auto type = dyn_cast<qt::QuantTensorType>(weight.getType());
  std::optional<DType> chosen = type ? typeOf(type) : DType::F32;
  if (!chosen)
    return weightError(weight, "is " + debugString(type) +
                                   ", which GGUF files do not have");
  items.push_back(
      {{name.str(), *chosen, SmallVector<int64_t, 4>(shapeOf(weight))},
       weight,
       {}});
  return llvm::Error::success();
}

/// Sets the keys that say how the tensors are stored.
void Exporter::describeTypes() {
  auto recipe = module->getAttrOfType<StringAttr>("qt.recipe");
  bool asStored = !recipe || recipe == "as-stored";
  if (asStored && source)
    return;
  keys.setInteger("general.quantization_version", 2);
  auto setType = [&](uint32_t id) { keys.setInteger("general.file_type", id); };
  // Behind the name of a mix are methods.
  if (const Mix *mix =
          asStored ? nullptr : findMix(recipe.getValue().split('-').first))
    return setType(mix->fileType);
  llvm::MapVector<DType, size_t> counts;
  for (const Item &item : items)
    if (item.entry.shape.size() > 1)
      ++counts[item.entry.type];
  const auto *most = llvm::max_element(counts, llvm::less_second());
  DType type = most == counts.end() ? DType::F32 : most->first;
  for (auto [plain, id] : {std::pair(DType::F32, 0), std::pair(DType::F16, 1),
                           std::pair(DType::BF16, 32)})
    if (type == plain)
      return setType(id);
  for (const Mix &mix : getMixes())
    if (dtypeName(type).equals_insensitive(mix.type))
      return setType(mix.fileType);
  // Readers guess.
  keys.erase("general.file_type");
}

//===----------------------------------------------------------------------===//
// Sources
//===----------------------------------------------------------------------===//

/// Experts, which a tensor counts, lie one below the other in a weight.
static bool isShapeOf(const TensorInfo &tensor, qt::WeightOp weight) {
  ArrayRef<int64_t> stored(tensor.shape), shape = shapeOf(weight);
  return stored == shape ||
         (stored.size() == 3 && shape.size() == 2 &&
          stored[0] * stored[1] == shape[0] && stored[2] == shape[1]);
}

/// What was a GGUF file keeps its keys, its tensors' order, and those of them
/// that the module does not need.
llvm::Error Exporter::collectFromFile(StringRef path) {
  auto opened = GGUFFile::open(path);
  if (!opened)
    return opened.takeError();
  source = std::move(*opened);
  for (auto &[key, value] : source->keys())
    keys.set(key, value);
  for (auto &[name, weight] : weights)
    if (!source->find(name))
      return weightError(weight, "is not in " + source->path() +
                                     ", so a GGUF file has no place for it");
  for (const TensorInfo &tensor : source->tensors()) {
    qt::WeightOp weight = weights.lookup(tensor.name);
    if (weight && !isShapeOf(tensor, weight))
      return weightError(weight, "has another shape than in " + source->path());
    if (!weight || weight.getFile() == source->path()) {
      items.push_back({{tensor.name, tensor.type, tensor.shape},
                       qt::WeightOp(),
                       source->data(tensor)});
      continue;
    }
    if (llvm::Error error = addWeight(tensor.name, weight))
      return error;
    items.back().entry.shape = tensor.shape;
  }
  return llvm::Error::success();
}

/// What was a folder gets the keys and names that readers of GGUF files expect.
llvm::Error Exporter::collectFromFolder(StringRef path) {
  auto described = describeAsGGUF(path, module.getContext());
  if (!described)
    return described.takeError();
  keys.setString("general.architecture", described->architecture);
  if (auto name =
          module->getAttrOfType<StringAttr>(lm::LMDialect::nameAttrName))
    keys.setString("general.name", name.getValue());
  for (auto &[key, value] : described->integers)
    keys.setInteger(key, uint32_t(value));
  for (auto &[key, value] : described->numbers)
    keys.setNumber(key, float(value));
  for (auto &[key, value] : described->strings)
    keys.setString(key, value);
  if (llvm::Error error = describeTokenizer(path, described->vocabulary, keys))
    return error;

  for (auto &[theirs, weight] : weights) {
    std::string name = toGGUFName(theirs, described->architecture);
    if (name.empty())
      return weightError(weight, "has no name in GGUF files");
    if (llvm::Error error = addWeight(name, weight))
      return error;
    StringRef part = StringRef(name).rsplit('.').first;
    if (part.ends_with(".attn_q") || part.ends_with(".attn_k"))
      items.back().interleavedHead = described->interleavedHead;
  }
  ropeDivisors = std::move(described->ropeDivisors);
  if (!ropeDivisors.empty())
    items.push_back(
        {{ropeDivisorsName.str(), DType::F32, {int64_t(ropeDivisors.size())}},
         qt::WeightOp(),
         {reinterpret_cast<const uint8_t *>(ropeDivisors.data()),
          ropeDivisors.size() * sizeof(float)}});
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

/// Rows of each head, whose halves follow each other, in turn from both.
static std::vector<uint8_t> interleave(ArrayRef<uint8_t> data, int64_t rows,
                                       int64_t head) {
  std::vector<uint8_t> result(data.size());
  size_t bytes = data.size() / rows;
  for (int64_t row = 0; row < rows; ++row) {
    int64_t within = row % head;
    int64_t from = row - within + within % 2 * (head / 2) + within / 2;
    llvm::copy(data.slice(from * bytes, bytes), result.begin() + row * bytes);
  }
  return result;
}

llvm::Error Exporter::append(GGUFWriter &writer, const Item &item) {
  if (!item.weight)
    return writer.append(item.data);
  llvm::Expected<WeightData> data = weightSource.read(item.weight);
  if (!data)
    return data.takeError();
  ArrayRef<uint8_t> bytes = data->parts.front();
  if (!item.interleavedHead)
    return writer.append(bytes);
  return writer.append(
      interleave(bytes, item.entry.shape.front(), item.interleavedHead));
}

llvm::Error Exporter::write(StringRef path) {
  llvm::Expected<std::string> name = findSource(module);
  if (!name)
    return name.takeError();
  if (llvm::Error error = checkActivations())
    return error;
  if (llvm::Error error = collectWeights())
    return error;
  if (llvm::Error error = llvm::sys::fs::is_directory(*name)
                              ? collectFromFolder(*name)
                              : collectFromFile(*name))
    return error;
  describeTypes();
  for (auto &[tensor, weight] : weights)
    if (llvm::sys::fs::equivalent(weight.getFile(), path))
      return fileError(path, "is not overwritten: the module needs it");

  std::vector<GGUFWriter::Entry> entries;
  for (const Item &item : items)
    entries.push_back(item.entry);
  auto writer = GGUFWriter::create(path, keys.get(), entries);
  if (!writer)
    return writer.takeError();
  for (const Item &item : items)
    if (llvm::Error error = append(**writer, item))
      return error;
  return (*writer)->finish();
}

llvm::Error quantmlir::exportGGUF(ModuleOp module, StringRef path) {
  return Exporter(module).write(path);
}
