// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tensors: where their numbers are, and whether there are as many as the shape
// says.

#include "Parser.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace quantmlir;
using namespace quantmlir::onnx;

DataType onnx::toDataType(int64_t type) {
  return type < 0 || type > int64_t(DataType::Float8E8M0) ? DataType::Undefined
                                                          : DataType(type);
}

static Error parseEntry(Message &message, StringRef path,
                        StringMap<StringRef> &entries) {
  ArrayRef<uint8_t> bytes;
  if (Error failure = message.read(bytes))
    return failure;
  StringRef key, value;
  Message entry(path, "an entry of external data", bytes);
  while (true) {
    Expected<bool> more = entry.next();
    if (!more)
      return more.takeError();
    if (!*more)
      break;
    unsigned number = entry.field().number;
    if (number != 1 && number != 2)
      continue;
    if (Error failure = entry.read(number == 1 ? key : value))
      return failure;
  }
  entries[key] = value;
  return Error::success();
}

Error ONNXParser::parseTensor(Bytes bytes, Tensor &tensor) {
  if (Error failure = countRecord())
    return failure;
  std::vector<int64_t> shape, integers;
  std::vector<uint8_t> floats;
  StringMap<StringRef> entries;
  int64_t location = 0;
  bool hasRaw = false;
  Error failure =
      forEachField("a tensor", bytes, [&](Message &message) -> Error {
        switch (message.field().number) {
        case 1:
          return message.append(shape);
        case 2: {
          int64_t type;
          if (Error failure = message.read(type))
            return failure;
          tensor.type = toDataType(type);
          return Error::success();
        }
        case 4:
          return message.append(floats, 4);
        case 5:
        case 7:
        case 11:
          return message.append(integers);
        case 8:
          return message.read(tensor.name);
        case 9:
          hasRaw = true;
          return message.read(tensor.bytes);
        case 10:
          return message.append(floats, 8);
        case 13:
          return parseEntry(message, file.path(), entries);
        case 14:
          return message.read(location);
        default:
          return Error::success();
        }
      });
  if (failure)
    return failure;
  if (shape.size() > highestRank)
    return error(tensor, "has more than " + Twine(highestRank) + " dimensions");
  tensor.shape.assign(shape.begin(), shape.end());
  if (location == 1) {
    hasRaw = true;
    if (Error failure = findExternal(tensor, entries))
      return failure;
  } else if (!hasRaw && !floats.empty()) {
    tensor.bytes = keep(std::move(floats));
  } else if (!hasRaw && !integers.empty()) {
    if (Error failure = decodeIntegers(tensor, integers))
      return failure;
  }
  return checkSize(tensor);
}

Error ONNXParser::decodeIntegers(Tensor &tensor, ArrayRef<int64_t> integers) {
  // Two numbers of 4 bits are one integer.
  unsigned size = std::max(dataTypeBits(tensor.type), 8u) / 8;
  std::vector<uint8_t> numbers;
  numbers.reserve(integers.size() * size);
  for (int64_t integer : integers)
    for (unsigned byte = 0; byte < size && byte < 8; ++byte)
      numbers.push_back(uint8_t(uint64_t(integer) >> 8 * byte));
  tensor.bytes = keep(std::move(numbers));
  return Error::success();
}

Error ONNXParser::checkSize(const Tensor &tensor) {
  unsigned bits = dataTypeBits(tensor.type);
  // Nobody reads strings, or numbers of types that are not known.
  if (bits == 0)
    return Error::success();
  // Sizes beside a 0 are held to the same bound: nobody has to multiply them
  // with care.
  uint64_t count = 1;
  bool isEmpty = false;
  for (int64_t size : tensor.shape) {
    if (size >= 0)
      count = SaturatingMultiply(count, std::max(uint64_t(size), uint64_t(1)));
    if (size < 0 || count > uint64_t(1) << 56)
      return error(tensor, "has the impossible size " + Twine(size));
    isEmpty |= size == 0;
  }
  uint64_t bytes = isEmpty ? 0 : divideCeil(count * bits, uint64_t(8));
  if (bytes != tensor.bytes.size())
    return error(tensor, "has " + Twine(tensor.bytes.size()) +
                             " bytes of numbers, its shape needs " +
                             Twine(bytes));
  return Error::success();
}

