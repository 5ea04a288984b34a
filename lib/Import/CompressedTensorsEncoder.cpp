// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// compressed-tensors on its way out: what CompressedTensors.cpp reads. Layers
// that are quantized alike are a group; the largest has the target "Linear",
// the layers of others are targets by their names, which win.

#include "CheckpointLayer.h"
#include "SchemeForm.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace quantmlir;

namespace {

class CompressedTensorsEncoder : public CheckpointEncoder {
public:
  Expected<EncodedMatrix> add(const QuantizedMatrix &matrix) override;
  json::Object config(ArrayRef<std::string> floatLayers) const override;

private:
  struct Group {
    std::string format;
    json::Value weights, input;
    std::vector<std::string> layers;

    bool isLike(const Group &other) const {
      return format == other.format && weights == other.weights &&
             input == other.input;
    }
  };
  std::vector<Group> groups;
};

} // namespace

//===----------------------------------------------------------------------===//
// The configuration
//===----------------------------------------------------------------------===//

static bool isPowerScale(const SchemeForm &form) {
  return form.scales == DType::F8_E8M0;
}

/// The format's name; empty if there is none for the scheme.
static StringRef formatOf(const SchemeForm &form, bool quantizedInput) {
  switch (form.kind) {
  case SchemeForm::Kind::Integers:
    // The zero point of a whole tensor has no words that others agree on.
    return (form.bits == 8 && quantizedInput) ||
                   (form.perTensor && form.asymmetric)
               ? "int-quantized"
               : "pack-quantized";
  case SchemeForm::Kind::Floats:
    if (form.bits == 4)
      return form.scales == DType::F8_E4M3 && form.columns == 16
                 ? "nvfp4-pack-quantized"
             : isPowerScale(form) && form.columns == 32 ? "mxfp4-pack-quantized"
                                                        : "";
    if (form.codes != DType::F8_E4M3)
      return "";
    if (isPowerScale(form))
      return form.columns == 32 ? "mxfp8-quantized" : "";
    return "float-quantized";
  default:
    return "";
  }
}

/// compressed-tensors' QuantizationArgs; `k` is the length of a row.
static json::Object arguments(const SchemeForm &form, int64_t k,
                              StringRef ofRows) {
  bool nested = form.scales == DType::F8_E4M3;
  bool grouped = !form.perTensor && (!form.hasFloatScales() ||
                                     (form.rows == 1 && form.columns < k));
  StringRef strategy = form.perTensor  ? "tensor"
                       : nested        ? "tensor_group"
                       : grouped       ? "group"
                       : form.rows > 1 ? "block"
                                       : ofRows;
  json::Object result{
      {"num_bits", form.bits},
      {"type", form.kind == SchemeForm::Kind::Integers ? "int" : "float"},
      {"symmetric", !form.asymmetric},
      {"strategy", strategy},
      {"group_size", nullptr},
      {"block_structure", nullptr},
      {"dynamic", false}};
  if (grouped)
    result["group_size"] = form.columns;
  if (strategy == "block")
    result["block_structure"] = json::Array{form.rows, form.columns};
  // Where it is not that of the model.
  if (nested)
    result["scale_dtype"] = "torch.float8_e4m3fn";
  if (isPowerScale(form))
    result["scale_dtype"] = "torch.uint8";
  return result;
}

static json::Value inputArguments(const QuantizedMatrix &matrix, int64_t k) {
  if (!matrix.input)
    return nullptr;
  json::Object result =
      arguments(describeScheme(matrix.input, {mlir::ShapedType::kDynamic, k}),
                k, "token");
  result["dynamic"] = !matrix.staticInput;
  return result;
}

json::Object
CompressedTensorsEncoder::config(ArrayRef<std::string> floatLayers) const {
  const Group *largest =
      &*max_element(groups, [](const Group &a, const Group &b) {
        return a.layers.size() < b.layers.size();
      });
  bool mixed = any_of(groups, [&](const Group &group) {
    return group.format != largest->format;
  });
  json::Object all;
  for (auto [index, group] : enumerate(groups)) {
    json::Array targets =
        &group == largest ? json::Array{"Linear"} : json::Array(group.layers);
    all["group_" + std::to_string(index)] =
        json::Object{{"targets", std::move(targets)},
                     {"format", group.format},
                     {"weights", group.weights},
                     {"input_activations", group.input},
                     {"output_activations", nullptr}};
  }
  return json::Object{{"quant_method", "compressed-tensors"},
                      {"quantization_status", "compressed"},
                      {"format", mixed ? "mixed-precision" : largest->format},
                      {"config_groups", std::move(all)},
                      {"ignore", json::Array(floatLayers)},
                      {"kv_cache_scheme", nullptr}};
}

//===----------------------------------------------------------------------===//
// A matrix
//===----------------------------------------------------------------------===//

