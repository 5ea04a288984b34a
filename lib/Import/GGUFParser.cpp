// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Checks a GGUF file from front to back:
//
//   "GGUF", u32 version, u64 tensors, u64 keys
//   per key      string name, u32 type, value
//   per tensor   string name, u32 n, u64 sizes[n] (innermost first), u32 type,
//                u64 offset into the data
//   padding to the alignment, data
//
// A string is a u64 length and its bytes. An array is a u32 item type, a u64
// count and the items. Everything is little-endian.

#include "quant-mlir/Import/GGUF.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace quantmlir;

static constexpr uint64_t longestString = uint64_t(1) << 30;
static constexpr uint64_t longestArray = uint64_t(1) << 30;
static constexpr uint64_t mostKeys = uint64_t(1) << 16;
static constexpr uint64_t mostTensors = uint64_t(1) << 20;
static constexpr size_t longestTensorName = 63;
/// What a key and a tensor take at the very least.
static constexpr uint64_t leastKeyBytes = 8 + 1 + 4 + 1;
static constexpr uint64_t leastTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

namespace quantmlir {
class GGUFParser {
public:
  explicit GGUFParser(GGUFFile &file) : file(file), rest(file.bytes) {}

  Error parse();

private:
  Error parseKey(uint64_t index);
  Error parseValue(StringRef key);
  Error parseArray(StringRef key);
  Error skipItems(GGUFType type, uint64_t count, const Twine &what);
  Error checkAlignment(StringRef key, const GGUFValue &value);
  Error parseTensor(uint64_t index);
  Error setSize(TensorInfo &tensor);
  Error placeTensors();

  Error error(const Twine &message) { return file.error(message); }
  Error truncated(const Twine &what) {
    return error("is cut off inside " + what);
  }

  template <typename T> Error read(T &value, const Twine &what) {
    if (rest.size() < sizeof(T))
      return truncated(what);
    value = support::endian::read<T, endianness::little>(rest.data());
    rest = rest.drop_front(sizeof(T));
    return Error::success();
  }
  Error readString(StringRef &string, const Twine &what);

  GGUFFile &file;
  ArrayRef<uint8_t> rest;
  /// Offset of the end of the last tensor, padded, from the start of the data.
  uint64_t dataEnd = 0;
};
} // namespace quantmlir

Error GGUFParser::readString(StringRef &string, const Twine &what) {
  uint64_t length = 0;
  if (Error failure = read(length, "the length of " + what))
    return failure;
  if (length > longestString)
    return error("the length of " + what + " is " + Twine(length) +
                 ", more than 1 GiB");
  if (length > rest.size())
    return truncated(what + ", which claims to have " + Twine(length) +
                     " bytes");
  string = toStringRef(rest.take_front(length));
  rest = rest.drop_front(length);
  return Error::success();
}

Error GGUFParser::parse() {
  if (!toStringRef(rest).starts_with("GGUF"))
    return error("is not a GGUF file: it does not start with 'GGUF'");
  rest = rest.drop_front(4);

  if (Error failure = read(file.formatVersion, "the version"))
    return failure;
  if (file.formatVersion != 0 && (file.formatVersion & 0xFFFF) == 0)
    return error("is a big-endian GGUF file, which is not supported");
  if (file.formatVersion != 2 && file.formatVersion != 3)
    return error("has GGUF version " + Twine(file.formatVersion) +
                 "; 2 and 3 are supported");

  uint64_t tensors, keys;
  if (Error failure = read(tensors, "the number of tensors"))
    return failure;
  if (Error failure = read(keys, "the number of keys"))
    return failure;
  if (tensors > rest.size() / leastTensorBytes)
    return error("claims to have " + Twine(tensors) +
                 " tensors, more than its size allows");
  if (keys > rest.size() / leastKeyBytes)
    return error("claims to have " + Twine(keys) +
                 " keys, more than its size allows");
  if (tensors > mostTensors || keys > mostKeys)
    return error("has " + Twine(tensors) + " tensors and " + Twine(keys) +
                 " keys; at most " + Twine(mostTensors) + " and " +
                 Twine(mostKeys) + " are supported");

  for (uint64_t i = 0; i < keys; ++i)
    if (Error failure = parseKey(i))
      return failure;
  if (const GGUFValue *parts = file.findKey("split.count"))
    if (parts->as<uint64_t>().value_or(1) > 1)
      return error("is one of " + Twine(*parts->as<uint64_t>()) +
                   " parts of a split model, which is not supported yet: merge "
                   "the parts first");

  file.infos.reserve(tensors);
  for (uint64_t i = 0; i < tensors; ++i)
    if (Error failure = parseTensor(i))
      return failure;
  if (Error failure = placeTensors())
    return failure;
  return file.indexTensors();
}

