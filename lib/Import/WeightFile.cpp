// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Import/WeightFile.h"
#include "quant-mlir/Import/GGUF.h"
#include "quant-mlir/Import/ONNX.h"
#include "quant-mlir/Import/Safetensors.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace quantmlir;

//===----------------------------------------------------------------------===//
// Element types
//===----------------------------------------------------------------------===//

namespace {
struct DTypeRow {
  StringLiteral name;
  int values, bytes, gguf;
  StringLiteral safetensors;
};
} // namespace

static constexpr DTypeRow dtypes[] = {
#define QUANT_DTYPE(NAME, VALUES, BYTES, GGUF, SAFETENSORS)                    \
  {#NAME, VALUES, BYTES, GGUF, SAFETENSORS},
#include "quant-mlir/Import/DTypes.def"
};

StringRef quantmlir::dtypeName(DType type) { return dtypes[int(type)].name; }

DTypeInfo quantmlir::dtypeInfo(DType type) {
  return {dtypes[int(type)].values, dtypes[int(type)].bytes};
}

bool quantmlir::isPlainNumber(DType type) {
  switch (type) {
  case DType::F64:
  case DType::F32:
  case DType::F16:
  case DType::BF16:
  case DType::I8:
  case DType::I16:
  case DType::I32:
  case DType::I64:
    return true;
  default:
    return false;
  }
}

StringRef quantmlir::dtypeSafetensorsName(DType type) {
  return dtypes[int(type)].safetensors;
}

template <typename Predicate>
static std::optional<DType> findDType(Predicate predicate) {
  for (size_t i = 0; i < std::size(dtypes); ++i)
    if (predicate(dtypes[i]))
      return DType(i);
  return std::nullopt;
}

std::optional<DType> quantmlir::dtypeFromGGUF(uint32_t id) {
  return findDType(
      [&](const DTypeRow &row) { return int64_t(row.gguf) == int64_t(id); });
}

std::optional<DType> quantmlir::dtypeFromSafetensors(StringRef name) {
  return findDType([&](const DTypeRow &row) {
    return !name.empty() && row.safetensors == name;
  });
}

int64_t TensorInfo::numElements() const {
  int64_t product = 1;
  for (int64_t size : shape)
    product *= size;
  return product;
}

std::optional<uint64_t> quantmlir::tensorBytes(DType type,
                                               ArrayRef<int64_t> shape) {
  // A size of 0 must not hide an overflow from readers that multiply in another
  // order.
  int64_t values = 1;
  bool empty = false;
  for (int64_t size : shape) {
    if (size < 0)
      return std::nullopt;
    if (size == 0)
      empty = true;
    else if (MulOverflow(values, size, values))
      return std::nullopt;
  }
  if (empty)
    return 0;
  DTypeInfo info = dtypeInfo(type);
  int64_t bytes;
  if (values % info.blockValues != 0 ||
      MulOverflow(values / info.blockValues, info.blockBytes, bytes))
    return std::nullopt;
  return uint64_t(bytes);
}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

std::string quantmlir::quoteName(StringRef name) {
  constexpr size_t longest = 100;
  std::string text = "'";
  raw_string_ostream stream(text);
  printEscapedString(name.take_front(longest), stream);
  stream << (name.size() > longest ? "…'" : "'");
  return text;
}

Error quantmlir::fileError(StringRef path, const Twine &message) {
  return createStringError(std::make_error_code(std::errc::invalid_argument),
                           path + ": " + message);
}

Error quantmlir::tensorError(StringRef path, StringRef name,
                             const Twine &message) {
  return fileError(path, "tensor " + quoteName(name) + ": " + message);
}

//===----------------------------------------------------------------------===//
// WeightFile
//===----------------------------------------------------------------------===//

WeightFile::~WeightFile() = default;

Expected<sys::fs::mapped_file_region> quantmlir::mapFile(StringRef path) {
  // Asked before opening: opening a pipe would wait for its other end.
  sys::fs::file_status status;
  if (std::error_code code = sys::fs::status(path, status))
    return fileError(path, "cannot be read: " + code.message());
  if (status.type() == sys::fs::file_type::directory_file)
    return fileError(path, "is a directory, not a file");
  if (status.type() != sys::fs::file_type::regular_file)
    return fileError(path, "is not a regular file");
  Expected<sys::fs::file_t> file = sys::fs::openNativeFileForRead(path);
  if (!file)
    return fileError(path, "cannot be read: " + toString(file.takeError()));
  scope_exit close([&] { sys::fs::closeFile(*file); });
  if (std::error_code code = sys::fs::status(*file, status))
    return fileError(path, "cannot be read: " + code.message());
  if (status.getSize() == 0)
    return fileError(path, "is empty");
  std::error_code code;
  sys::fs::mapped_file_region region(
      *file, sys::fs::mapped_file_region::readonly, status.getSize(), 0, code);
  if (code)
    return fileError(path, "cannot be mapped: " + code.message());
  return region;
}

Error WeightFile::map() {
  Expected<sys::fs::mapped_file_region> mapped = mapFile(filePath);
  if (!mapped)
    return mapped.takeError();
  region = std::move(*mapped);
  bytes = ArrayRef(reinterpret_cast<const uint8_t *>(region.const_data()),
                   region.size());
  return Error::success();
}

Error WeightFile::indexTensors() {
  byName.reserve(infos.size());
  for (auto [index, tensor] : enumerate(infos))
    if (!byName.try_emplace(tensor.name, index).second)
      return error(tensor, "the name appears twice");
  return Error::success();
}

const TensorInfo *WeightFile::find(StringRef name) const {
  auto place = byName.find(name);
  return place == byName.end() ? nullptr : &infos[place->second];
}

Expected<const TensorInfo *> WeightFile::require(StringRef name) const {
  if (const TensorInfo *tensor = find(name))
    return tensor;
  return tensorError(filePath, name, "is missing");
}

/// The first bytes of a file, fewer if it is shorter; empty if unreadable.
static std::string readStart(StringRef path, size_t count) {
  sys::fs::file_status status;
  if (sys::fs::status(path, status) ||
      status.type() != sys::fs::file_type::regular_file)
    return {};
  Expected<sys::fs::file_t> file = sys::fs::openNativeFileForRead(path);
  if (!file) {
    consumeError(file.takeError());
    return {};
  }
  std::string start(count, '\0');
  Expected<size_t> size = sys::fs::readNativeFileSlice(
      *file, MutableArrayRef(start.data(), count), 0);
  sys::fs::closeFile(*file);
  if (!size) {
    consumeError(size.takeError());
    return {};
  }
  start.resize(*size);
  return start;
}

Expected<std::shared_ptr<WeightFile>> WeightFile::open(StringRef path) {
  if (path.ends_with_insensitive(".onnx"))
    return ONNXFile::open(path);
  std::string start = readStart(path, 9);
  bool gguf = StringRef(start).starts_with("GGUF");
  // A safetensors header begins with a brace after its length. What is neither
  // is most likely a damaged file of the kind that its name says.
  bool safetensors = start.size() == 9 && start[8] == '{';
  if (gguf || (!safetensors && path.ends_with_insensitive(".gguf")))
    return GGUFFile::open(path);
  if (!safetensors && start.size() >= 8 &&
      !path.ends_with_insensitive(".safetensors"))
    return fileError(path, "is neither a GGUF nor a safetensors file");
  return SafetensorsFile::open(path);
}
