// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Calibrate/Calibrate.h"
#include "quant-mlir/Import/WeightFile.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cstring>

using namespace quantmlir;
using llvm::StringRef;

namespace {

/// An array of integers from a .npy file.
struct TokenArray {
  llvm::SmallVector<int64_t> shape; ///< one or two dimensions
  std::vector<int64_t> values;
};

} // namespace

/// The numbers of `(3,)` or `(3, 4)`.
static bool parseShape(StringRef text, llvm::SmallVectorImpl<int64_t> &shape) {
  while (!(text = text.ltrim(" ")).starts_with(")")) {
    int64_t size;
    if (text.consumeInteger(10, size) || size < 0)
      return false;
    shape.push_back(size);
    text = text.ltrim(" ");
    if (!text.consume_front(",") && !text.starts_with(")"))
      return false;
  }
  return shape.size() == 1 || shape.size() == 2;
}

static llvm::Expected<TokenArray> readArray(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return fileError(path, buffer.getError().message());
  StringRef bytes = (*buffer)->getBuffer();
  auto bad = [&](const llvm::Twine &why) {
    return fileError(path, "is not a .npy file of tokens: " + why);
  };
  if (!bytes.consume_front("\x93NUMPY") || bytes.size() < 6)
    return bad("wrong magic");
  unsigned major = uint8_t(bytes[0]);
  if (major < 1 || major > 3)
    return bad("version " + llvm::Twine(major) + " is not known");
  size_t width = major == 1 ? 2 : 4, length = 0;
  for (size_t i = 0; i < width; ++i)
    length |= size_t(uint8_t(bytes[2 + i])) << (8 * i);
  bytes = bytes.drop_front(2 + width);
  if (length > bytes.size())
    return bad("the header is cut off");
  StringRef header = bytes.take_front(length), data = bytes.drop_front(length);
  bool wide = header.contains("'<i8'");
  if (!wide && !header.contains("'<i4'"))
    return bad("expected int32 or int64 numbers");
  if (header.contains("'fortran_order': True"))
    return bad("expected rows one after the other (C order)");
  TokenArray array;
  if (!parseShape(header.split("'shape': (").second, array.shape))
    return bad("expected one or two dimensions");
  size_t size = wide ? 8 : 4;
  std::optional<uint64_t> wanted =
      tensorBytes(wide ? DType::I64 : DType::I32, array.shape);
  if (!wanted || *wanted != data.size())
    return bad("the data is cut off or too long");
  array.values.resize(data.size() / size);
  for (size_t i = 0; i < array.values.size(); ++i) {
    int32_t narrow;
    if (wide) {
      std::memcpy(&array.values[i], data.data() + i * 8, 8);
    } else {
      std::memcpy(&narrow, data.data() + i * 4, 4);
      array.values[i] = narrow;
    }
    if (array.values[i] < -1 || array.values[i] > INT32_MAX)
      return bad("a token is out of range");
  }
  return array;
}

/// The i-th of `count` places from 0 to `last`.
static int64_t spread(int64_t i, int64_t count, int64_t last) {
  return count > 1 ? i * last / (count - 1) : 0;
}

llvm::Expected<std::vector<Window>>
quantmlir::readWindows(StringRef path, const WindowOptions &options) {
  if (options.count < 1 || options.length < 1)
    return llvm::createStringError("calibration needs at least one text of "
                                   "one token");
  llvm::Expected<TokenArray> array = readArray(path);
  if (!array)
    return array.takeError();
  std::vector<Window> windows;
  llvm::ArrayRef<int64_t> values = array->values;
  if (array->shape.size() == 1) {
    if (llvm::is_contained(values, -1))
      return fileError(path, "has a negative token");
    int64_t total = values.size();
    int64_t length = std::min(options.length, total);
    if (total == 0)
      return fileError(path, "has no tokens");
    int64_t count = std::min(options.count, total / length);
    for (int64_t i = 0; i < count; ++i) {
      auto begin = values.begin() + spread(i, count, total - length);
      windows.emplace_back(begin, begin + length);
    }
    return windows;
  }
  int64_t rows = array->shape[0], columns = array->shape[1];
  int64_t count = std::min(options.count, rows);
  for (int64_t i = 0; i < count; ++i) {
    int64_t number = spread(i, count, rows - 1);
    auto row = values.slice(number * columns, columns);
    auto end = std::find(row.begin(), row.end(), -1);
    if (std::any_of(end, row.end(), [](int64_t token) { return token != -1; }))
      return fileError(path, "row " + llvm::Twine(number) +
                                 " has tokens behind a -1");
    if (end == row.begin())
      return fileError(path, "row " + llvm::Twine(number) + " has no tokens");
    end = std::min(end, row.begin() + options.length);
    windows.emplace_back(row.begin(), end);
  }
  if (windows.empty())
    return fileError(path, "has no tokens");
  return windows;
}
