// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GPTQ checkpoints, as AutoGPTQ and GPTQModel write them. Everything is
// transposed, codes are packed along K:
//
//   qweight I32 [k * bits / 32, n]    scales F16 [groups, n]
//   qzeros I32 [groups, n * bits / 32]    g_idx I32 [k]
//
//   value[n][k] = scale[g][n] * (code - zero[g][n]),  g = g_idx[k]
//
// Version 1 stores zero - 1. Who wrote the file decides what that is for zero
// points of 0: GPTQModel subtracts from the whole word and so borrows from the
// fields above, others wrap each field. We write no such file: one with zero
// points of 0 has to be of version 2.

#include "CheckpointLayer.h"
#include "SchemeForm.h"
#include "mlir/Support/DebugStringHelper.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/Errc.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Regex.h"

using namespace llvm;
using namespace quantmlir;

namespace {

class GPTQ : public Checkpoint {
public:
  GPTQ(const SafetensorsFolder &folder, CheckpointConfig config)
      : Checkpoint(folder), config(std::move(config)) {}

  llvm::Error read();
  Expected<std::optional<StoredMatrix>> find(StringRef layer, int64_t n,
                                             int64_t k) const override;

private:
  enum class Zeros { Exact, FieldsLessOne, WordsLessOne };

  Expected<unsigned> findBits(const LayerTensors &layer,
                              const StoredTensor &codes, int64_t k) const;
  std::vector<uint8_t> unpackZeros(ArrayRef<uint8_t> bytes, int64_t groups,
                                   int64_t n, unsigned bits) const;

  CheckpointConfig config;
  int64_t bits = 0, groupSize = 0;
  Zeros zeros = Zeros::FieldsLessOne;
};

} // namespace

llvm::Error GPTQ::read() {
  const json::Object &object = config.object;
  bits = object.getInteger("bits").value_or(4);
  groupSize = object.getInteger("group_size").value_or(-1);
  std::optional<StringRef> format = object.getString("checkpoint_format");
  if (!format)
    format = object.getString("format");
  if (format == "gptq_v2")
    zeros = Zeros::Exact;
  else if (format && *format != "gptq")
    return config.error("has the checkpoint_format " + quoteName(*format) +
                        "; 'gptq' and 'gptq_v2' are supported");
  else if (const json::Object *meta = object.getObject("meta")) {
    // A name, or a list of names with versions.
    auto isOurs = [](const json::Value &value) {
      std::optional<StringRef> text = value.getAsString();
      return text && text->starts_with("gptqmodel");
    };
    if (const json::Value *program = meta->get("quantizer"))
      if (isOurs(*program) ||
          (program->getAsArray() && any_of(*program->getAsArray(), isOurs)))
        zeros = Zeros::WordsLessOne;
  }
  return llvm::Error::success();
}

/// Layers may have bits of their own ("dynamic"); the shape knows.
Expected<unsigned> GPTQ::findBits(const LayerTensors &layer,
                                  const StoredTensor &codes, int64_t k) const {
  if (codes.shape.size() == 2)
    for (int64_t candidate :
         {bits, int64_t(2), int64_t(3), int64_t(4), int64_t(8)})
      if (is_contained({2, 3, 4, 8}, candidate) &&
          codes.shape[0] == wordsFor(k, candidate))
        return candidate;
  return layer.error("qweight", "does not have the shape of " + Twine(k) +
                                    " columns of 2, 3, 4 or 8 bits");
}

/// [n, groups].
std::vector<uint8_t> GPTQ::unpackZeros(ArrayRef<uint8_t> bytes, int64_t groups,
                                       int64_t n, unsigned bits) const {
  std::vector<uint8_t> words = bytes.vec();
  int64_t width = wordsFor(n, bits);
  bool wholeWords = zeros == Zeros::WordsLessOne && bits != 3;
  if (wholeWords) {
    uint32_t ones = 0;
    for (unsigned bit = 0; bit < 32; bit += bits)
      ones |= 1u << bit;
    for (size_t at = 0; at < words.size(); at += 4)
      support::endian::write32le(&words[at],
                                 support::endian::read32le(&words[at]) + ones);
  }
  std::vector<uint8_t> result(n * groups);
  for (int64_t group = 0; group < groups; ++group)
    unpackWords(words.data() + group * width * 4, 1, n, bits,
                result.data() + group, groups);
  if (zeros != Zeros::Exact && !wholeWords)
    for (uint8_t &zero : result)
      zero = (zero + 1) & maskTrailingOnes<uint8_t>(bits);
  return result;
}

