// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// bitsandbytes checkpoints. LLM.int8:
//
//   weight I8 [n, k]   SCB F32 [n]: the largest magnitude of a row
//
// Four bits: the matrix is one row of n * k values in blocks that share an
// absmax, two values a byte, the first in the high bits.
//
//   weight [n * k / 2 bytes]            weight.absmax F32, or U8 if nested
//   weight.quant_map F32 [16]           weight.nested_absmax F32
//   weight.quant_state.bitsandbytes__nf4 or …__fp4: JSON as bytes
//                                       weight.nested_quant_map F32 [256]
//
// Blocks run on from row to row. Ours do not, so where they do, each is cut
// into as many as fit rows, which share its absmax.

#include "CheckpointLayer.h"
#include "quant-mlir/Quantize/Codebook.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <numeric>

using namespace llvm;
using namespace quantmlir;

namespace {

class BitsAndBytes : public Checkpoint {
public:
  BitsAndBytes(const SafetensorsFolder &folder, CheckpointConfig config)
      : Checkpoint(folder), config(std::move(config)) {}

  Expected<std::optional<StoredMatrix>> find(StringRef layer, int64_t n,
                                             int64_t k) const override;

private:
  llvm::Error readInt8(LayerTensors &layer, int64_t n, int64_t k,
                       StoredMatrix &matrix) const;

  CheckpointConfig config;
};

/// What the JSON beside a 4-bit weight says.
struct QuantState {
  Codebook table = Codebook::NF4;
  int64_t block = 0, nestedBlock = 0;
  float nestedOffset = 0;
};

} // namespace

static constexpr StringLiteral nf4State =
    "weight.quant_state.bitsandbytes__nf4";
static constexpr StringLiteral fp4State =
    "weight.quant_state.bitsandbytes__fp4";
/// LLVM's parser recurses; what bitsandbytes writes has 200 characters.
static constexpr size_t longestState = 1000;

static float readFloat(ArrayRef<uint8_t> bytes, int64_t index) {
  return bit_cast<float>(support::endian::read32le(bytes.data() + 4 * index));
}

static void appendFloat(std::vector<uint8_t> &bytes, float value) {
  bytes.resize(bytes.size() + 4);
  support::endian::write32le(&bytes[bytes.size() - 4],
                             bit_cast<uint32_t>(value));
}

llvm::Error BitsAndBytes::readInt8(LayerTensors &layer, int64_t n, int64_t k,
                                   StoredMatrix &matrix) const {
  Expected<StoredTensor> weight = layer.require("weight", {DType::I8}, {n, k});
  if (!weight)
    return weight.takeError();
  Expected<StoredTensor> largest = layer.require("SCB", {DType::F32}, {n});
  if (!largest)
    return largest.takeError();
  if (layer.has("weight_format")) {
    Expected<StoredTensor> format =
        layer.require("weight_format", {DType::U8}, {1});
    if (!format)
      return format.takeError();
    if (format->bytes[0] != 0)
      return layer.error("weight_format",
                         "is " + Twine(format->bytes[0]) +
                             ", tiles for a GPU; rows, 0, are supported");
  }
  matrix.scheme = "#qt.int<8, channel>";
  matrix.inputScheme = "#qt.int<8, token>";
  matrix.outliers = config.object.getNumber("llm_int8_threshold").value_or(6);
  if (!std::isfinite(matrix.outliers) || matrix.outliers < 0)
    return config.error("has a llm_int8_threshold that is no magnitude");
  matrix.decode = [n, codes = weight->bytes,
                   largest = largest->bytes]() -> Expected<StorageBytes> {
    StorageBytes parts = {codes.vec(), {}};
    for (int64_t row = 0; row < n; ++row)
      appendFloat(parts[1], readFloat(largest, row) / 127);
    return parts;
  };
  return llvm::Error::success();
}

static Expected<QuantState> readState(LayerTensors &layer, int64_t n,
                                      int64_t k) {
  QuantState state;
  StringRef name = layer.has(nf4State) ? nf4State : fp4State;
  if (name == fp4State)
    state.table = Codebook::FP4;
  std::optional<StoredTensor> text = layer.find(name);
  if (!text)
    return layer.error(name, "is missing");
  if (text->type != DType::U8 || text->bytes.size() > longestState)
    return layer.error(name, "is not a short text");
  Expected<json::Value> value = json::parse(StringRef(
      reinterpret_cast<const char *>(text->bytes.data()), text->bytes.size()));
  if (!value) {
    consumeError(value.takeError());
    return layer.error(name, "is not JSON");
  }
  const json::Object *object = value->getAsObject();
  if (!object)
    return layer.error(name, "is not a JSON object");
  state.block = object->getInteger("blocksize").value_or(0);
  state.nestedBlock = object->getInteger("nested_blocksize").value_or(256);
  state.nestedOffset = object->getNumber("nested_offset").value_or(0);
  // Bounds that keep products of the two in range.
  if (state.block < 1 || state.block > 1 << 20 || state.nestedBlock < 1 ||
      state.nestedBlock > 1 << 20)
    return layer.error(name, "has a block size that is not between 1 and 2^20");
  if (const json::Array *shape = object->getArray("shape"))
    if (shape->size() != 2 || (*shape)[0].getAsInteger() != n ||
        (*shape)[1].getAsInteger() != k)
      return layer.error(name, "has another shape than [" + Twine(n) + ", " +
                                   Twine(k) + "]");
  return state;
}