//===----------------------------------------------------------------------===//
// Keys
//===----------------------------------------------------------------------===//

Error GGUFParser::parseKey(uint64_t index) {
  StringRef key;
  if (Error failure = readString(key, "key " + Twine(index)))
    return failure;
  if (key.empty())
    return error("key " + Twine(index) + " has an empty name");
  if (!json::isUTF8(key))
    return error("the name of key " + Twine(index) + ", " + quoteName(key) +
                 ", is not UTF-8");
  if (file.findKey(key))
    return error("the key " + quoteName(key) + " appears twice");
  return parseValue(key);
}

static bool isGGUFType(uint32_t id) { return id <= uint32_t(GGUFType::F64); }

/// Walks over items; they are read later, where they lie.
Error GGUFParser::skipItems(GGUFType type, uint64_t count, const Twine &what) {
  if (uint64_t size = ggufTypeSize(type)) {
    if (count > rest.size() / size)
      return truncated(what);
    rest = rest.drop_front(count * size);
    return Error::success();
  }
  // Every string has a length at least.
  if (count > rest.size() / 8)
    return truncated(what);
  for (uint64_t i = 0; i < count; ++i) {
    StringRef string;
    if (Error failure = readString(string, what))
      return failure;
  }
  return Error::success();
}

Error GGUFParser::parseValue(StringRef key) {
  std::string what = "the value of key " + quoteName(key);
  uint32_t id;
  if (Error failure = read(id, what))
    return failure;
  if (!isGGUFType(id))
    return error("the key " + quoteName(key) + " has the unknown type " +
                 Twine(id));
  GGUFType type = GGUFType(id);
  bool array = type == GGUFType::Array;
  uint64_t count = 1;
  if (array) {
    if (Error failure = read(id, what))
      return failure;
    if (!isGGUFType(id))
      return error("the key " + quoteName(key) +
                   " is an array of the unknown type " + Twine(id));
    type = GGUFType(id);
    if (type == GGUFType::Array)
      return error("the key " + quoteName(key) +
                   " is an array of arrays, which is not supported");
    if (Error failure = read(count, what))
      return failure;
    if (count > longestArray)
      return error("the key " + quoteName(key) + " is an array of " +
                   Twine(count) + " items; at most 2^30 are supported");
  }

  ArrayRef<uint8_t> payload = rest;
  if (Error failure = skipItems(type, count, what))
    return failure;
  payload = payload.drop_back(rest.size());
  GGUFValue value(type, array, count, payload);
  file.values.insert({key, value});
  return checkAlignment(key, value);
}

