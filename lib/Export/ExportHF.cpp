// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every tensor of the source folder is taken in turn: it is copied, or stands
// for a weight of the module, whose tensors are written in its place. Nothing
// is read twice, and only one matrix is in memory at a time.

#include "quant-mlir/Export/ExportHF.h"
#include "ExportedModule.h"
#include "quant-mlir/Export/SafetensorsWriter.h"
#include "quant-mlir/Import/ImportModel.h"
#include "quant-mlir/Import/JSONFile.h"
#include "quant-mlir/Import/StorageType.h"
#include "quant-mlir/Import/WeightSource.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace quantmlir;
using llvm::Twine;

namespace {

/// What a weight is multiplied with.
struct Input {
  qt::QuantSchemeInterface scheme; ///< null for floats
  qt::WeightOp scale;              ///< null if it is found at run time
};

/// Tensors of the new folder that are made of one weight, or one that is
/// copied.
struct Piece {
  std::vector<SafetensorsWriter::Entry> entries;
  SafetensorsFolder::Place copied;
  qt::WeightOp weight;
  qt::WeightOp inputScale;
  /// Null where storage parts are tensors as they are.
  decltype(EncodedMatrix::encode) encode;
};

class Exporter {
public:
  Exporter(ModuleOp module, CheckpointEncoder &encoder, OutputFolder &output)
      : module(module), encoder(encoder), output(output) {}
  llvm::Error run();

private:
  llvm::Error openSource();
  void collectForms();
  llvm::Error collectInputs();
  llvm::Error matchWeights();
  llvm::Error place(qt::WeightOp weight);
  llvm::Error collectPieces();
  llvm::Expected<Piece> makePiece(qt::WeightOp weight);
  void copy(SafetensorsFolder::Place place);
  void noteFloat(StringRef name, ArrayRef<int64_t> shape);
  llvm::Error writePiece(const Piece &piece, SafetensorsWriter &writer);
  llvm::Error writeTensors();
  llvm::Error writeConfig();
  llvm::Error copyFiles();

  std::string outputFile(StringRef name) const;

  ModuleOp module;
  CheckpointEncoder &encoder;
  OutputFolder &output;
  std::optional<SafetensorsFolder> source;
  std::unique_ptr<Checkpoint> checkpoint; ///< null if the source is floats
  WeightSource numbers;
  llvm::DenseMap<Operation *, Input> inputs;
  llvm::DenseSet<Operation *> tables, scales;
  /// By the tensors of the source that a weight stands for.
  llvm::StringMap<qt::WeightOp> weights;
  std::vector<Piece> pieces;
  std::vector<std::string> floatLayers;
  /// Weights that the source has in another form than the program.
  llvm::StringSet<> formed;
  bool quantized = false;
};

} // namespace

/// "a.weight" to "a", as checkpoints call layers.
static StringRef layerOf(StringRef name) {
  name.consume_back(".weight");
  return name;
}

static std::string joined(StringRef folder, StringRef name) {
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, name);
  return path.str().str();
}

std::string Exporter::outputFile(StringRef name) const {
  return joined(output.path(), name);
}

llvm::Error Exporter::openSource() {
  llvm::Expected<std::string> name = findSource(module);
  if (!name)
    return name.takeError();
  if (!llvm::sys::fs::is_directory(*name))
    return fileError(*name, "is no Hugging Face folder; only what was imported "
                            "from one can become one, which gives it its "
                            "config.json and its tokenizer");
  if (!module->hasAttr("qt.recipe"))
    return fileError(*name, "the module is not quantized (--quantize)");
  if (llvm::sys::fs::equivalent(*name, output.destination()))
    return fileError(*name, "would be overwritten");
  llvm::Expected<SafetensorsFolder> folder = SafetensorsFolder::open(*name);
  if (!folder)
    return folder.takeError();
  source = std::move(*folder);
  llvm::Expected<std::unique_ptr<Checkpoint>> opened =
      Checkpoint::open(*source);
  if (!opened)
    return opened.takeError();
  checkpoint = std::move(*opened);
  return llvm::Error::success();
}

/// Only importing knows in which form a source has its weights; a module that
/// was written by hand has them as they are.
void Exporter::collectForms() {
  llvm::Expected<OwningOpRef<ModuleOp>> imported =
      importHF(source->path(), module.getContext());
  if (!imported)
    return llvm::consumeError(imported.takeError());
  for (auto weight : (*imported)->getOps<qt::WeightOp>())
    if (weight->hasAttr(formAttrName))
      formed.insert(weight.getSymName());
}

