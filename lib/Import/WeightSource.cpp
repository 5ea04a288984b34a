// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Import/WeightSource.h"
#include "CheckpointLayer.h"
#include "ONNX/Patterns.h"
#include "mlir/AsmParser/AsmParser.h"
#include "quant-mlir/Import/Checkpoint.h"
#include "quant-mlir/Import/StorageType.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace quantmlir;

DType quantmlir::dtypeOf(const qt::StoragePart &part) {
  Type type = part.elementType;
  if (type.isF32())
    return DType::F32;
  if (type.isF16())
    return DType::F16;
  if (type.isBF16())
    return DType::BF16;
  if (isa<Float8E4M3FNType>(type))
    return DType::F8_E4M3;
  if (isa<Float8E5M2Type>(type))
    return DType::F8_E5M2;
  if (isa<Float8E8M0FNUType>(type))
    return DType::F8_E8M0;
  return part.isSigned ? DType::I8 : DType::U8;
}

void quantmlir::setForm(qt::WeightOp weight, WeightForm form) {
  if (form != WeightForm::AsUsed)
    weight->setAttr(formAttrName, StringAttr::get(weight.getContext(),
                                                  form == WeightForm::Transposed
                                                      ? "transposed"
                                                      : "less_one"));
}

std::string quantmlir::nameInStack(StringRef pattern, int64_t number) {
  auto [before, after] = pattern.split("{}");
  return (before + llvm::Twine(number) + after).str();
}

/// Fails if it is a form that the weight cannot have.
static llvm::Expected<WeightForm> getForm(qt::WeightOp weight) {
  Attribute form = weight->getAttr(formAttrName);
  if (!form)
    return WeightForm::AsUsed;
  auto text = dyn_cast<StringAttr>(form);
  auto type = dyn_cast<RankedTensorType>(weight.getType());
  auto quantized = dyn_cast<qt::QuantTensorType>(weight.getType());
  int64_t rank = type ? type.getRank() : quantized.getShape().size();
  if (text && text == "transposed" && rank == 2)
    return WeightForm::Transposed;
  if (text && text == "less_one" && type && rank == 1)
    return WeightForm::LessOne;
  return tensorError(weight.getFile(), weight.getTensorName(),
                     "cannot have the form that " + formAttrName + " says");
}

llvm::Expected<WeightFile *> WeightSource::open(StringRef path) {
  std::shared_ptr<WeightFile> &file = files[path];
  if (!file) {
    llvm::Expected<std::shared_ptr<WeightFile>> opened = WeightFile::open(path);
    if (!opened)
      return opened.takeError();
    file = *opened;
  }
  return file.get();
}

/// True if a file's element type is what a storage part holds. Blocks of a GGUF
/// type are bytes to us and are told apart by their type's name.
static bool holds(const TensorInfo &tensor, const qt::StoragePart &part,
                  StringRef scheme) {
  if (dtypeInfo(tensor.type).blockValues > 1)
    return dtypeName(tensor.type).equals_insensitive(scheme);
  switch (tensor.type) {
  case DType::F32:
    return part.elementType.isF32();
  case DType::F16:
    return part.elementType.isF16();
  case DType::BF16:
    return part.elementType.isBF16();
  case DType::I8:
  case DType::U8:
    return part.elementType.isInteger(8);
  case DType::F8_E4M3:
    return isa<Float8E4M3FNType>(part.elementType);
  case DType::F8_E5M2:
    return isa<Float8E5M2Type>(part.elementType);
  case DType::F8_E8M0:
    return isa<Float8E8M0FNUType>(part.elementType);
  default:
    return false;
  }
}

/// Number `index` of bytes that are Ts.
template <typename T> static T numberAt(ArrayRef<uint8_t> bytes, size_t index) {
  T number;
  std::memcpy(&number, bytes.data() + index * sizeof(T), sizeof(T));
  return number;
}