Error GGUFParser::checkAlignment(StringRef key, const GGUFValue &value) {
  if (key != "general.alignment")
    return Error::success();
  if (value.isArray() || value.getType() != GGUFType::U32)
    return error("the key 'general.alignment' must be of type u32");
  file.dataAlignment = *value.as<uint64_t>();
  if (!isPowerOf2_64(file.dataAlignment))
    return error("the alignment " + Twine(file.dataAlignment) +
                 " is not a power of 2");
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

Error GGUFParser::parseTensor(uint64_t index) {
  TensorInfo tensor;
  StringRef name;
  std::string what = "the description of tensor " + std::to_string(index);
  if (Error failure = readString(name, "the name of tensor " + Twine(index)))
    return failure;
  if (name.empty())
    return error("tensor " + Twine(index) + " has an empty name");
  if (name.size() > longestTensorName)
    return error("the name of tensor " + Twine(index) + ", " + quoteName(name) +
                 ", has " + Twine(name.size()) + " bytes instead of at most " +
                 Twine(longestTensorName));
  if (!json::isUTF8(name))
    return error("the name of tensor " + Twine(index) + ", " + quoteName(name) +
                 ", is not UTF-8");
  tensor.name = name.str();

  uint32_t rank;
  if (Error failure = read(rank, what))
    return failure;
  if (rank < 1 || rank > 4)
    return file.error(tensor,
                      "has " + Twine(rank) + " dimensions; 1 to 4 are allowed");
  for (uint32_t i = 0; i < rank; ++i) {
    uint64_t size;
    if (Error failure = read(size, what))
      return failure;
    if (size == 0 || int64_t(size) < 0)
      return file.error(tensor, "the size of dimension " + Twine(i) + " is " +
                                    Twine(int64_t(size)));
    tensor.shape.push_back(int64_t(size));
  }
  // The file has the innermost size first, we have it last.
  std::reverse(tensor.shape.begin(), tensor.shape.end());

  uint32_t id;
  if (Error failure = read(id, what))
    return failure;
  std::optional<DType> type = dtypeFromGGUF(id);
  if (!type)
    return file.error(tensor, "has the unknown or removed type " + Twine(id));
  tensor.type = *type;
  if (Error failure = read(tensor.offset, what))
    return failure;
  if (Error failure = setSize(tensor))
    return failure;
  file.infos.push_back(std::move(tensor));
  return Error::success();
}

/// Computes the size of the data and checks that it follows the data before it.
Error GGUFParser::setSize(TensorInfo &tensor) {
  int64_t block = dtypeInfo(tensor.type).blockValues;
  if (tensor.shape.back() % block != 0)
    return file.error(tensor, "its rows of " + Twine(tensor.shape.back()) +
                                  " values are not whole blocks of " +
                                  Twine(block) + ", as " +
                                  dtypeName(tensor.type) + " needs");
  std::optional<uint64_t> size = tensorBytes(tensor.type, tensor.shape);
  if (!size || *size > file.bytes.size())
    return file.error(tensor, "its data is larger than the file");
  tensor.size = *size;

  if (tensor.offset != dataEnd)
    return file.error(tensor, "its data is at offset " + Twine(tensor.offset) +
                                  " instead of " + Twine(dataEnd) +
                                  ", the end of the tensor before it");
  dataEnd = alignTo(dataEnd + tensor.size, file.dataAlignment);
  if (dataEnd > alignTo(file.bytes.size(), file.dataAlignment))
    return file.error(tensor, "its data ends behind the end of the file");
  return Error::success();
}

/// Makes offsets count from the start of the file, now that the header's size
/// is known.
Error GGUFParser::placeTensors() {
  uint64_t header = file.bytes.size() - rest.size();
  uint64_t start = alignTo(header, file.dataAlignment);
  for (TensorInfo &tensor : file.infos) {
    tensor.offset += start;
    if (tensor.offset + tensor.size > file.bytes.size())
      return file.error(tensor, "its data ends at byte " +
                                    Twine(tensor.offset + tensor.size) +
                                    ", behind the end of the file at " +
                                    Twine(file.bytes.size()));
  }
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Entry points
//===----------------------------------------------------------------------===//

Error GGUFFile::parse() { return GGUFParser(*this).parse(); }

Expected<std::shared_ptr<GGUFFile>> GGUFFile::open(StringRef path) {
  std::shared_ptr<GGUFFile> file(new GGUFFile(path));
  if (Error failure = file->map())
    return failure;
  if (Error failure = file->parse())
    return failure;
  return file;
}

Expected<std::shared_ptr<GGUFFile>> GGUFFile::parse(MemoryBufferRef buffer) {
  std::shared_ptr<GGUFFile> file(new GGUFFile(buffer.getBufferIdentifier()));
  file->bytes = arrayRefFromStringRef(buffer.getBuffer());
  if (Error failure = file->parse())
    return failure;
  return file;
}