/// What the program does with weights, beside having them.
llvm::Error Exporter::collectInputs() {
  module.walk(
      [&](qt::GatherOp gather) { tables.insert(weightOf(gather.getTable())); });
  qt::WeightOp refused;
  StringRef reason;
  auto refuse = [&](qt::WeightOp weight, StringRef why) {
    refused = weight;
    reason = why;
    return WalkResult::interrupt();
  };
  module.walk([&](qt::MatmulOp matmul) {
    qt::WeightOp weight = weightOf(matmul.getW());
    auto quantize = matmul.getX().getDefiningOp<qt::QuantizeOp>();
    if (weight && matmul.getExperts())
      return refuse(weight, "mixtures of experts cannot be written yet");
    if (!weight || !quantize)
      return WalkResult::advance();
    if (quantize.getMultiplier())
      return refuse(weight, "its input is multiplied by a vector, which a "
                            "checkpoint cannot say; 'smoothing' with "
                            "'multiply: false' does without");
    if (quantize.getInput().getDefiningOp<qt::SplitOutliersOp>())
      return refuse(weight, "outliers of its input stay floats, which the "
                            "checkpoint cannot say");
    if (isReadersChoice(quantize))
      return WalkResult::advance();
    Input &input = inputs[weight];
    input.scheme = quantize.getType().getScheme();
    if (quantize.getScale()) {
      input.scale = weightOf(quantize.getScale());
      scales.insert(input.scale);
    }
    return WalkResult::advance();
  });
  return refused ? weightError(refused, reason) : llvm::Error::success();
}

/// Finds what a weight stands for in the source.
llvm::Error Exporter::place(qt::WeightOp weight) {
  StringRef name = weight.getSymName();
  auto type = dyn_cast<qt::QuantTensorType>(weight.getType());
  auto shape = type ? type.getShape()
                    : cast<RankedTensorType>(weight.getType()).getShape();
  if (checkpoint && shape.size() == 2) {
    auto matrix = checkpoint->find(layerOf(name), shape[0], shape[1]);
    if (!matrix)
      return matrix.takeError();
    if (*matrix && !(*matrix)->order.empty())
      return weightError(weight, "its columns are sorted by their group (act "
                                 "order), which cannot be undone");
    if (*matrix) {
      for (const std::string &tensor : (*matrix)->tensors)
        weights[tensor] = weight;
      return llvm::Error::success();
    }
  }
  if (!source->find(name))
    return weightError(weight,
                       "has no place in a folder like " + source->path());
  weights[name] = weight;
  return llvm::Error::success();
}

