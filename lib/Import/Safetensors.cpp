// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The header is parsed by hand: its grammar has no recursion, so a hostile one
// can neither overflow the stack nor make a tree many times its size; and a
// general parser keeps the last of two equal keys without a word.

#include "quant-mlir/Import/Safetensors.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace quantmlir;

/// The limit of the format's own library.
static constexpr uint64_t longestHeader = 100'000'000;
/// PyTorch's limit.
static constexpr size_t mostDimensions = 64;

namespace quantmlir {
class SafetensorsParser {
public:
  explicit SafetensorsParser(SafetensorsFile &file) : file(file) {}

  Error parse();

private:
  Error parseHeader();
  Error parseMetadata();
  Error parseTensor(std::string name);
  Error parseOffsets(TensorInfo &tensor);
  Error checkSize(const TensorInfo &tensor);
  Error checkLayout();

  // The little JSON that a header consists of. Each skips white space first.
  void skipSpace() { rest = rest.ltrim(" \t\n\r"); }
  /// Consumes `c` if it comes next.
  bool eat(char c) {
    skipSpace();
    return rest.consume_front(StringRef(&c, 1));
  }
  Error expect(char c);
  Error parseString(std::string &string);
  Error parseEscape(std::string &string);
  Error parseHex(unsigned &unit);
  /// A non-negative integer below 2^63.
  Error parseInteger(int64_t &value);
  /// Calls `item()` for each item up to the `close` that ends the list.
  template <typename Fn> Error parseList(char open, char close, Fn item);

  Error syntax(const Twine &message) {
    return file.error("header, byte " +
                      Twine(rest.data() - file.header.data()) + ": " + message);
  }

  SafetensorsFile &file;
  StringRef rest;
};
} // namespace quantmlir

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

Error SafetensorsParser::expect(char c) {
  if (eat(c))
    return Error::success();
  return syntax("expected '" + Twine(c) + "'");
}

template <typename Fn>
Error SafetensorsParser::parseList(char open, char close, Fn item) {
  if (Error failure = expect(open))
    return failure;
  if (eat(close))
    return Error::success();
  do {
    if (Error failure = item())
      return failure;
  } while (eat(','));
  return expect(close);
}

Error SafetensorsParser::parseHex(unsigned &unit) {
  if (rest.size() < 4 || !all_of(rest.take_front(4), isHexDigit))
    return syntax("\\u needs four hexadecimal digits");
  bool bad = rest.take_front(4).getAsInteger(16, unit);
  (void)bad;
  rest = rest.drop_front(4);
  return Error::success();
}

Error SafetensorsParser::parseEscape(std::string &string) {
  if (rest.empty())
    return syntax("the string does not end");
  char c = rest.front();
  static constexpr StringLiteral from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
  if (size_t place = from.find(c); place != StringRef::npos) {
    rest = rest.drop_front();
    string += to[place];
    return Error::success();
  }
  if (c != 'u')
    return syntax("unknown escape in a string");
  rest = rest.drop_front();
  UTF32 point;
  if (Error failure = parseHex(point))
    return failure;
  if (point >= 0xD800 && point < 0xDC00 && rest.consume_front("\\u")) {
    unsigned low;
    if (Error failure = parseHex(low))
      return failure;
    if (low < 0xDC00 || low >= 0xE000)
      return syntax("half of a surrogate pair in a string");
    point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
  } else if (point >= 0xD800 && point < 0xE000) {
    return syntax("half of a surrogate pair in a string");
  }
  char encoded[UNI_MAX_UTF8_BYTES_PER_CODE_POINT], *end = encoded;
  ConvertCodePointToUTF8(point, end);
  string.append(encoded, end);
  return Error::success();
}

Error SafetensorsParser::parseString(std::string &string) {
  if (!eat('"'))
    return syntax("expected a string");
  string.clear();
  while (!rest.empty()) {
    size_t plain = 0;
    while (plain < rest.size() && rest[plain] != '"' && rest[plain] != '\\' &&
           uint8_t(rest[plain]) >= 0x20)
      ++plain;
    string += rest.take_front(plain);
    rest = rest.drop_front(plain);
    if (rest.consume_front("\""))
      return Error::success();
    if (!rest.consume_front("\\"))
      break;
    if (Error failure = parseEscape(string))
      return failure;
  }
  if (!rest.empty())
    return syntax("control character in a string");
  return syntax("the string does not end");
}