Expected<std::optional<StoredMatrix>> GPTQ::find(StringRef name, int64_t n,
                                                 int64_t k) const {
  LayerTensors layer(folder(), name);
  std::optional<StoredTensor> found = layer.find("qweight");
  if (!found)
    return std::nullopt;
  Expected<unsigned> codeBits = findBits(layer, *found, k);
  if (!codeBits)
    return codeBits.takeError();
  Expected<StoredTensor> codes =
      layer.require("qweight", {DType::I32}, {wordsFor(k, *codeBits), n});
  if (!codes)
    return codes.takeError();
  // As many groups as there are scales.
  std::optional<StoredTensor> any = layer.find("scales");
  int64_t groups = any ? any->size() / n : 0;
  Expected<StoredTensor> scales =
      layer.require("scales", scaleTypes, {std::max<int64_t>(groups, 1), n});
  if (!scales)
    return scales.takeError();
  Expected<StoredTensor> zeroWords =
      layer.require("qzeros", {DType::I32}, {groups, wordsFor(n, *codeBits)});
  if (!zeroWords)
    return zeroWords.takeError();

  StoredIntegers stored;
  stored.bits = *codeBits;
  if (layer.has("g_idx")) {
    Expected<StoredTensor> indices = layer.require("g_idx", {DType::I32}, {k});
    if (!indices)
      return indices.takeError();
    Expected<ColumnGroups> columns =
        groupColumns(layer, "g_idx", *indices, groups);
    if (!columns)
      return columns.takeError();
    stored.columns = std::move(*columns);
  } else {
    int64_t size = groupSize > 0 ? groupSize : k;
    if (int64_t(divideCeil(k, size)) != groups && k % groups == 0)
      size = k / groups;
    if (int64_t(divideCeil(k, size)) != groups)
      return layer.error("scales", "has " + Twine(groups) + " groups, where " +
                                       Twine(k) + " columns have " +
                                       Twine(divideCeil(k, size)));
    stored.columns = consecutiveGroups(k, size);
  }
  stored.scaleType = scales->type;
  stored.scales =
      transpose(scales->bytes, groups, n, dtypeInfo(scales->type).blockBytes);
  stored.zeros = unpackZeros(zeroWords->bytes, groups, n, *codeBits);
  stored.readCodes = [=, words = codes->bytes, bits = *codeBits] {
    std::vector<uint8_t> result(n * k);
    for (int64_t row = 0; row < n; ++row)
      unpackWords(words.data() + 4 * row, n, k, bits, result.data() + row * k);
    return result;
  };
  StoredMatrix result;
  describeIntegers(result, std::move(stored), n, k);
  result.tensors = std::move(layer.used);
  return result;
}

Expected<std::unique_ptr<Checkpoint>>
quantmlir::openGPTQ(const SafetensorsFolder &folder, CheckpointConfig config) {
  auto checkpoint = std::make_unique<GPTQ>(folder, std::move(config));
  if (llvm::Error error = checkpoint->read())
    return std::move(error);
  return checkpoint;
}

//===----------------------------------------------------------------------===//
// Out
//===----------------------------------------------------------------------===//

namespace {

class GPTQEncoder : public CheckpointEncoder {
public:
  explicit GPTQEncoder(int version) : version(version) {}

  Expected<EncodedMatrix> add(const QuantizedMatrix &matrix) override;
  json::Object config(ArrayRef<std::string> floatLayers) const override;

private:
  StringRef name() const { return version == 1 ? "gptq" : "gptq_v2"; }
  Expected<StorageBytes> encode(const SchemeForm &form, int64_t n, int64_t k,
                                ArrayRef<ArrayRef<uint8_t>> parts) const;

  int version;
  std::vector<std::string> layers;
  /// What quantization_config says of each.
  std::vector<json::Object> settings;
};

} // namespace

