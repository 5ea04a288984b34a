// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Export/OutputFile.h"
#include "quant-mlir/Import/WeightFile.h"

using namespace llvm;
using namespace quantmlir;

/// Found now rather than after hours of quantizing. A device must not even be
/// tried: whoever may write its folder would put a file in its place.
static Error checkTarget(StringRef path) {
  if (path.empty())
    return fileError("''", "is not a path to write to");
  sys::fs::file_status status;
  if (sys::fs::status(path, status) || !sys::fs::exists(status) ||
      sys::fs::is_regular_file(status))
    return Error::success();
  return fileError(path, sys::fs::is_directory(status)
                             ? "cannot be written: it is a folder"
                             : "cannot be written: it is not a regular file");
}

OutputFile::OutputFile(StringRef path, sys::fs::TempFile file)
    : path(path), file(std::move(file)) {
  stream.emplace(this->file->FD, /*shouldClose=*/false);
}

OutputFile::~OutputFile() {
  if (!file)
    return;
  stream->flush();
  stream->clear_error();
  stream.reset();
  consumeError(file->discard());
}

Error OutputFile::fail(const Twine &reason) const {
  return createStringError(std::make_error_code(std::errc::io_error),
                           path + ": " + reason);
}

Error OutputFile::checkStream() {
  if (!stream->has_error())
    return Error::success();
  std::string message = stream->error().message();
  // A stream that is destroyed with an error ends the program.
  stream->clear_error();
  return fail(message);
}

Expected<std::unique_ptr<OutputFile>> OutputFile::create(StringRef path) {
  if (Error error = checkTarget(path))
    return error;
  auto file = sys::fs::TempFile::create(path + ".%%%%%%.tmp");
  if (!file)
    return createStringError(std::make_error_code(std::errc::io_error),
                             path + ": " + toString(file.takeError()));
  return std::unique_ptr<OutputFile>(new OutputFile(path, std::move(*file)));
}

Error OutputFile::append(ArrayRef<uint8_t> bytes) {
  stream->write(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  return checkStream();
}

Error OutputFile::finish() {
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
