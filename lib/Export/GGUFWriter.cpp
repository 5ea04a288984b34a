// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GGUF version 3, which GGUFParser.cpp describes.

#include "quant-mlir/Export/GGUFWriter.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/EndianStream.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace quantmlir;

namespace {
/// The front of the file.
class Header {
public:
  Header() : stream(text), writer(stream, endianness::little) {}

  template <typename T> void number(T value) { writer.write<T>(value); }
  void bytes(ArrayRef<uint8_t> bytes) { stream << toStringRef(bytes); }
  void string(StringRef string) {
    number<uint64_t>(string.size());
    stream << string;
  }
  void pad(uint64_t alignment) {
    stream.write_zeros(alignTo(text.size(), alignment) - text.size());
  }
  ArrayRef<uint8_t> get() const { return arrayRefFromStringRef(text); }

private:
  SmallString<0> text;
  raw_svector_ostream stream;
  support::endian::Writer writer;
};
} // namespace

static void addKey(Header &header, StringRef key, const GGUFValue &value) {
  header.string(key);
  if (value.isArray())
    header.number(uint32_t(GGUFType::Array));
  header.number(uint32_t(value.getType()));
  if (value.isArray())
    header.number<uint64_t>(value.size());
  header.bytes(value.getPayload());
}

Expected<std::unique_ptr<GGUFWriter>>
GGUFWriter::create(StringRef path, const Keys &keys, ArrayRef<Entry> entries) {
  auto file = OutputFile::create(path);
  if (!file)
    return file.takeError();
  auto key = keys.find("general.alignment");
  uint64_t alignment =
      key == keys.end() ? 32 : key->second.as<uint64_t>().value_or(32);
  std::unique_ptr<GGUFWriter> writer(
      new GGUFWriter(std::move(*file), alignment));

  Header header;
  header.bytes(arrayRefFromStringRef("GGUF"));
  header.number<uint32_t>(3);
  header.number<uint64_t>(entries.size());
  header.number<uint64_t>(keys.size());
  for (auto &[name, value] : keys)
    addKey(header, name, value);
  uint64_t offset = 0;
  for (const Entry &entry : entries) {
    std::optional<uint32_t> type = ggufTensorType(entry.type);
    std::optional<uint64_t> size = tensorBytes(entry.type, entry.shape);
    if (!type || !size || entry.shape.empty() || entry.shape.size() > 4 ||
        entry.shape.back() % dtypeInfo(entry.type).blockValues != 0)
      return tensorError(path, entry.name,
                         Twine("cannot be written as ") +
                             dtypeName(entry.type) + " into a GGUF file");
    header.string(entry.name);
    header.number<uint32_t>(entry.shape.size());
    for (int64_t length : reverse(entry.shape))
      header.number<uint64_t>(length);
    header.number<uint32_t>(*type);
    header.number<uint64_t>(offset);
    offset += alignTo(*size, alignment);
    writer->sizes.push_back(*size);
  }
  std::reverse(writer->sizes.begin(), writer->sizes.end());
  header.pad(alignment);
  if (Error error = writer->file->append(header.get()))
    return error;
  return writer;
}

Error GGUFWriter::append(ArrayRef<uint8_t> data) {
  if (sizes.empty() || data.size() != sizes.back())
    return file->fail("data of " + Twine(data.size()) +
                      " bytes is not that of the next tensor");
  sizes.pop_back();
  if (Error error = file->append(data))
    return error;
  // The last tensor is padded, too: what ggml writes, and all readers take.
  std::vector<uint8_t> padding(alignTo(data.size(), alignment) - data.size());
  return file->append(padding);
}

Error GGUFWriter::finish() {
  if (!sizes.empty())
    return file->fail(Twine(sizes.size()) + " tensors are missing");
  return file->finish();
}
