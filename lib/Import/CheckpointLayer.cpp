// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "CheckpointLayer.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/InterleavedRange.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <numeric>

using namespace llvm;
using namespace quantmlir;

int64_t StoredTensor::size() const { return llvm::product_of(shape); }

std::optional<StoredTensor> LayerTensors::find(StringRef suffix) {
  SafetensorsFolder::Place place = folder.find(name(suffix));
  if (!place)
    return std::nullopt;
  used.push_back(name(suffix));
  return StoredTensor{place.tensor->type, place.tensor->shape, place.data()};
}

llvm::Error LayerTensors::error(StringRef suffix, const Twine &message) const {
  SafetensorsFolder::Place place = folder.find(name(suffix));
  return tensorError(place ? place.file->path() : folder.path(), name(suffix),
                     message);
}

static SmallVector<int64_t> withoutOnes(ArrayRef<int64_t> shape) {
  return to_vector(make_filter_range(shape, [](int64_t d) { return d != 1; }));
}

Expected<StoredTensor> LayerTensors::require(StringRef suffix,
                                             ArrayRef<DType> types,
                                             ArrayRef<int64_t> shape) {
  std::optional<StoredTensor> tensor = find(suffix);
  if (!tensor)
    return error(suffix, "is missing");
  if (!is_contained(types, tensor->type)) {
    SmallVector<StringRef> names;
    for (DType type : types)
      names.push_back(dtypeName(type));
    return error(suffix, Twine("is ") + dtypeName(tensor->type) +
                             ", expected " + join(names, " or "));
  }
  if (withoutOnes(tensor->shape) != withoutOnes(shape)) {
    std::string text;
    raw_string_ostream(text) << "has shape " << interleaved_array(tensor->shape)
                             << ", expected " << interleaved_array(shape);
    return error(suffix, text);
  }
  return *tensor;
}

void LayerTensors::ignore(ArrayRef<StringRef> suffixes) {
  for (StringRef suffix : suffixes)
    if (has(suffix))
      used.push_back(name(suffix));
}

std::string quantmlir::scaleSuffix(DType type) {
  switch (type) {
  case DType::F16:
    return ", scale = f16";
  case DType::BF16:
    return ", scale = bf16";
  case DType::F8_E4M3:
    return ", scale = f8E4M3FN";
  case DType::U8:
  case DType::F8_E8M0:
    return ", scale = f8E8M0FNU";
  default:
    return "";
  }
}

void quantmlir::unpackWords(const uint8_t *words, int64_t stride, int64_t count,
                            unsigned bits, uint8_t *codes, int64_t codeStride) {
  uint64_t buffer = 0;
  unsigned filled = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (filled < bits) {
      buffer |= uint64_t(support::endian::read32le(words)) << filled;
      words += 4 * stride;
      filled += 32;
    }
    codes[i * codeStride] = buffer & maskTrailingOnes<uint64_t>(bits);
    buffer >>= bits;
    filled -= bits;
  }
}

void quantmlir::packWords(const uint8_t *codes, int64_t count, unsigned bits,
                          uint8_t *words, int64_t stride, int64_t codeStride) {
  uint64_t buffer = 0;
  unsigned filled = 0;
  for (int64_t i = 0; i < count; ++i) {
    buffer |= uint64_t(codes[i * codeStride]) << filled;
    filled += bits;
    if (filled < 32 && i + 1 < count)
      continue;
    support::endian::write32le(words, uint32_t(buffer));
    words += 4 * stride;
    buffer >>= 32;
    filled -= std::min(filled, 32u);
  }
  // What a last code left over for one more word.
  if (filled)
    support::endian::write32le(words, uint32_t(buffer));
}

std::vector<uint8_t> quantmlir::transpose(ArrayRef<uint8_t> bytes, int64_t rows,
                                          int64_t columns, int64_t width) {
  std::vector<uint8_t> result(bytes.size());
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column)
      std::memcpy(&result[(column * rows + row) * width],
                  &bytes[(row * columns + column) * width], width);
  return result;
}

//===----------------------------------------------------------------------===//
// Groups
//===----------------------------------------------------------------------===//

