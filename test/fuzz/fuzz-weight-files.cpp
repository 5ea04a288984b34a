// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What must hold for every file, however broken: a reader ends, with an error
// of one line that names the file, or with tensors that lie inside the file.
// The sanitizers watch the rest. All readers see every input.

#include "Driver.h"
#include "quant-mlir/Import/GGUF.h"
#include "quant-mlir/Import/ONNX.h"
#include "quant-mlir/Import/Safetensors.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace quantmlir;

static const StringLiteral fileName = "the-file";

static std::string checkError(Error error) {
  std::string message = toString(std::move(error));
  REQUIRE(StringRef(message).starts_with((fileName + ": ").str()));
  REQUIRE(message.find_first_of("\n\r\0", 0, 3) == std::string::npos);
  REQUIRE(message.size() < 1000);
  return message;
}

static void checkTensors(const WeightFile &file, const uint8_t *bytes,
                         uint64_t size) {
  static volatile uint8_t sink;
  uint64_t end = 0;
  for (const TensorInfo &tensor : file.tensors()) {
    REQUIRE(json::isUTF8(tensor.name));
    REQUIRE(tensor.offset >= end);
    REQUIRE(tensor.offset <= size && tensor.size <= size - tensor.offset);
    end = tensor.offset + tensor.size;
    REQUIRE(tensorBytes(tensor.type, tensor.shape) == tensor.size);
    REQUIRE(file.find(tensor.name) == &tensor);
    ArrayRef<uint8_t> data = file.data(tensor);
    REQUIRE(data.size() == tensor.size);
    REQUIRE(data.empty() || data.data() == bytes + tensor.offset);
    for (uint8_t byte : data)
      sink = byte;
  }
  (void)sink;
}

static std::string readGGUF(MemoryBufferRef buffer, const uint8_t *data,
                            size_t size) {
  auto file = GGUFFile::parse(buffer);
  if (!file)
    return checkError(file.takeError());
  checkTensors(**file, data, size);
  // Every value is decoded, and what it becomes is JSON again.
  std::string text;
  raw_string_ostream(text) << json::Value(json::Object((*file)->metadata()));
  auto parsed = json::parse(text);
  REQUIRE(bool(parsed));
  REQUIRE(parsed->getAsObject()->size() == (*file)->keys().size());
  for (const auto &[key, value] : (*file)->keys()) {
    bool isString = value.getType() == GGUFType::String && !value.isArray();
    REQUIRE((*file)->getString(key).has_value() == isString);
    REQUIRE(value.asVector<StringRef>().has_value() ==
            (value.isArray() &&
             (value.getType() == GGUFType::String || value.size() == 0)));
    (void)(*file)->getInt(key);
    (void)(*file)->getFloat(key);
    (void)(*file)->getBool(key);
  }
  return "accepted";
}

static std::string readSafetensors(MemoryBufferRef buffer, const uint8_t *data,
                                   size_t size) {
  auto file = SafetensorsFile::parse(buffer);
  if (!file)
    return checkError(file.takeError());
  checkTensors(**file, data, size);
  REQUIRE((*file)->dataOffset() <= size);
  uint64_t total = (*file)->dataOffset();
  for (const TensorInfo &tensor : (*file)->tensors())
    total += tensor.size;
  REQUIRE(total == size);
  return "accepted";
}

static std::string readONNX(MemoryBufferRef buffer) {
  auto file = ONNXFile::parse(buffer);
  if (!file)
    return checkError(file.takeError());
  static volatile uint8_t sink;
  for (const TensorInfo &tensor : (*file)->tensors()) {
    REQUIRE((*file)->find(tensor.name) == &tensor);
    ArrayRef<uint8_t> data = (*file)->data(tensor);
    REQUIRE(tensorBytes(tensor.type, tensor.shape) == data.size());
    for (uint8_t byte : data)
      sink = byte;
  }
  for (const onnx::Node &node : (*file)->graph().nodes)
    for (StringRef name : node.inputs)
      (void)(*file)->constant(name);
  (void)sink;
  return "accepted";
}

std::string fuzzOne(const uint8_t *data, size_t size) {
  MemoryBufferRef buffer(StringRef(reinterpret_cast<const char *>(data), size),
                         fileName);
  std::string gguf = readGGUF(buffer, data, size);
  std::string safetensors = readSafetensors(buffer, data, size);
  return gguf + "\n" + safetensors + "\n" + readONNX(buffer);
}

static Bytes safetensors(StringRef header, size_t data) {
  Bytes bytes(8);
  support::endian::write64le(bytes.data(), header.size());
  bytes.insert(bytes.end(), header.begin(), header.end());
  bytes.resize(bytes.size() + data, 7);
  return bytes;
}

std::vector<Bytes> fuzzSeeds() {
  return {safetensors(
      R"({"__metadata__":{"format":"pt"},)"
      R"("a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
      R"("b":{"dtype":"U8","shape":[5],"data_offsets":[24,29]},)"
      R"("c":{"dtype":"F6_E3M2","shape":[2,2],"data_offsets":[29,32]},)"
      R"("d":{"dtype":"BF16","shape":[0],"data_offsets":[32,32]}} )",
      32)};
}

/// Tensors whose shapes are right and whose places are most often not. Changes
/// of single bytes hardly ever move a begin together with its end.
Bytes fuzzMake(Random &random) {
  std::string header;
  size_t total = 0, tensors = 1 + random.below(4);
  for (size_t i = 0; i < tensors; ++i) {
    size_t size = random.below(9), begin = total;
    if (random.oneIn(2))
      begin = random.below(total + 4);
    header += (i ? ',' : '{') + ("\"" + Twine(i)).str() +
              (R"(":{"dtype":"U8","shape":[)" + Twine(size) +
               R"(],"data_offsets":[)" + Twine(begin) + "," +
               Twine(begin + size) + "]}")
                  .str();
    total += size;
  }
  return safetensors(header + "}", random.oneIn(4) ? random.below(33) : total);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzzOne(data, size);
  return 0;
}
