// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// compressed-tensors: what llm-compressor and vLLM write. The configuration
// has groups of targets; a group says bits and who shares a scale, and the
// tensors of a layer say the rest:
//
//   weight_packed I32     integers, a stream of bits per row: pack-quantized
//   weight_packed U8      E2M1, two a byte: nvfp4- and mxfp4-pack-quantized
//   weight        I8      integers: int-quantized
//   weight        F8_E4M3 floats: float- and mxfp8-quantized

#include "CheckpointLayer.h"
#include "quant-mlir/Quantize/Recipe.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace quantmlir;

namespace {

/// compressed-tensors' QuantizationArgs.
struct Arguments {
  int64_t bits = 8, group = 0;
  bool isFloat = false, symmetric = true, dynamic = false;
  std::string strategy;
  SmallVector<int64_t, 2> block;
};

struct Group {
  std::vector<std::string> targets;
  Arguments weights;
  std::optional<Arguments> input;
};

class CompressedTensors : public Checkpoint {
public:
  CompressedTensors(const SafetensorsFolder &folder, CheckpointConfig config)
      : Checkpoint(folder), config(std::move(config)) {}

  llvm::Error read();
  Expected<std::optional<StoredMatrix>> find(StringRef layer, int64_t n,
                                             int64_t k) const override;

private:
  Expected<Arguments> readArguments(const json::Object &object) const;
  const Group *findGroup(StringRef layer) const;

  CheckpointConfig config;
  std::vector<Group> groups;
};

/// One matrix on its way in.
struct Matrix {
  LayerTensors &layer;
  const Group &group;
  int64_t n, k;
  StoredMatrix &result;

  Expected<StoredTensor> readScales(ArrayRef<DType> types,
                                    ColumnGroups &columns);
  llvm::Error sortColumns(ColumnGroups &columns, const StoredTensor &scales);
  llvm::Error readPacked();
  llvm::Error readIntegers();
  llvm::Error readFourBit();
  llvm::Error readFloats(const StoredTensor &weight);
  llvm::Error readInput();
};

} // namespace

//===----------------------------------------------------------------------===//
// The configuration
//===----------------------------------------------------------------------===//

Expected<Arguments>
CompressedTensors::readArguments(const json::Object &object) const {
  Arguments arguments;
  arguments.bits = object.getInteger("num_bits").value_or(8);
  if (arguments.bits < 2 || arguments.bits > 8)
    return config.error("has num_bits " + Twine(arguments.bits) +
                        "; 2 to 8 are supported");
  arguments.isFloat = object.getString("type").value_or("int") == "float";
  arguments.symmetric = object.getBoolean("symmetric").value_or(true);
  // "local" is NVFP4's: the scales of groups are found when it runs.
  arguments.dynamic = object.getBoolean("dynamic").value_or(false) ||
                      object.getString("dynamic").has_value();
  arguments.strategy = object.getString("strategy").value_or("").str();
  arguments.group = object.getInteger("group_size").value_or(0);
  if (const json::Array *block = object.getArray("block_structure"))
    for (const json::Value &size : *block)
      arguments.block.push_back(size.getAsInteger().value_or(0));
  if (arguments.group < -1 || arguments.block.size() == 1 ||
      any_of(arguments.block, [](int64_t size) { return size < 1; }))
    return config.error("has groups of no values");
  return arguments;
}

llvm::Error CompressedTensors::read() {
  StringRef status =
      config.object.getString("quantization_status").value_or("compressed");
  if (status != "compressed" && status != "frozen")
    return config.error("has the status " + quoteName(status) +
                        "; only compressed checkpoints can be read");
  const json::Object *all = config.object.getObject("config_groups");
  if (!all)
    return config.error("has no object 'config_groups'");
  // In an order, so that of groups that name a layer alike always the same
  // wins.
  std::vector<StringRef> names;
  for (auto &[name, value] : *all)
    names.push_back(name);
  llvm::sort(names);
  for (StringRef name : names) {
    const json::Object *object = all->getObject(name);
    const json::Object *weights =
        object ? object->getObject("weights") : nullptr;
    if (!weights)
      continue;
    Group group;
    if (const json::Array *targets = object->getArray("targets"))
      for (const json::Value &target : *targets)
        group.targets.push_back(target.getAsString().value_or("").str());
    Expected<Arguments> arguments = readArguments(*weights);
    if (!arguments)
      return arguments.takeError();
    group.weights = *arguments;
    if (const json::Object *input = object->getObject("input_activations")) {
      arguments = readArguments(*input);
      if (!arguments)
        return arguments.takeError();
      group.input = *arguments;
    }
    groups.push_back(std::move(group));
  }
  return llvm::Error::success();
}