/// The numbers on file must be those of our table; which is why it is not read.
static llvm::Error checkMap(LayerTensors &layer, Codebook table) {
  Expected<StoredTensor> map =
      layer.require("weight.quant_map", {DType::F32}, {16});
  if (!map)
    return map.takeError();
  for (auto [index, number] : enumerate(codebookTable(table)))
    if (!(std::abs(readFloat(map->bytes, index) - number) < 1e-6f))
      return layer.error("weight.quant_map",
                         "has other numbers than " +
                             Twine(table == Codebook::NF4 ? "NF4" : "FP4"));
  return llvm::Error::success();
}

static llvm::Error readFourBit(LayerTensors &layer, int64_t n, int64_t k,
                               StoredMatrix &matrix) {
  Expected<QuantState> state = readState(layer, n, k);
  if (!state)
    return state.takeError();
  if (llvm::Error error = checkMap(layer, state->table))
    return error;
  // Any type may stand for the bytes (bnb_4bit_quant_storage).
  StoredTensor codes = *layer.find("weight");
  int64_t count = n * k;
  if (int64_t(codes.bytes.size()) != int64_t(divideCeil(count, 2)))
    return layer.error("weight", "has " + Twine(codes.bytes.size()) +
                                     " bytes for " + Twine(count) + " values");
  int64_t blocks = divideCeil(count, state->block);
  int64_t group = std::gcd(k, state->block);
  bool nested = layer.has("weight.nested_absmax");
  Expected<StoredTensor> absmax = layer.require(
      "weight.absmax", {nested ? DType::U8 : DType::F32}, {blocks});
  if (!absmax)
    return absmax.takeError();
  matrix.scheme = std::string("#qt.codebook<") +
                  (state->table == Codebook::NF4 ? "nf4" : "fp4") +
                  ", group = " + std::to_string(group);
  std::vector<std::vector<uint8_t>> behind;
  if (nested) {
    Expected<StoredTensor> scales =
        layer.require("weight.nested_absmax", {DType::F32},
                      {int64_t(divideCeil(blocks, state->nestedBlock))});
    if (!scales)
      return scales.takeError();
    Expected<StoredTensor> map =
        layer.require("weight.nested_quant_map", {DType::F32}, {256});
    if (!map)
      return map.takeError();
    behind = {scales->bytes.vec(), map->bytes.vec(), {}};
    appendFloat(behind.back(), state->nestedOffset);
    matrix.scheme += ", nested = " + std::to_string(state->nestedBlock *
                                                    (state->block / group));
  }
  matrix.scheme += ">";
  matrix.inputScheme = "float";
  matrix.decode = [=, block = state->block, bytes = codes.bytes,
                   absmax = absmax->bytes]() -> Expected<StorageBytes> {
    StorageBytes parts(2);
    parts[0].resize(count);
    for (int64_t i = 0; i < count; ++i)
      parts[0][i] = i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4;
    int64_t width = nested ? 1 : 4;
    for (int64_t first = 0; first < count; first += group) {
      const uint8_t *scale = absmax.data() + first / block * width;
      parts[1].insert(parts[1].end(), scale, scale + width);
    }
    parts.insert(parts.end(), behind.begin(), behind.end());
    return parts;
  };
  return llvm::Error::success();
}

Expected<std::optional<StoredMatrix>>
BitsAndBytes::find(StringRef name, int64_t n, int64_t k) const {
  LayerTensors layer(folder(), name);
  bool fourBit = layer.has(nf4State) || layer.has(fp4State);
  std::optional<StoredTensor> weight = layer.find("weight");
  if (!weight || (!fourBit && weight->type != DType::I8))
    return std::nullopt;
  StoredMatrix result;
  if (llvm::Error error = fourBit ? readFourBit(layer, n, k, result)
                                  : readInt8(layer, n, k, result))
    return std::move(error);
  result.tensors = std::move(layer.used);
  return result;
}

Expected<std::unique_ptr<Checkpoint>>
quantmlir::openBitsAndBytes(const SafetensorsFolder &folder,
                            CheckpointConfig config) {
  return std::make_unique<BitsAndBytes>(folder, std::move(config));
}