static float plainNumberAt(DType type, ArrayRef<uint8_t> bytes, size_t index) {
  switch (type) {
  case DType::F32:
    return numberAt<float>(bytes, index);
  case DType::F64:
    return float(numberAt<double>(bytes, index));
  case DType::F16:
    return f16ToF32(numberAt<uint16_t>(bytes, index));
  case DType::BF16:
    return bf16ToF32(numberAt<uint16_t>(bytes, index));
  case DType::I8:
    return float(numberAt<int8_t>(bytes, index));
  case DType::I16:
    return float(numberAt<int16_t>(bytes, index));
  case DType::I32:
    return float(numberAt<int32_t>(bytes, index));
  case DType::I64:
    return float(numberAt<int64_t>(bytes, index));
  default:
    llvm_unreachable("no plain number");
  }
}

static llvm::Expected<WeightData> readPlain(WeightFile &file,
                                            const TensorInfo &tensor,
                                            RankedTensorType type,
                                            WeightForm form) {
  // A scalar is as good as a vector of one.
  bool isScalar = tensor.shape.empty() && type.getNumElements() == 1;
  SmallVector<int64_t> shape(type.getShape());
  if (form == WeightForm::Transposed)
    std::swap(shape[0], shape[1]);
  // Matrices of a tensor [E, N, K] lie one below the other.
  ArrayRef<int64_t> stored(tensor.shape);
  bool isStack = stored.size() == 3 && shape.size() == 2 &&
                 stored[0] * stored[1] == shape[0] && stored[2] == shape[1] &&
                 form == WeightForm::AsUsed;
  if (stored != ArrayRef(shape) && !isScalar && !isStack)
    return tensorError(file.path(), tensor.name,
                       "has another shape than the program's weight");
  WeightData data;
  ArrayRef<uint8_t> bytes = file.data(tensor);
  if (tensor.type == DType::F32 && form == WeightForm::AsUsed) {
    data.parts.push_back(bytes);
    return data;
  }
  if (!isPlainNumber(tensor.type))
    return tensorError(file.path(), tensor.name,
                       llvm::Twine("is ") + dtypeName(tensor.type) +
                           ", expected a float or a signed integer");
  data.converted.resize(tensor.numElements());
  for (auto [index, value] : llvm::enumerate(data.converted)) {
    size_t from = index;
    if (form == WeightForm::Transposed)
      from = index % shape[0] * shape[1] + index / shape[0];
    value = plainNumberAt(tensor.type, bytes, from);
    if (form == WeightForm::LessOne)
      value += 1;
  }
  data.parts.push_back(
      ArrayRef(reinterpret_cast<const uint8_t *>(data.converted.data()),
               data.converted.size() * 4));
  return data;
}

/// The bytes of a storage part.
static uint64_t bytesOf(const qt::StoragePart &part) {
  return llvm::product_of(part.shape) *
         (part.elementType.getIntOrFloatBitWidth() / 8);
}

llvm::Expected<Checkpoint *> WeightSource::openCheckpoint(StringRef path,
                                                          StringRef method) {
  std::shared_ptr<Checkpoint> &checkpoint = checkpoints[path];
  if (!checkpoint) {
    llvm::Expected<SafetensorsFolder> folder = SafetensorsFolder::open(path);
    if (!folder)
      return folder.takeError();
    llvm::Expected<std::unique_ptr<Checkpoint>> opened =
        Checkpoint::open(*folder);
    if (!opened)
      return opened.takeError();
    checkpoint = std::move(*opened);
  }
  if (!checkpoint || checkpoint->method() != method)
    return fileError(path,
                     "is not a checkpoint of the method " + quoteName(method));
  return checkpoint.get();
}

llvm::Expected<StoredMatrix>
WeightSource::findInCheckpoint(StringRef path, StringRef layer,
                               ArrayRef<int64_t> shape, StringRef method) {
  llvm::Expected<Checkpoint *> checkpoint = openCheckpoint(path, method);
  if (!checkpoint)
    return checkpoint.takeError();
  auto matrix = (*checkpoint)->find(layer, shape[0], shape[1]);
  if (!matrix)
    return matrix.takeError();
  if (!*matrix)
    return tensorError(path, layer, "is not quantized");
  return std::move(**matrix);
}

