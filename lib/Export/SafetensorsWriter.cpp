// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "quant-mlir/Export/SafetensorsWriter.h"
#include "quant-mlir/Import/WeightFile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Alignment.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace quantmlir {

/// The limit of the format's own library, and of our reader.
static constexpr uint64_t longestHeader = 100'000'000;

/// What the reader would refuse is not written in the first place.
static Error check(StringRef path, ArrayRef<SafetensorsWriter::Entry> entries,
                   ArrayRef<std::pair<std::string, std::string>> metadata) {
  StringSet<> names;
  uint64_t total = 0;
  for (const SafetensorsWriter::Entry &entry : entries) {
    auto fail = [&](const Twine &reason) {
      return tensorError(path, entry.name, reason);
    };
    if (entry.name.empty() || entry.name == "__metadata__" ||
        !json::isUTF8(entry.name))
      return fail("the name cannot be written");
    if (!names.insert(entry.name).second)
      return fail("the name appears twice");
    std::optional<DType> type = dtypeFromSafetensors(entry.dtype);
    if (!type)
      return fail("unknown type " + quoteName(entry.dtype));
    if (tensorBytes(*type, entry.shape) != entry.bytes)
      return fail("its shape does not make " + Twine(entry.bytes) + " bytes");
    // Both are below 2^63, so the sum is right.
    total += entry.bytes;
    if (total > uint64_t(INT64_MAX))
      return fail("its data ends behind 2^63 bytes");
  }
  names.clear();
  for (const auto &[key, value] : metadata)
    if (!json::isUTF8(key) || !json::isUTF8(value) || !names.insert(key).second)
      return fileError(path, "the metadata " + quoteName(key) +
                                 " appears twice or is not UTF-8");
  return Error::success();
}

/// The JSON text, padded.
static std::string
makeHeader(ArrayRef<SafetensorsWriter::Entry> entries,
           ArrayRef<std::pair<std::string, std::string>> metadata) {
  std::string text;
  raw_string_ostream stream(text);
  json::OStream json(stream);
  uint64_t offset = 0;
  json.object([&] {
    if (!metadata.empty())
      json.attributeObject("__metadata__", [&] {
        for (const auto &[key, value] : metadata)
          json.attribute(key, value);
      });
    for (const SafetensorsWriter::Entry &entry : entries)
      json.attributeObject(entry.name, [&] {
        json.attribute("dtype", entry.dtype);
        json.attribute("shape", json::Array(entry.shape));
        json.attribute("data_offsets",
                       json::Array{offset, offset + entry.bytes});
        offset += entry.bytes;
      });
  });
  stream.flush();
  text.append(offsetToAlignment(text.size() + 8, Align(64)), ' ');
  return text;
}

Expected<std::unique_ptr<SafetensorsWriter>> SafetensorsWriter::create(
    StringRef path, ArrayRef<Entry> entries,
    ArrayRef<std::pair<std::string, std::string>> metadata) {
  auto file = OutputFile::create(path);
  if (!file)
    return file.takeError();
  if (Error error = check(path, entries, metadata))
    return error;
  std::string header = makeHeader(entries, metadata);
  if (header.size() > longestHeader)
    return fileError(path, "its header has " + Twine(header.size()) +
                               " bytes; at most 100 MB are allowed");
  std::unique_ptr<SafetensorsWriter> writer(
      new SafetensorsWriter(std::move(*file)));
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char byte : header)
    hash = (hash ^ byte) * 0x100000001b3;
  writer->hash = hash;
  writer->headerBytes = 8 + header.size();
  for (const Entry &entry : entries)
    writer->dataBytes += entry.bytes;
  uint8_t length[8];
  support::endian::write64le(length, header.size());
  if (Error error = writer->file->append(length))
    return error;
  if (Error error = writer->file->append(arrayRefFromStringRef(header)))
    return error;
  return writer;
}

Error SafetensorsWriter::append(ArrayRef<uint8_t> bytes) {
  if (file->isFinished() || bytes.size() > dataBytes - written)
    return file->fail("more data than its tensors have");
  written += bytes.size();
  return file->append(bytes);
}

Error SafetensorsWriter::finish() {
  if (file->isFinished())
    return file->fail("is finished already");
  if (written != dataBytes)
    return file->fail(Twine(dataBytes - written) +
                      " bytes of data are missing");
  return file->finish();
}

} // namespace quantmlir
