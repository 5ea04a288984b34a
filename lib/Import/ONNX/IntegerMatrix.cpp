// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "IntegerMatrix.h"
#include "../CheckpointLayer.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/Errc.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace quantmlir;
using namespace quantmlir::onnx;

static std::optional<DType> scaleType(DataType type) {
  switch (type) {
  case DataType::Float:
    return DType::F32;
  case DataType::Float16:
    return DType::F16;
  case DataType::BFloat16:
    return DType::BF16;
  default:
    return std::nullopt;
  }
}

/// Number `index` of a tensor of one of these types.
static float numberAt(const Tensor &tensor, int64_t index) {
  using namespace support::endian;
  const uint8_t *bytes = tensor.bytes.data();
  if (tensor.type == DataType::Float)
    return bit_cast<float>(read32le(bytes + 4 * index));
  uint16_t half = read16le(bytes + 2 * index);
  return tensor.type == DataType::Float16 ? f16ToF32(half) : bf16ToF32(half);
}

/// `count` codes of `bits` bits, low bits first.
static std::vector<uint8_t> unpack(ArrayRef<uint8_t> bytes, int64_t count,
                                   unsigned bits) {
  std::vector<uint8_t> codes(count);
  for (int64_t i = 0; i < count; ++i)
    codes[i] =
        bytes[i * bits / 8] >> (i * bits % 8) & maskTrailingOnes<uint8_t>(bits);
  return codes;
}

//===----------------------------------------------------------------------===//
// ONNX's own
//===----------------------------------------------------------------------===//

static bool isSigned(DataType type) {
  return type == DataType::Int8 || type == DataType::Int4;
}

/// Codes from 0 on: those of signed types move by half of their range.
static std::vector<uint8_t> unsignedCodes(const Tensor &tensor) {
  unsigned bits = dataTypeBits(tensor.type);
  std::vector<uint8_t> codes = unpack(tensor.bytes, tensor.numElements(), bits);
  if (isSigned(tensor.type))
    for (uint8_t &code : codes)
      code ^= 1 << (bits - 1);
  return codes;
}

/// Which columns share scales; none if it is not so that rows of ours do.
static std::optional<ColumnGroups> findGroups(const PlainCodes &matrix,
                                              int64_t n, int64_t k) {
  ArrayRef<int64_t> scales = matrix.scales->shape;
  if (matrix.scales->numElements() == 1 && scales.size() < 2)
    return ColumnGroups();
  bool alongK = matrix.axis == (matrix.transposed ? 0 : 1);
  if (scales.size() == 1 && !alongK && scales[0] == n)
    return consecutiveGroups(k, k);
  if (scales.size() != 2 || !alongK || matrix.block < 1 ||
      scales[matrix.axis] != int64_t(divideCeil(k, matrix.block)) ||
      scales[1 - matrix.axis] != n)
    return std::nullopt;
  return consecutiveGroups(k, matrix.block);
}

std::optional<IntegerMatrix> onnx::describe(const PlainCodes &matrix) {
  if (!matrix.codes || !matrix.scales || matrix.codes->shape.size() != 2)
    return std::nullopt;
  const Tensor &codes = *matrix.codes, &scales = *matrix.scales;
  std::optional<DType> type = scaleType(scales.type);
  bool isCode = is_contained(
      {DataType::Int8, DataType::UInt8, DataType::Int4, DataType::UInt4},
      codes.type);
  IntegerMatrix result;
  result.n = codes.shape[matrix.transposed ? 1 : 0];
  result.k = codes.shape[matrix.transposed ? 0 : 1];
  if (!type || !isCode || result.n == 0 || result.k == 0)
    return std::nullopt;
  std::optional<ColumnGroups> groups = findGroups(matrix, result.n, result.k);
  if (!groups)
    return std::nullopt;

  StoredIntegers stored;
  stored.bits = dataTypeBits(codes.type);
  stored.columns = std::move(*groups);
  stored.scaleType = *type;
  stored.scales = scales.bytes.vec();
  if (const Tensor *zeros = matrix.zeros) {
    // One for all, or one beside each scale.
    int64_t count = zeros->numElements();
    if (zeros->type != codes.type ||
        (count != 1 && count != scales.numElements()))
      return std::nullopt;
    stored.zeros = unsignedCodes(*zeros);
    stored.zeros.resize(scales.numElements(), stored.zeros[0]);
  } else if (!isSigned(codes.type)) {
    stored.zeros.assign(scales.numElements(), 0);
  }
  bool transposed = matrix.transposed;
  int64_t n = result.n, k = result.k;
  if (transposed && scales.shape.size() == 2) {
    int64_t rows = scales.shape[0];
    stored.scales =
        transpose(stored.scales, rows, n, dtypeInfo(*type).blockBytes);
    if (!stored.zeros.empty())
      stored.zeros = transpose(stored.zeros, rows, n, 1);
  }
  stored.readCodes = [&codes, transposed, n, k] {
    std::vector<uint8_t> numbers = unsignedCodes(codes);
    return transposed ? transpose(numbers, k, n, 1) : numbers;
  };
  describeIntegers(result.stored, std::move(stored), n, k);
  return result;
}