llvm::Expected<StoredMatrix>
WeightSource::findInGraph(StringRef path, StringRef value,
                          ArrayRef<int64_t> shape) {
  llvm::Expected<WeightFile *> file = open(path);
  if (!file)
    return file.takeError();
  auto *graph = dyn_cast<ONNXFile>(*file);
  if (!graph)
    return fileError(path, "is no ONNX file");
  llvm::Expected<onnx::IntegerMatrix> matrix = onnx::findMatrix(*graph, value);
  if (!matrix)
    return matrix.takeError();
  if (shape != ArrayRef({matrix->n, matrix->k}))
    return tensorError(path, value,
                       "has another shape than the program's weight");
  return std::move(matrix->stored);
}

llvm::Expected<WeightData> WeightSource::readCheckpoint(StringRef path,
                                                        StringRef layer,
                                                        Type declared,
                                                        StringRef method) {
  auto type = dyn_cast<qt::QuantTensorType>(declared);
  if (!type || type.getShape().size() != 2)
    return tensorError(path, layer, "is not declared as a quantized matrix");
  llvm::Expected<StoredMatrix> matrix =
      method == onnx::checkpointName
          ? findInGraph(path, layer, type.getShape())
          : findInCheckpoint(path, layer, type.getShape(), method);
  if (!matrix)
    return matrix.takeError();
  Attribute scheme = mlir::parseAttribute(matrix->scheme, type.getContext());
  if (scheme != Attribute(type.getScheme()))
    return tensorError(path, layer, "is stored as " + matrix->scheme);
  llvm::Expected<StorageBytes> parts = matrix->decode();
  if (!parts)
    return parts.takeError();

  WeightData data;
  data.decoded = std::move(*parts);
  for (auto [part, bytes] : llvm::zip_equal(
           type.getScheme().getStorageParts(type.getShape()), data.decoded)) {
    if (bytes.size() != bytesOf(part))
      return tensorError(path, layer, "does not fill " + matrix->scheme);
    data.parts.push_back(bytes);
  }
  return data;
}

/// A matrix of a stack.
static Type typeInStack(Type type, int64_t count) {
  auto divide = [&](ArrayRef<int64_t> shape) {
    return SmallVector<int64_t>{shape[0] / count, shape[1]};
  };
  if (auto quantized = dyn_cast<qt::QuantTensorType>(type))
    return qt::QuantTensorType::get(
        type.getContext(), divide(quantized.getShape()),
        quantized.getElementType(), quantized.getScheme(),
        quantized.getLayout());
  auto tensor = cast<RankedTensorType>(type);
  return tensor.clone(divide(tensor.getShape()));
}

llvm::Expected<WeightData> WeightSource::readStack(qt::WeightOp weight,
                                                   int64_t count) {
  StringRef folder = weight.getFile(), pattern = weight.getTensorName();
  auto method = weight->getAttrOfType<StringAttr>(checkpointAttrName);
  auto quantized = dyn_cast<qt::QuantTensorType>(weight.getType());
  ArrayRef<int64_t> shape =
      quantized ? quantized.getShape()
                : cast<RankedTensorType>(weight.getType()).getShape();
  if (count < 1 || shape.size() != 2 || shape[0] % count != 0 ||
      !pattern.contains("{}"))
    return tensorError(folder, pattern,
                       "cannot be the stack that " + stackAttrName + " says");
  Type type = typeInStack(weight.getType(), count);
  WeightData data;
  for (int64_t number = 0; number < count; ++number) {
    std::string name = nameInStack(pattern, number);
    llvm::Expected<WeightData> one =
        method ? readCheckpoint(folder, name, type, method)
               : readOne(folder, name, type, WeightForm::AsUsed);
    if (!one)
      return one.takeError();
    data.decoded.resize(one->parts.size());
    for (auto [all, part] : llvm::zip_equal(data.decoded, one->parts))
      all.insert(all.end(), part.begin(), part.end());
  }
  data.parts.assign(data.decoded.begin(), data.decoded.end());
  return data;
}

