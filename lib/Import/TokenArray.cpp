// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Import/TokenArray.h"
#include "quant-mlir/Import/WeightFile.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cstring>

using namespace quantmlir;
using llvm::StringRef;

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

llvm::Expected<TokenArray> quantmlir::readTokenArray(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
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
    int64_t token = 0;
    if (wide) {
      std::memcpy(&token, data.data() + i * 8, 8);
    } else {
      int32_t narrow;
      std::memcpy(&narrow, data.data() + i * 4, 4);
      token = narrow;
    }
    if (token < -1 || token > INT32_MAX)
      return bad("a token is out of range");
    array.values[i] = int32_t(token);
  }
  return array;
}