Error SafetensorsParser::parseInteger(int64_t &value) {
  skipSpace();
  StringRef digits = rest.take_while(isDigit);
  if (digits.empty())
    return syntax("expected a non-negative integer");
  if (digits.size() > 1 && digits.front() == '0')
    return syntax("a number starts with 0");
  if (digits.getAsInteger(10, value))
    return syntax("the number is 2^63 or more");
  rest = rest.drop_front(digits.size());
  if (!rest.empty() && StringRef(".eE").contains(rest.front()))
    return syntax("expected an integer");
  return Error::success();
}

//===----------------------------------------------------------------------===//
// The header
//===----------------------------------------------------------------------===//

Error SafetensorsParser::parse() {
  ArrayRef<uint8_t> bytes = file.bytes;
  if (bytes.size() < 8)
    return file.error("has " + Twine(bytes.size()) +
                      " bytes, too few for a safetensors file");
  uint64_t length =
      support::endian::read<uint64_t, endianness::little>(bytes.data());
  if (length > bytes.size() - 8)
    return file.error("its header claims to have " + Twine(length) +
                      " bytes; the file has " + Twine(bytes.size() - 8) +
                      " after its first 8");
  if (length > longestHeader)
    return file.error("its header has " + Twine(length) +
                      " bytes; at most 100 MB are allowed");
  file.header = toStringRef(bytes.slice(8, length));
  size_t invalid;
  if (!json::isUTF8(file.header, &invalid))
    return file.error("header, byte " + Twine(invalid) + ": is not UTF-8");
  rest = file.header;
  if (Error failure = parseHeader())
    return failure;
  if (Error failure = checkLayout())
    return failure;
  return file.indexTensors();
}

Error SafetensorsParser::parseHeader() {
  if (!rest.starts_with("{"))
    return file.error("its header does not start with '{'");
  bool hasMetadata = false;
  if (Error failure = parseList('{', '}', [&]() -> Error {
        std::string name;
        if (Error failure = parseString(name))
          return failure;
        if (Error failure = expect(':'))
          return failure;
        if (name != "__metadata__")
          return parseTensor(std::move(name));
        if (hasMetadata)
          return syntax("'__metadata__' appears twice");
        hasMetadata = true;
        return parseMetadata();
      }))
    return failure;
  skipSpace();
  if (!rest.empty())
    return syntax("text after the end of the object");
  return Error::success();
}

Error SafetensorsParser::parseMetadata() {
  return parseList('{', '}', [&]() -> Error {
    std::string key, value;
    if (Error failure = parseString(key))
      return failure;
    if (Error failure = expect(':'))
      return failure;
    if (Error failure = parseString(value))
      return failure;
    if (!file.strings.try_emplace(key, std::move(value)).second)
      return syntax("the metadata " + quoteName(key) + " appears twice");
    return Error::success();
  });
}