//===----------------------------------------------------------------------===//
// com.microsoft's
//===----------------------------------------------------------------------===//

static Error refuse(const Twine &reason) {
  return createStringError(errc::invalid_argument, reason);
}

/// The codes of each row, without what fills up its end. Rows are `perRow`
/// bytes.
static std::vector<uint8_t> unpackRows(ArrayRef<uint8_t> bytes, int64_t rows,
                                       int64_t count, unsigned bits) {
  int64_t perRow = bytes.size() / rows;
  std::vector<uint8_t> codes;
  codes.reserve(rows * count);
  for (int64_t row = 0; row < rows; ++row)
    append_range(codes, unpack(bytes.slice(row * perRow, perRow), count, bits));
  return codes;
}

/// Zero points as codes.
static Expected<std::vector<uint8_t>> readZeros(const BlockCodes &matrix,
                                                int64_t blocks) {
  const Tensor &zeros = *matrix.zeros;
  int64_t count = matrix.n * blocks;
  if (zeros.type == DataType::UInt8) {
    if (zeros.numElements() !=
        matrix.n * int64_t(divideCeil(blocks * matrix.bits, 8)))
      return refuse("has " + Twine(zeros.numElements()) +
                    " bytes of zero points for " + Twine(matrix.n) +
                    " rows of " + Twine(blocks) + " blocks");
    return unpackRows(zeros.bytes, matrix.n, blocks, matrix.bits);
  }
  if (!scaleType(zeros.type) || zeros.numElements() != count)
    return refuse("has zero points of the type " + dataTypeName(zeros.type) +
                  " or of no valid shape");
  std::vector<uint8_t> codes(count);
  for (auto [i, code] : enumerate(codes)) {
    float zero = numberAt(zeros, i);
    if (!(zero >= 0 && zero < float(1 << matrix.bits)) ||
        zero != float(int(zero)))
      return refuse("has a zero point that is no code of " +
                    Twine(matrix.bits) + " bits, which is not supported");
    code = uint8_t(zero);
  }
  return codes;
}

/// Whether columns are in their blocks one after the other.
static bool areConsecutive(const Tensor &groups, int64_t k, int64_t block) {
  if (groups.type != DataType::Int32 || groups.numElements() < k)
    return false;
  return all_of(seq<int64_t>(0, k), [&](int64_t column) {
    return support::endian::read32le(groups.bytes.data() + 4 * column) ==
           column / block;
  });
}

Expected<IntegerMatrix> onnx::describe(const BlockCodes &matrix) {
  int64_t n = matrix.n, k = matrix.k, bits = matrix.bits, block = matrix.block;
  if (!is_contained({2, 4, 8}, bits))
    return refuse("has codes of " + Twine(bits) +
                  " bits; 2, 4 and 8 are "
                  "supported");
  if (block < 16 || !isPowerOf2_64(block) || block > int64_t(1) << 30)
    return refuse("has blocks of " + Twine(block) +
                  " codes; powers of two from 16 on are supported");
  if (n < 1 || k < 1 || k > int64_t(1) << 40)
    return refuse("has a matrix of " + Twine(n) + " rows and " + Twine(k) +
                  " columns");
  const Tensor &codes = *matrix.codes, &scales = *matrix.scales;
  int64_t blocks = divideCeil(k, block);
  // Divided, not multiplied: n and k are only what the file says.
  int64_t perRow = blocks * (block * bits / 8);
  if (codes.type != DataType::UInt8 || codes.numElements() % perRow ||
      codes.numElements() / perRow != n)
    return refuse("has " + Twine(codes.numElements()) + " " +
                  dataTypeName(codes.type) + " codes, where " + Twine(n) +
                  " rows of " + Twine(perRow) + " bytes are needed");
  std::optional<DType> type = scaleType(scales.type);
  if (!type || scales.numElements() % blocks ||
      scales.numElements() / blocks != n)
    return refuse("has " + Twine(scales.numElements()) + " " +
                  dataTypeName(scales.type) + " scales for " + Twine(n) +
                  " rows of " + Twine(blocks) + " blocks");
  if (matrix.groups && !areConsecutive(*matrix.groups, k, block))
    return refuse("has columns in blocks of another order (g_idx), which is "
                  "not supported");
  StoredIntegers stored;
  stored.bits = bits;
  stored.columns = consecutiveGroups(k, block);
  stored.scaleType = *type;
  stored.scales = scales.bytes.vec();
  if (matrix.zeros) {
    Expected<std::vector<uint8_t>> zeros = readZeros(matrix, blocks);
    if (!zeros)
      return zeros.takeError();
    stored.zeros = std::move(*zeros);
  }
  stored.readCodes = [&codes, n, k, bits] {
    return unpackRows(codes.bytes, n, k, bits);
  };
  IntegerMatrix result;
  result.n = n;
  result.k = k;
  describeIntegers(result.stored, std::move(stored), n, k);
  return result;
}