/// Whether a path stays in the folder that it is relative to.
static bool staysInside(StringRef path) {
  namespace fs = sys::path;
  if (path.empty() ||
      !all_of(path, [](char c) { return uint8_t(c) >= 0x20; }) ||
      fs::is_absolute(path) || fs::is_absolute(path, fs::Style::windows) ||
      path.contains('\\'))
    return false;
  return all_of(make_range(fs::begin(path), fs::end(path)),
                [](StringRef part) { return part != ".."; });
}

Error ONNXParser::findExternal(Tensor &tensor,
                               const StringMap<StringRef> &entries) {
  StringRef location = entries.lookup("location");
  if (!staysInside(location))
    return error(tensor, "external data in " + quoteName(location) +
                             ", which is not in the model's folder");
  uint64_t offset = 0, length = 0;
  bool hasLength = entries.count("length");
  if ((entries.count("offset") &&
       entries.lookup("offset").getAsInteger(10, offset)) ||
      (hasLength && entries.lookup("length").getAsInteger(10, length)))
    return error(tensor, "external data without a valid offset and length");
  if (inMemory)
    return error(tensor, "external data of a model that is no file");
  auto [place, isNew] = file.external.try_emplace(location);
  if (isNew) {
    SmallString<256> path(sys::path::parent_path(file.path()));
    sys::path::append(path, location);
    Expected<sys::fs::mapped_file_region> mapped = mapFile(path);
    if (!mapped)
      return mapped.takeError();
    place->second = std::move(*mapped);
  }
  Bytes whole(reinterpret_cast<const uint8_t *>(place->second.const_data()),
              place->second.size());
  if (offset > whole.size() || (hasLength && length > whole.size() - offset))
    return error(tensor, "external data beyond the end of " +
                             quoteName(location) + ", which has " +
                             Twine(whole.size()) + " bytes");
  tensor.bytes =
      whole.slice(offset, hasLength ? length : whole.size() - offset);
  return Error::success();
}

/// The same type among those of weight files; none if they have none such.
static std::optional<DType> toDType(DataType type) {
  switch (type) {
  case DataType::Float:
    return DType::F32;
  case DataType::UInt8:
    return DType::U8;
  case DataType::Int8:
    return DType::I8;
  case DataType::UInt16:
    return DType::U16;
  case DataType::Int16:
    return DType::I16;
  case DataType::Int32:
    return DType::I32;
  case DataType::Int64:
    return DType::I64;
  case DataType::Bool:
    return DType::BOOL;
  case DataType::Float16:
    return DType::F16;
  case DataType::Double:
    return DType::F64;
  case DataType::UInt32:
    return DType::U32;
  case DataType::UInt64:
    return DType::U64;
  case DataType::BFloat16:
    return DType::BF16;
  default:
    return std::nullopt;
  }
}

Error ONNXParser::addConstants() {
  for (auto [index, tensor] : enumerate(file.contents.constants)) {
    if (!file.constantByName.try_emplace(tensor.name, index).second)
      return error(tensor, "the name appears twice");
    if (std::optional<DType> type = toDType(tensor.type)) {
      TensorInfo &info = file.infos.emplace_back();
      info.name = tensor.name.str();
      info.type = *type;
      info.shape.assign(tensor.shape.begin(), tensor.shape.end());
      info.size = tensor.bytes.size();
    }
  }
  return file.indexTensors();
}

Error ONNXFile::parse(bool inMemory) {
  return ONNXParser(*this, inMemory).parse();
}