/// The group with the target that names the layer most narrowly.
const Group *CompressedTensors::findGroup(StringRef layer) const {
  const Group *best = nullptr;
  TargetMatch closest = TargetMatch::None;
  for (const Group &group : groups)
    for (StringRef target : group.targets)
      if (TargetMatch match = matchTarget(target, "Linear", layer);
          match > closest) {
        closest = match;
        best = &group;
      }
  return best || groups.size() != 1 ? best : &groups.front();
}

//===----------------------------------------------------------------------===//
// A matrix
//===----------------------------------------------------------------------===//

/// weight_scale, and which columns share one. Who shares is what the shape
/// says: the configuration alone knows only how long a group is.
Expected<StoredTensor> Matrix::readScales(ArrayRef<DType> types,
                                          ColumnGroups &columns) {
  int64_t size = group.weights.group;
  std::optional<StoredTensor> scales = layer.find("weight_scale");
  int64_t count = scales ? scales->size() : 0;
  if (group.weights.strategy == "tensor") {
    columns.group = 0;
    return layer.require("weight_scale", types, {1});
  }
  bool perRow = size < 1 || group.weights.strategy == "channel";
  // Without a word about groups: as many as there are columns.
  if (perRow && group.weights.strategy.empty() && count > n && count % n == 0 &&
      k % (count / n) == 0)
    size = k / (count / n);
  else if (perRow)
    size = k;
  columns = consecutiveGroups(k, size);
  return layer.require("weight_scale", types,
                       {n, int64_t(columns.storedGroup.size())});
}

/// Act order: groups are not columns side by side.
llvm::Error Matrix::sortColumns(ColumnGroups &columns,
                                const StoredTensor &scales) {
  if (!layer.has("weight_g_idx"))
    return llvm::Error::success();
  Expected<StoredTensor> indices =
      layer.require("weight_g_idx", {DType::I32}, {k});
  if (!indices)
    return indices.takeError();
  // -1 throughout stands for none.
  if (all_of(indices->bytes, [](uint8_t byte) { return byte == 255; }))
    return llvm::Error::success();
  Expected<ColumnGroups> sorted =
      groupColumns(layer, "weight_g_idx", *indices, scales.size() / n);
  if (!sorted)
    return sorted.takeError();
  columns = std::move(*sorted);
  return llvm::Error::success();
}

llvm::Error Matrix::readPacked() {
  unsigned bits = group.weights.bits;
  // Until 2025 no code straddled words.
  std::optional<StoredTensor> found = layer.find("weight_packed");
  int64_t perWord = 32 / bits, words = wordsFor(k, bits);
  int64_t padded = divideCeil(k, perWord);
  bool straddles = found->size() != n * padded || padded == words;
  Expected<StoredTensor> packed = layer.require(
      "weight_packed", {DType::I32}, {n, straddles ? words : padded});
  if (!packed)
    return packed.takeError();
  StoredIntegers stored;
  stored.bits = bits;
  ColumnGroups &columns = stored.columns;
  Expected<StoredTensor> scales = readScales(scaleTypes, columns);
  if (!scales)
    return scales.takeError();
  stored.scales = scales->bytes.vec();
  stored.scaleType = scales->type;
  int64_t groups = columns.group == 0 ? 1 : columns.storedGroup.size();
  if (layer.has("weight_zero_point")) {
    int64_t rows = columns.group == 0 ? 1 : n;
    Expected<StoredTensor> zeros = layer.require(
        "weight_zero_point", {DType::I32}, {wordsFor(rows, bits), groups});
    if (!zeros)
      return zeros.takeError();
    // Packed along the rows.
    stored.zeros.resize(rows * groups);
    for (int64_t g = 0; g < groups; ++g)
      unpackWords(zeros->bytes.data() + 4 * g, groups, rows, bits,
                  stored.zeros.data() + g, groups);
  }
  if (llvm::Error error = sortColumns(columns, *scales))
    return error;
  stored.readCodes = [=, bytes = packed->bytes, n = n, k = k] {
    std::vector<uint8_t> codes(n * k);
    for (int64_t row = 0; row < n; ++row) {
      uint8_t *target = codes.data() + row * k;
      if (straddles) {
        unpackWords(bytes.data() + row * words * 4, 1, k, bits, target);
        continue;
      }
      for (int64_t word = 0; word < padded; ++word)
        unpackWords(bytes.data() + (row * padded + word) * 4, 1,
                    std::min(perWord, k - word * perWord), bits,
                    target + word * perWord);
    }
    return codes;
  };
  describeIntegers(result, std::move(stored), n, k);
  return llvm::Error::success();
}