ColumnGroups quantmlir::consecutiveGroups(int64_t k, int64_t group) {
  ColumnGroups columns;
  columns.group = std::min(group, k);
  columns.storedGroup.resize(divideCeil(k, group));
  std::iota(columns.storedGroup.begin(), columns.storedGroup.end(), 0);
  return columns;
}

Expected<ColumnGroups> quantmlir::groupColumns(const LayerTensors &layer,
                                               StringRef suffix,
                                               const StoredTensor &indices,
                                               int64_t groups) {
  int64_t k = indices.size();
  std::vector<int32_t> group(k);
  for (int64_t column = 0; column < k; ++column) {
    group[column] =
        support::endian::read32le(indices.bytes.data() + 4 * column);
    if (group[column] < 0 || group[column] >= groups)
      return layer.error(suffix, "column " + Twine(column) + " is in group " +
                                     Twine(group[column]) + " of " +
                                     Twine(groups));
  }
  ColumnGroups columns;
  columns.order.resize(k);
  std::iota(columns.order.begin(), columns.order.end(), 0);
  stable_sort(columns.order,
              [&](int32_t a, int32_t b) { return group[a] < group[b]; });
  for (int64_t i = 1; i < k; ++i)
    if (group[columns.order[i]] != group[columns.order[i - 1]])
      columns.group = std::gcd(columns.group, i);
  if (columns.group == 0)
    columns.group = k;
  for (int64_t i = 0; i < k; i += columns.group)
    columns.storedGroup.push_back(group[columns.order[i]]);
  if (is_sorted(columns.order))
    columns.order.clear();
  return columns;
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

/// Of one number per row and group on file that per row and group of ours.
static std::vector<uint8_t> regroup(const std::vector<uint8_t> &stored,
                                    int64_t n, const ColumnGroups &columns,
                                    int64_t width) {
  if (columns.group == 0)
    return stored;
  int64_t groups = stored.size() / width / n;
  std::vector<uint8_t> result;
  result.reserve(n * columns.storedGroup.size() * width);
  for (int64_t row = 0; row < n; ++row)
    for (int64_t group : columns.storedGroup) {
      const uint8_t *first = stored.data() + (row * groups + group) * width;
      result.insert(result.end(), first, first + width);
    }
  return result;
}

static StorageBytes storeIntegers(const StoredIntegers &stored, int64_t n,
                                  int64_t k) {
  bool asymmetric = !stored.zeros.empty();
  std::vector<uint8_t> codes = stored.readCodes();
  ArrayRef<int32_t> order = stored.columns.order;
  uint8_t middle = asymmetric ? 0 : 1 << (stored.bits - 1);
  StorageBytes parts(asymmetric ? 3 : 2);
  parts[0].resize(n * k);
  for (int64_t row = 0; row < n; ++row)
    for (int64_t column = 0; column < k; ++column)
      parts[0][row * k + column] =
          codes[row * k + (order.empty() ? column : order[column])] - middle;
  parts[1] = regroup(stored.scales, n, stored.columns,
                     dtypeInfo(stored.scaleType).blockBytes);
  if (asymmetric)
    parts[2] = regroup(stored.zeros, n, stored.columns, 1);
  return parts;
}

void quantmlir::describeIntegers(StoredMatrix &matrix, StoredIntegers stored,
                                 int64_t n, int64_t k) {
  std::string bits = std::to_string(stored.bits);
  if (all_of(stored.zeros,
             [&](uint8_t zero) { return zero == 1 << (stored.bits - 1); }))
    stored.zeros.clear();
  matrix.scheme = "#qt.int<" + bits + ", ";
  if (stored.columns.group == 0)
    matrix.scheme += "tensor";
  else if (stored.columns.group >= k)
    matrix.scheme += "channel";
  else
    matrix.scheme += "group = " + std::to_string(stored.columns.group);
  matrix.scheme += scaleSuffix(stored.scaleType);
  if (!stored.zeros.empty())
    matrix.scheme += ", zero = i" + bits;
  matrix.scheme += ">";
  matrix.order = stored.columns.order;
  matrix.decode = [=]() -> Expected<StorageBytes> {
    return storeIntegers(stored, n, k);
  };
}