llvm::Expected<WeightData> WeightSource::read(qt::WeightOp weight) {
  if (auto count = weight->getAttrOfType<IntegerAttr>(stackAttrName))
    return readStack(weight, count.getInt());
  if (auto method = weight->getAttrOfType<StringAttr>(checkpointAttrName))
    return readCheckpoint(weight.getFile(), weight.getTensorName(),
                          weight.getType(), method);
  llvm::Expected<WeightForm> form = getForm(weight);
  if (!form)
    return form.takeError();
  return readOne(weight.getFile(), weight.getTensorName(), weight.getType(),
                 *form);
}

llvm::Expected<WeightFile *> WeightSource::find(StringRef path,
                                                StringRef name) {
  if (!llvm::sys::fs::is_directory(path))
    return open(path);
  std::optional<SafetensorsFolder> &folder = folders[path];
  if (!folder) {
    llvm::Expected<SafetensorsFolder> opened = SafetensorsFolder::open(path);
    if (!opened)
      return opened.takeError();
    folder = std::move(*opened);
  }
  llvm::Expected<SafetensorsFolder::Place> place = folder->require(name);
  if (!place)
    return place.takeError();
  return open(place->file->path());
}

llvm::Expected<WeightData> WeightSource::readOne(StringRef path, StringRef name,
                                                 Type declared,
                                                 WeightForm form) {
  llvm::Expected<WeightFile *> file = find(path, name);
  if (!file)
    return file.takeError();
  auto type = dyn_cast<qt::QuantTensorType>(declared);
  SmallVector<qt::StoragePart> parts;
  if (type)
    parts = type.getScheme().getStorageParts(type.getShape());
  // What is kept as f32 may be stored as another type of plain numbers.
  if (!type || (parts.size() == 1 && parts[0].elementType.isF32())) {
    llvm::Expected<const TensorInfo *> tensor = (*file)->require(name);
    if (!tensor)
      return tensor.takeError();
    return readPlain(
        **file, **tensor,
        type ? type.getLogicalType() : cast<RankedTensorType>(declared), form);
  }

  WeightData data;
  StringRef scheme = Attribute(type.getScheme())
                         .getAbstractAttribute()
                         .getName()
                         .split('.')
                         .second;
  for (const qt::StoragePart &part : parts) {
    llvm::Expected<const TensorInfo *> tensor =
        (*file)->require((name + part.suffix).str());
    if (!tensor)
      return tensor.takeError();
    uint64_t bytes = bytesOf(part);
    if (!holds(**tensor, part, scheme) || (*tensor)->size != bytes)
      return tensorError((*file)->path(), (*tensor)->name,
                         llvm::Twine("is ") + dtypeName((*tensor)->type) +
                             " of " + llvm::Twine((*tensor)->size) +
                             " bytes, which is not the program's weight of " +
                             llvm::Twine(bytes) + " bytes");
    if (form == WeightForm::Transposed) {
      ArrayRef<int64_t> shape = type.getShape();
      if (ArrayRef<int64_t>((*tensor)->shape) != ArrayRef({shape[1], shape[0]}))
        return tensorError((*file)->path(), (*tensor)->name,
                           "is not the program's weight, transposed");
      data.decoded.push_back(transpose((*file)->data(**tensor), shape[1],
                                       shape[0],
                                       bytes / (shape[0] * shape[1])));
      data.parts.push_back(data.decoded.back());
      continue;
    }
    data.parts.push_back((*file)->data(**tensor));
  }
  return data;
}

llvm::Expected<std::vector<float>> WeightSource::readVector(StringRef path,
                                                            StringRef name) {
  llvm::Expected<WeightFile *> file = open(path);
  if (!file)
    return file.takeError();
  std::vector<float> values;
  const TensorInfo *tensor = (*file)->find(name);
  if (!tensor)
    return values;
  if (tensor->type != DType::F32)
    return tensorError(path, name, "is not F32");
  values.resize(tensor->size / 4);
  std::memcpy(values.data(), (*file)->data(*tensor).data(), tensor->size);
  return values;
}