llvm::Error Matrix::readIntegers() {
  unsigned bits = group.weights.bits;
  Expected<StoredTensor> weight = layer.require("weight", {DType::I8}, {n, k});
  if (!weight)
    return weight.takeError();
  StoredIntegers stored;
  stored.bits = bits;
  Expected<StoredTensor> scales = readScales(scaleTypes, stored.columns);
  if (!scales)
    return scales.takeError();
  stored.scales = scales->bytes.vec();
  stored.scaleType = scales->type;
  uint8_t middle = 1 << (bits - 1);
  if (layer.has("weight_zero_point")) {
    Expected<StoredTensor> zeros =
        layer.require("weight_zero_point", {DType::I8}, scales->shape);
    if (!zeros)
      return zeros.takeError();
    for (uint8_t zero : zeros->bytes) {
      stored.zeros.push_back(zero + middle);
      if (stored.zeros.back() >> bits)
        return layer.error("weight_zero_point",
                           "has a zero point of more than " + Twine(bits) +
                               " bits");
    }
  }
  if (llvm::Error error = sortColumns(stored.columns, *scales))
    return error;
  stored.readCodes = [=, bytes = weight->bytes] {
    std::vector<uint8_t> codes = bytes.vec();
    for (uint8_t &code : codes)
      code += middle;
    return codes;
  };
  describeIntegers(result, std::move(stored), n, k);
  return llvm::Error::success();
}

llvm::Error Matrix::readFourBit() {
  // Of an odd number of columns the last byte has one code.
  Expected<StoredTensor> packed = layer.require("weight_packed", {DType::U8},
                                                {n, int64_t(divideCeil(k, 2))});
  if (!packed)
    return packed.takeError();
  std::optional<StoredTensor> found = layer.find("weight_scale");
  bool nested = found && found->type == DType::F8_E4M3;
  int64_t size = nested ? 16 : 32;
  if (group.weights.group > 0)
    size = group.weights.group;
  int64_t groups = divideCeil(k, size);
  Expected<StoredTensor> scales = layer.require(
      "weight_scale", {DType::F8_E4M3, DType::U8, DType::F8_E8M0}, {n, groups});
  if (!scales)
    return scales.takeError();
  ArrayRef<uint8_t> global;
  if (nested) {
    Expected<StoredTensor> tensor =
        layer.require("weight_global_scale", {DType::F32}, {1});
    if (!tensor)
      return tensor.takeError();
    global = tensor->bytes;
  }
  result.scheme = "#qt.float<f4E2M1FN, group = " + std::to_string(size) +
                  scaleSuffix(scales->type) + ">";
  result.decode = [=, bytes = packed->bytes, scales = scales->bytes, n = n,
                   k = k]() -> Expected<StorageBytes> {
    StorageBytes parts = {{}, scales.vec()};
    if (nested)
      parts.push_back(global.vec());
    parts[0].resize(n * k);
    int64_t width = divideCeil(k, 2);
    for (int64_t row = 0; row < n; ++row)
      for (int64_t column = 0; column < k; ++column)
        parts[0][row * k + column] =
            bytes[row * width + column / 2] >> (column % 2 * 4) & 15;
    return parts;
  };
  return llvm::Error::success();
}

