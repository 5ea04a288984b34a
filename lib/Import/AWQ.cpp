// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// AWQ checkpoints, as AutoAWQ writes them (version "gemm"): transposed, four
// bits, packed along N in an order that suits a GPU's way to unpack.
//
//   qweight I32 [k, n / 8]        scales F16 [groups, n]
//   qzeros I32 [groups, n / 8]
//
//   value[n][k] = (code - zero) * scale

#include "CheckpointLayer.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace quantmlir;

/// The nibble that holds row i of each eight.
static constexpr unsigned nibbleOfRow[8] = {0, 4, 1, 5, 2, 6, 3, 7};

namespace {

class AWQ : public Checkpoint {
public:
  AWQ(const SafetensorsFolder &folder, CheckpointConfig config)
      : Checkpoint(folder), config(std::move(config)) {}

  llvm::Error read() const;
  Expected<std::optional<StoredMatrix>> find(StringRef layer, int64_t n,
                                             int64_t k) const override;

private:
  CheckpointConfig config;
};

} // namespace

llvm::Error AWQ::read() const {
  const json::Object &object = config.object;
  std::string version = object.getString("version").value_or("gemm").lower();
  if (version != "gemm")
    return config.error("has the version " + quoteName(version) +
                        "; 'gemm' is supported");
  int64_t bits = object.getInteger("bits").value_or(
      object.getInteger("w_bit").value_or(4));
  if (bits != 4)
    return config.error("has " + Twine(bits) + " bits; 4 are supported");
  return llvm::Error::success();
}

/// [columns, n / 8] words to [n, columns] codes.
static std::vector<uint8_t> unpack(ArrayRef<uint8_t> words, int64_t n,
                                   int64_t columns) {
  std::vector<uint8_t> codes(n * columns);
  for (int64_t column = 0; column < columns; ++column)
    for (int64_t row = 0; row < n; row += 8) {
      uint32_t word =
          support::endian::read32le(&words[(column * n + row) / 8 * 4]);
      for (int64_t i = 0; i < 8; ++i)
        codes[(row + i) * columns + column] = word >> 4 * nibbleOfRow[i] & 15;
    }
  return codes;
}

Expected<std::optional<StoredMatrix>> AWQ::find(StringRef name, int64_t n,
                                                int64_t k) const {
  LayerTensors layer(folder(), name);
  if (!layer.has("qweight"))
    return std::nullopt;
  if (n % 8 != 0)
    return layer.error("qweight", "has " + Twine(n) +
                                      " rows, which are no "
                                      "whole words of eight");
  Expected<StoredTensor> codes =
      layer.require("qweight", {DType::I32}, {k, n / 8});
  if (!codes)
    return codes.takeError();
  std::optional<StoredTensor> any = layer.find("scales");
  int64_t groups = any ? std::max<int64_t>(any->size() / n, 1) : 1;
  Expected<StoredTensor> scales =
      layer.require("scales", scaleTypes, {groups, n});
  if (!scales)
    return scales.takeError();
  if (k % groups != 0)
    return layer.error("scales", "has " + Twine(groups) + " groups for " +
                                     Twine(k) + " columns");
  StoredIntegers stored;
  stored.bits = 4;
  stored.columns = consecutiveGroups(k, k / groups);
  stored.scaleType = scales->type;
  stored.scales =
      transpose(scales->bytes, groups, n, dtypeInfo(scales->type).blockBytes);
  // Without zero points (zero_point: false) they are left out.
  if (layer.has("qzeros")) {
    Expected<StoredTensor> zeros =
        layer.require("qzeros", {DType::I32}, {groups, n / 8});
    if (!zeros)
      return zeros.takeError();
    stored.zeros = unpack(zeros->bytes, n, groups);
  }
  stored.readCodes = [=, words = codes->bytes] { return unpack(words, n, k); };
  StoredMatrix result;
  describeIntegers(result, std::move(stored), n, k);
  result.tensors = std::move(layer.used);
  return result;
}

Expected<std::unique_ptr<Checkpoint>>
quantmlir::openAWQ(const SafetensorsFolder &folder, CheckpointConfig config) {
  auto checkpoint = std::make_unique<AWQ>(folder, std::move(config));
  if (llvm::Error error = checkpoint->read())
    return std::move(error);
  return checkpoint;
}