/// A stream of bits for each row; of zero points for each column, along rows.
static EncodedMatrix packIntegers(const SchemeForm &form, int64_t n,
                                  int64_t k) {
  int64_t words = wordsFor(k, form.bits);
  int64_t rows = form.perTensor ? 1 : n;
  int64_t groups = form.scaleShape.back();
  EncodedMatrix result;
  result.tensors = {{"weight_packed", DType::I32, {n, words}},
                    {"weight_scale", form.scales, form.scaleShape},
                    {"weight_shape", DType::I64, {2}}};
  if (form.asymmetric)
    result.tensors.push_back(
        {"weight_zero_point", DType::I32, {wordsFor(rows, form.bits), groups}});
  result.encode =
      [=](ArrayRef<ArrayRef<uint8_t>> parts) -> Expected<StorageBytes> {
    std::vector<uint8_t> codes = unsignedCodes(form, parts[0]);
    StorageBytes stored(3);
    stored[0].resize(n * words * 4);
    for (int64_t row = 0; row < n; ++row)
      packWords(codes.data() + row * k, k, form.bits,
                stored[0].data() + row * words * 4, 1);
    stored[1] = parts[1].vec();
    int64_t shape[] = {n, k};
    stored[2].resize(sizeof(shape));
    std::memcpy(stored[2].data(), shape, sizeof(shape));
    if (!form.asymmetric)
      return stored;
    std::vector<uint8_t> zeros(wordsFor(rows, form.bits) * groups * 4);
    for (int64_t group = 0; group < groups; ++group)
      packWords(parts[2].data() + group, rows, form.bits,
                zeros.data() + 4 * group, groups, groups);
    stored.push_back(std::move(zeros));
    return stored;
  };
  return result;
}

/// Signed, a byte each.
static EncodedMatrix storeIntegers(const SchemeForm &form, int64_t n,
                                   int64_t k) {
  EncodedMatrix result;
  result.tensors = {{"weight", DType::I8, {n, k}},
                    {"weight_scale", form.scales, form.scaleShape}};
  if (form.asymmetric)
    result.tensors.push_back({"weight_zero_point", DType::I8, form.scaleShape});
  uint8_t middle = form.asymmetric ? 1 << (form.bits - 1) : 0;
  result.encode =
      [=](ArrayRef<ArrayRef<uint8_t>> parts) -> Expected<StorageBytes> {
    StorageBytes stored = {parts[0].vec(), parts[1].vec()};
    if (form.asymmetric)
      stored.push_back(parts[2].vec());
    for (size_t part = 0; part < stored.size(); part += 2)
      for (uint8_t &number : stored[part])
        number -= middle;
    return stored;
  };
  return result;
}

static EncodedMatrix storeFloats(const SchemeForm &form, int64_t n, int64_t k) {
  bool fourBit = form.bits == 4;
  int64_t width = fourBit ? divideCeil(k, 2) : k;
  EncodedMatrix result;
  result.tensors = {
      {fourBit ? "weight_packed" : "weight",
       fourBit ? DType::U8 : form.codes,
       {n, width}},
      // Most readers know the type of powers of two as bytes only.
      {"weight_scale", isPowerScale(form) ? DType::U8 : form.scales,
       form.scaleShape}};
  if (form.scales == DType::F8_E4M3)
    result.tensors.push_back({"weight_global_scale", DType::F32, {1}});
  result.encode =
      [=](ArrayRef<ArrayRef<uint8_t>> parts) -> Expected<StorageBytes> {
    StorageBytes stored;
    for (ArrayRef<uint8_t> part : parts)
      stored.push_back(part.vec());
    if (!fourBit)
      return stored;
    stored[0].assign(n * width, 0);
    for (int64_t row = 0; row < n; ++row)
      for (int64_t column = 0; column < k; ++column)
        stored[0][row * width + column / 2] |= (parts[0][row * k + column] & 15)
                                               << (column % 2 * 4);
    return stored;
  };
  return result;
}

Expected<EncodedMatrix>
CompressedTensorsEncoder::add(const QuantizedMatrix &matrix) {
  int64_t n = matrix.type.getNumRows(), k = matrix.type.getRowLength();
  SchemeForm form =
      describeScheme(matrix.type.getScheme(), matrix.type.getShape());
  StringRef format = formatOf(form, bool(matrix.input));
  if (format.empty())
    return refuseScheme(
        matrix.type.getScheme(), "compressed-tensors",
        "#qt.int, #qt.float<f8E4M3FN> with float scales or f8E8M0FNU for "
        "groups of 32, and #qt.float<f4E2M1FN> with f8E8M0FNU for groups of 32 "
        "or f8E4M3FN for groups of 16");
  Group group{format.str(),
              arguments(form, k, "channel"),
              inputArguments(matrix, k),
              {}};
  auto known =
      find_if(groups, [&](const Group &other) { return other.isLike(group); });
  if (known == groups.end())
    known = groups.insert(known, std::move(group));
  known->layers.push_back(matrix.layer);

  EncodedMatrix result = format == "pack-quantized"  ? packIntegers(form, n, k)
                         : format == "int-quantized" ? storeIntegers(form, n, k)
                                                     : storeFloats(form, n, k);
  if (!matrix.staticInput)
    return result;
  result.tensors.push_back({"input_scale", DType::F32, {1}});
  result.encode =
      [encode = std::move(result.encode)](
          ArrayRef<ArrayRef<uint8_t>> parts) -> Expected<StorageBytes> {
    Expected<StorageBytes> stored = encode(parts.drop_back());
    if (stored)
      stored->push_back(parts.back().vec());
    return stored;
  };
  return result;
}

std::unique_ptr<CheckpointEncoder> quantmlir::createCompressedTensorsEncoder() {
  return std::make_unique<CompressedTensorsEncoder>();
}