Expected<EncodedMatrix> GPTQEncoder::add(const QuantizedMatrix &matrix) {
  int64_t n = matrix.type.getNumRows(), k = matrix.type.getRowLength();
  SchemeForm form =
      describeScheme(matrix.type.getScheme(), matrix.type.getShape());
  // Readers keep scales in 16 bits.
  if (form.kind != SchemeForm::Kind::Integers || form.perTensor ||
      !is_contained({2, 3, 4, 8}, int(form.bits)) ||
      (form.scales != DType::F16 && form.scales != DType::BF16))
    return refuseScheme(matrix.type.getScheme(), name(),
                        "#qt.int<B, group = G, scale = f16> and "
                        "#qt.int<B, channel, scale = f16> with B = 2, 3, 4 or "
                        "8, also with zero points");
  auto fail = [](const Twine &reason) {
    return createStringError(errc::not_supported, reason);
  };
  if (matrix.input)
    return fail("its input is quantized to " + mlir::debugString(matrix.input) +
                ", which " + name() + " cannot say; compressed-tensors can");
  if (n * form.bits % 32 || k * form.bits % 32)
    return fail(Twine(n) + " rows or " + Twine(k) + " columns of " +
                Twine(form.bits) + " bits are no whole words, which " + name() +
                " packs them in");
  int64_t groups = form.scaleShape[1];
  layers.push_back(matrix.layer);
  settings.push_back(
      json::Object{{"bits", form.bits},
                   {"group_size", groups == 1 ? -1 : form.columns},
                   {"sym", !form.asymmetric}});
  EncodedMatrix result;
  result.tensors = {{"qweight", DType::I32, {wordsFor(k, form.bits), n}},
                    {"qzeros", DType::I32, {groups, wordsFor(n, form.bits)}},
                    {"scales", form.scales, {groups, n}},
                    {"g_idx", DType::I32, {k}}};
  result.encode = [=](ArrayRef<ArrayRef<uint8_t>> parts) {
    return encode(form, n, k, parts);
  };
  return result;
}

Expected<StorageBytes>
GPTQEncoder::encode(const SchemeForm &form, int64_t n, int64_t k,
                    ArrayRef<ArrayRef<uint8_t>> parts) const {
  int64_t groups = form.scaleShape[1];
  std::vector<uint8_t> codes = unsignedCodes(form, parts[0]);
  std::vector<uint8_t> words(wordsFor(k, form.bits) * n * 4);
  for (int64_t row = 0; row < n; ++row)
    packWords(codes.data() + row * k, k, form.bits, words.data() + 4 * row, n);

  std::vector<uint8_t> zeros(n * groups, 1 << (form.bits - 1));
  if (form.asymmetric)
    zeros = parts[2].vec();
  if (version == 1)
    for (auto [at, zero] : enumerate(zeros)) {
      if (zero == 0)
        return createStringError(
            errc::not_supported,
            "row " + Twine(at / groups) +
                " has a zero point of 0, which readers of version 1 take for "
                "different numbers; gptq_v2 can store it");
      --zero;
    }
  int64_t width = wordsFor(n, form.bits);
  std::vector<uint8_t> zeroWords(groups * width * 4);
  for (int64_t group = 0; group < groups; ++group)
    packWords(zeros.data() + group, n, form.bits,
              zeroWords.data() + group * width * 4, 1, groups);

  std::vector<uint8_t> indices(k * 4);
  for (int64_t column = 0; column < k; ++column)
    support::endian::write32le(&indices[column * 4], column / form.columns);
  return StorageBytes{
      std::move(words), std::move(zeroWords),
      transpose(parts[1], n, groups, dtypeInfo(form.scales).blockBytes),
      std::move(indices)};
}

json::Object GPTQEncoder::config(ArrayRef<std::string> floatLayers) const {
  // What most layers have is said for all, the rest by name.
  const json::Object &usual =
      *max_element(settings, [&](const json::Object &a, const json::Object &b) {
        return count(settings, a) < count(settings, b);
      });
  json::Object result = usual;
  auto exactly = [](StringRef layer) { return Regex::escape(layer) + "$"; };
  json::Object exceptions;
  for (auto [layer, setting] : zip_equal(layers, settings))
    if (setting != usual)
      exceptions["+:" + exactly(layer)] = json::Object(setting);
  // The head has a key of its own.
  for (const std::string &layer : floatLayers)
    if (layer != "lm_head")
      exceptions["-:" + exactly(layer)] = json::Object();
  if (!exceptions.empty())
    result["dynamic"] = std::move(exceptions);
  result["quant_method"] = "gptq";
  result["checkpoint_format"] = name();
  result["desc_act"] = false;
  result["lm_head"] = is_contained(layers, "lm_head");
  return result;
}

std::unique_ptr<CheckpointEncoder> quantmlir::createGPTQEncoder(int version) {
  return std::make_unique<GPTQEncoder>(version);
}