Error SafetensorsParser::parseTensor(std::string name) {
  TensorInfo tensor;
  tensor.name = std::move(name);
  if (tensor.name.empty())
    return syntax("a tensor has an empty name");
  bool hasType = false, hasShape = false, hasOffsets = false;
  auto once = [&](bool &seen, StringRef field) -> Error {
    if (std::exchange(seen, true))
      return file.error(tensor, "'" + field + "' appears twice");
    return Error::success();
  };

  if (Error failure = parseList('{', '}', [&]() -> Error {
        std::string field;
        if (Error failure = parseString(field))
          return failure;
        if (Error failure = expect(':'))
          return failure;
        if (field == "dtype") {
          if (Error failure = once(hasType, field))
            return failure;
          std::string type;
          if (Error failure = parseString(type))
            return failure;
          std::optional<DType> known = dtypeFromSafetensors(type);
          if (!known)
            return file.error(tensor,
                              "has the unknown type " + quoteName(type));
          tensor.type = *known;
          return Error::success();
        }
        if (field == "shape") {
          if (Error failure = once(hasShape, field))
            return failure;
          return parseList('[', ']', [&]() -> Error {
            int64_t size;
            if (Error failure = parseInteger(size))
              return failure;
            if (tensor.shape.size() == mostDimensions)
              return file.error(tensor, "has more than " +
                                            Twine(mostDimensions) +
                                            " dimensions");
            tensor.shape.push_back(size);
            return Error::success();
          });
        }
        if (field == "data_offsets") {
          if (Error failure = once(hasOffsets, field))
            return failure;
          return parseOffsets(tensor);
        }
        return file.error(tensor, "has the unknown field " + quoteName(field));
      }))
    return failure;

  if (!hasType || !hasShape || !hasOffsets)
    return file.error(tensor, "has no '" +
                                  StringRef(!hasType    ? "dtype"
                                            : !hasShape ? "shape"
                                                        : "data_offsets") +
                                  "'");
  if (Error failure = checkSize(tensor))
    return failure;
  file.infos.push_back(std::move(tensor));
  return Error::success();
}

Error SafetensorsParser::parseOffsets(TensorInfo &tensor) {
  int64_t begin, end;
  if (Error failure = expect('['))
    return failure;
  if (Error failure = parseInteger(begin))
    return failure;
  if (Error failure = expect(','))
    return failure;
  if (Error failure = parseInteger(end))
    return failure;
  if (Error failure = expect(']'))
    return failure;
  if (begin > end)
    return file.error(tensor, "its data begins at " + Twine(begin) +
                                  " and ends before it, at " + Twine(end));
  int64_t data = file.bytes.size() - file.dataOffset();
  if (end > data)
    return file.error(tensor, "its data ends at " + Twine(end) +
                                  ", behind the end of the data at " +
                                  Twine(data));
  tensor.offset = file.dataOffset() + begin;
  tensor.size = end - begin;
  return Error::success();
}

Error SafetensorsParser::checkSize(const TensorInfo &tensor) {
  std::optional<uint64_t> bytes = tensorBytes(tensor.type, tensor.shape);
  if (!bytes)
    return file.error(tensor, "its shape is too large, or not a whole number "
                              "of bytes of type " +
                                  dtypeName(tensor.type));
  if (*bytes != tensor.size)
    return file.error(tensor, "its data has " + Twine(tensor.size) +
                                  " bytes, its shape of type " +
                                  dtypeName(tensor.type) + " takes " +
                                  Twine(*bytes));
  return Error::success();
}

/// The data of all tensors must cover the rest of the file, each byte once.
Error SafetensorsParser::checkLayout() {
  stable_sort(file.infos, [](const TensorInfo &a, const TensorInfo &b) {
    return std::pair(a.offset, a.size) < std::pair(b.offset, b.size);
  });
  uint64_t end = file.dataOffset();
  for (const TensorInfo &tensor : file.infos) {
    if (tensor.offset != end)
      return file.error(tensor, tensor.offset < end
                                    ? "its data overlaps another tensor's"
                                    : "there is a gap in front of its data");
    end += tensor.size;
  }
  if (end != file.bytes.size())
    return file.error(Twine(file.bytes.size() - end) +
                      " bytes at its end belong to no tensor");
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Entry points
//===----------------------------------------------------------------------===//

Error SafetensorsFile::parse() { return SafetensorsParser(*this).parse(); }

Expected<std::shared_ptr<SafetensorsFile>>
SafetensorsFile::open(StringRef path) {
  std::shared_ptr<SafetensorsFile> file(new SafetensorsFile(path));
  if (Error failure = file->map())
    return failure;
  if (Error failure = file->parse())
    return failure;
  return file;
}

Expected<std::shared_ptr<SafetensorsFile>>
SafetensorsFile::parse(MemoryBufferRef buffer) {
  std::shared_ptr<SafetensorsFile> file(
      new SafetensorsFile(buffer.getBufferIdentifier()));
  file->bytes = arrayRefFromStringRef(buffer.getBuffer());
  if (Error failure = file->parse())
    return failure;
  return file;
}
