// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "quant-mlir/Export/SafetensorsWriter.h"
#include "quant-mlir/Import/WeightFile.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Alignment.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace quantmlir {

static Error checkEntries(ArrayRef<SafetensorsWriter::Entry> entries) {
  StringSet<> names;
  for (const SafetensorsWriter::Entry &entry : entries) {
    auto fail = [&](const Twine &reason) {
      return createStringError(
          std::make_error_code(std::errc::invalid_argument),
          "tensor '" + entry.name + "': " + reason);
    };
    if (!json::isUTF8(entry.name) || entry.name == "__metadata__")
      return fail("the name cannot be written");
    if (!names.insert(entry.name).second)
      return fail("the name is there twice");
    std::optional<DType> type = dtypeFromSafetensors(entry.dtype);
    if (!type)
      return fail("unknown dtype '" + entry.dtype + "'");
    if (tensorBytes(*type, entry.shape) != entry.bytes)
      return fail("its shape does not make " + Twine(entry.bytes) + " bytes");
  }
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

SafetensorsWriter::SafetensorsWriter(StringRef path, sys::fs::TempFile file)
    : path(path), file(std::move(file)) {
  stream.emplace(this->file->FD, /*shouldClose=*/false);
}

SafetensorsWriter::~SafetensorsWriter() {
  if (!file)
    return;
  stream->flush();
  stream->clear_error();
  stream.reset();
  consumeError(file->discard());
}

Error SafetensorsWriter::fail(const Twine &reason) const {
  return createStringError(std::make_error_code(std::errc::io_error),
                           path + ": " + reason);
}

Error SafetensorsWriter::checkStream() {
  if (!stream->has_error())
    return Error::success();
  std::string message = stream->error().message();
  // A stream that is destroyed with an error ends the program.
  stream->clear_error();
  return fail(message);
}

Expected<std::unique_ptr<SafetensorsWriter>> SafetensorsWriter::create(
    StringRef path, ArrayRef<Entry> entries,
    ArrayRef<std::pair<std::string, std::string>> metadata) {
  if (Error error = checkEntries(entries))
    return createStringError(std::make_error_code(std::errc::invalid_argument),
                             path + ": " + toString(std::move(error)));
  auto file = sys::fs::TempFile::create(path + ".%%%%%%.tmp");
  if (!file)
    return createStringError(std::make_error_code(std::errc::io_error),
                             path + ": " + toString(file.takeError()));
  std::unique_ptr<SafetensorsWriter> writer(
      new SafetensorsWriter(path, std::move(*file)));
  std::string header = makeHeader(entries, metadata);
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char byte : header)
    hash = (hash ^ byte) * 0x100000001b3;
  writer->hash = hash;
  writer->headerBytes = 8 + header.size();
  for (const Entry &entry : entries)
    writer->dataBytes += entry.bytes;
  char length[8];
  support::endian::write64le(length, header.size());
  writer->stream->write(length, sizeof length);
  *writer->stream << header;
  if (Error error = writer->checkStream())
    return error;
  return writer;
}

Error SafetensorsWriter::append(ArrayRef<uint8_t> bytes) {
  if (!file || bytes.size() > dataBytes - written)
    return fail("more data than its tensors have");
  stream->write(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  written += bytes.size();
  return checkStream();
}

Error SafetensorsWriter::finish() {
  if (!file || written != dataBytes)
    return fail(Twine(dataBytes - written) + " bytes of data are missing");
  stream->flush();
  if (Error error = checkStream())
    return error;
  stream.reset();
  Error error = file->keep(path);
  file.reset();
  if (error)
    return fail(toString(std::move(error)));
  return Error::success();
}

} // namespace quantmlir