llvm::Error Exporter::matchWeights() {
  for (auto weight : module.getOps<qt::WeightOp>())
    if (!scales.contains(weight) &&
        !SymbolTable::symbolKnownUseEmpty(weight, module))
      if (llvm::Error error = place(weight))
        return error;
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

/// Names a linear that stays float, or what may be one.
void Exporter::noteFloat(StringRef name, ArrayRef<int64_t> shape) {
  if (shape.size() == 2 && name.ends_with(".weight"))
    floatLayers.push_back(layerOf(name).str());
}

static SafetensorsWriter::Entry entryOf(const Twine &name, DType type,
                                        ArrayRef<int64_t> shape) {
  return {name.str(), dtypeSafetensorsName(type).str(),
          llvm::SmallVector<int64_t>(shape), *tensorBytes(type, shape)};
}

void Exporter::copy(SafetensorsFolder::Place place) {
  const TensorInfo &tensor = *place.tensor;
  Piece piece;
  piece.entries = {entryOf(tensor.name, tensor.type, tensor.shape)};
  piece.copied = place;
  pieces.push_back(std::move(piece));
  qt::WeightOp weight = weights.lookup(tensor.name);
  if (!weight || !tables.contains(weight))
    noteFloat(tensor.name, tensor.shape);
}

llvm::Expected<Piece> Exporter::makePiece(qt::WeightOp weight) {
  StringRef name = weight.getSymName();
  if (formed.contains(name))
    return weightError(weight, "has another form in " + source->path() +
                                   " (transposed, or less one), in which it "
                                   "cannot be written yet");
  Piece piece;
  piece.weight = weight;
  auto type = dyn_cast<qt::QuantTensorType>(weight.getType());
  ArrayRef<int64_t> shape =
      type ? type.getShape()
           : cast<RankedTensorType>(weight.getType()).getShape();
  if (!type) {
    piece.entries = {entryOf(name, DType::F32, shape)};
    noteFloat(name, shape);
    return piece;
  }
  qt::LaneForm form = type.getScheme().getLaneForm(type.getRowLength());
  if (form.kind == qt::LaneForm::Kind::Float && !form.scaleType) {
    DType stored = dtypeOf(type.getScheme().getStorageParts(shape).front());
    piece.entries = {entryOf(name, stored, shape)};
    if (!tables.contains(weight))
      noteFloat(name, shape);
    return piece;
  }
  if (tables.contains(weight))
    return weightError(weight, "is a table of tokens; checkpoints have them as "
                               "floats ('ignore: [Embedding]')");
  Input input = inputs.lookup(weight);
  StringRef layer = layerOf(name);
  llvm::Expected<EncodedMatrix> encoded =
      encoder.add({layer.str(), type, input.scheme, bool(input.scale)});
  if (!encoded)
    return weightError(weight, llvm::toString(encoded.takeError()));
  for (const EncodedMatrix::Tensor &tensor : encoded->tensors)
    piece.entries.push_back(
        entryOf(layer + "." + tensor.suffix, tensor.type, tensor.shape));
  piece.encode = std::move(encoded->encode);
  piece.inputScale = input.scale;
  quantized = true;
  return piece;
}

llvm::Error Exporter::collectPieces() {
  llvm::DenseSet<Operation *> done;
  for (SafetensorsFolder::Place place : source->tensors()) {
    StringRef name = place.tensor->name;
    qt::WeightOp weight = weights.lookup(name);
    bool changed = weight && (weight->hasAttr(checkpointAttrName) ||
                              weight.getFile() != place.file->path() ||
                              weight.getTensorName() != name);
    if (!changed) {
      copy(place);
      continue;
    }
    if (!done.insert(weight).second)
      continue;
    llvm::Expected<Piece> piece = makePiece(weight);
    if (!piece)
      return piece.takeError();
    pieces.push_back(std::move(*piece));
  }
  // A head that is the table is a layer without a tensor.
  if (!source->find("lm_head.weight") && !weights.contains("lm_head.weight"))
    floatLayers.push_back("lm_head");
  if (!quantized)
    return fileError(source->path(),
                     "no weight is quantized; a recipe says how");
  return llvm::Error::success();
}

llvm::Error Exporter::writePiece(const Piece &piece,
                                 SafetensorsWriter &writer) {
  if (piece.copied)
    return writer.append(piece.copied.data());
  llvm::Expected<WeightData> data = numbers.read(piece.weight);
  if (!data)
    return data.takeError();
  if (!piece.encode)
    return writer.append(data->parts.front());
  WeightData scale;
  if (qt::WeightOp weight = piece.inputScale) {
    llvm::Expected<WeightData> read = numbers.read(weight);
    if (!read)
      return read.takeError();
    scale = std::move(*read);
    data->parts.push_back(scale.parts.front());
  }
  llvm::Expected<StorageBytes> tensors = piece.encode(data->parts);
  if (!tensors)
    return weightError(piece.weight, llvm::toString(tensors.takeError()));
  for (const std::vector<uint8_t> &bytes : *tensors)
    if (llvm::Error error = writer.append(bytes))
      return error;
  return llvm::Error::success();
}

llvm::Error Exporter::writeTensors() {
  std::vector<SafetensorsWriter::Entry> entries;
  for (const Piece &piece : pieces)
    llvm::append_range(entries, piece.entries);
  // Without this word transformers refuses a file.
  auto writer = SafetensorsWriter::create(outputFile("model.safetensors"),
                                          entries, {{"format", "pt"}});
  if (!writer)
    return writer.takeError();
  for (const Piece &piece : pieces)
    if (llvm::Error error = writePiece(piece, **writer))
      return error;
  return (*writer)->finish();
}

//===----------------------------------------------------------------------===//
// The other files
//===----------------------------------------------------------------------===//

llvm::Error Exporter::writeConfig() {
  llvm::Expected<llvm::json::Object> config =
      readJSONObject(joined(source->path(), "config.json"));
  if (!config)
    return config.takeError();
  config->erase("compression_config"); // what quantization_config was once
  (*config)["quantization_config"] = encoder.config(floatLayers);
  return llvm::writeToOutput(
      outputFile("config.json"), [&](llvm::raw_ostream &os) {
        os << llvm::formatv("{0:2}\n", llvm::json::Value(std::move(*config)));
        return llvm::Error::success();
      });
}

/// True for weights in whatever form, what points to them and what we write.
static bool isReplaced(StringRef name) {
  static constexpr StringRef ends[] = {
      ".safetensors", ".index.json", ".bin", ".pt",      ".pth",
      ".gguf",        ".onnx",       ".h5",  ".msgpack", ".ot"};
  return name == "config.json" || name == "quantize_config.json" ||
         name.starts_with(".") ||
         llvm::any_of(ends, [&](StringRef end) { return name.ends_with(end); });
}

llvm::Error Exporter::copyFiles() {
  namespace fs = llvm::sys::fs;
  std::error_code code;
  for (fs::directory_iterator file(source->path(), code), end;
       file != end && !code; file.increment(code)) {
    StringRef path = file->path(), name = llvm::sys::path::filename(path);
    // Through links, which folders of a download consist of.
    if (isReplaced(name) || !fs::is_regular_file(path))
      continue;
    if (std::error_code failed = fs::copy_file(path, outputFile(name)))
      return fileError(path, "cannot be copied: " + failed.message());
  }
  return code ? fileError(source->path(), code.message())
              : llvm::Error::success();
}

llvm::Error Exporter::run() {
  if (llvm::Error error = openSource())
    return error;
  collectForms();
  if (llvm::Error error = collectInputs())
    return error;
  if (llvm::Error error = matchWeights())
    return error;
  if (llvm::Error error = collectPieces())
    return error;
  if (llvm::Error error = writeTensors())
    return error;
  if (llvm::Error error = writeConfig())
    return error;
  if (llvm::Error error = copyFiles())
    return error;
  return output.commit();
}

llvm::Error quantmlir::exportHF(ModuleOp module, CheckpointEncoder &encoder,
                                OutputFolder &output) {
  return Exporter(module, encoder, output).run();
}