llvm::Error Matrix::readFloats(const StoredTensor &stored) {
  Expected<StoredTensor> weight =
      layer.require("weight", {stored.type}, {n, k});
  if (!weight)
    return weight.takeError();
  std::string type = stored.type == DType::F8_E5M2 ? "f8E5M2" : "f8E4M3FN";
  std::optional<StoredTensor> scales = layer.find("weight_scale");
  bool powers =
      scales && (scales->type == DType::U8 || scales->type == DType::F8_E8M0);
  std::string shared;
  if (group.weights.strategy == "block" && group.weights.block.size() == 2) {
    int64_t rows = group.weights.block[0], columns = group.weights.block[1];
    Expected<StoredTensor> tensor = layer.require(
        "weight_scale", scaleTypes,
        {int64_t(divideCeil(n, rows)), int64_t(divideCeil(k, columns))});
    if (!tensor)
      return tensor.takeError();
    scales = *tensor;
    shared = "block = " + std::to_string(rows) + "x" + std::to_string(columns);
  } else {
    ColumnGroups columns;
    Expected<StoredTensor> tensor =
        powers ? readScales({DType::U8, DType::F8_E8M0}, columns)
               : readScales(scaleTypes, columns);
    if (!tensor)
      return tensor.takeError();
    scales = *tensor;
    // Powers of two are for groups, also if there is one a row.
    shared = columns.group == 0 ? "tensor"
             : columns.group >= k && !powers
                 ? "channel"
                 : "group = " + std::to_string(columns.group);
  }
  result.scheme =
      "#qt.float<" + type + ", " + shared + scaleSuffix(scales->type) + ">";
  result.decode = [weight = weight->bytes,
                   scales = scales->bytes]() -> Expected<StorageBytes> {
    return StorageBytes{weight.vec(), scales.vec()};
  };
  return llvm::Error::success();
}

/// What the activation is quantized to, where CPU kernels have that: not with
/// zero points, and not the MX formats and NVFP4.
llvm::Error Matrix::readInput() {
  layer.ignore({"weight_shape", "input_zero_point", "input_global_scale",
                "output_scale", "output_zero_point", "k_scale", "v_scale"});
  std::optional<StoredTensor> scale = layer.find("input_scale");
  bool powers = StringRef(result.scheme).contains("f8E8M0FNU");
  if (!group.input || !group.input->symmetric || group.input->bits != 8 ||
      powers)
    return llvm::Error::success();
  const Arguments &input = *group.input;
  std::string type = input.isFloat ? "#qt.float<f8E4M3FN, " : "#qt.int<8, ";
  if (input.strategy == "tensor" && !input.dynamic) {
    Expected<StoredTensor> tensor =
        layer.require("input_scale", scaleTypes, {1});
    if (!tensor)
      return tensor.takeError();
    result.inputScale = layer.name("input_scale");
  }
  if (input.strategy == "group" && input.group > 0)
    result.inputScheme = type + "group = " + std::to_string(input.group) + ">";
  else if (!result.inputScale.empty())
    result.inputScheme = type + "tensor>";
  else
    result.inputScheme = type + "token>";
  return llvm::Error::success();
}

Expected<std::optional<StoredMatrix>>
CompressedTensors::find(StringRef name, int64_t n, int64_t k) const {
  LayerTensors layer(folder(), name);
  bool packed = layer.has("weight_packed");
  std::optional<StoredTensor> stored =
      layer.find(packed ? "weight_packed" : "weight");
  bool integers = stored && stored->type == DType::I8;
  bool floats = stored && (stored->type == DType::F8_E4M3 ||
                           stored->type == DType::F8_E5M2);
  if (!packed && !integers && !floats)
    return std::nullopt;
  const Group *group = findGroup(name);
  if (!group)
    return layer.error(packed ? "weight_packed" : "weight",
                       "is quantized, but no target of quantization_config "
                       "names it");
  StoredMatrix result;
  Matrix matrix{layer, *group, n, k, result};
  llvm::Error error = integers                    ? matrix.readIntegers()
                      : floats                    ? matrix.readFloats(*stored)
                      : stored->type == DType::U8 ? matrix.readFourBit()
                                                  : matrix.readPacked();
  if (!error)
    error = matrix.readInput();
  if (error)
    return std::move(error);
  result.tensors = std::move(layer.used);
  return result;
}

Expected<std::unique_ptr<Checkpoint>>
quantmlir::openCompressedTensors(const SafetensorsFolder &folder,
                                 CheckpointConfig config) {
  auto checkpoint =
      std::make_unique<CompressedTensors>(folder, std::move(config));
  if (llvm::Error error = checkpoint->read())
    return std::move(error);
  return checkpoint;
}
