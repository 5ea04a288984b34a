// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_EXPORT_OUTPUTFILE_H
#define QUANT_MLIR_EXPORT_OUTPUTFILE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace quantmlir {

/// A file that is written from front to back. Until `finish` the bytes are in a
/// temporary file beside it, so that a run that fails leaves the old one alone.
class OutputFile {
public:
  /// Errors: a folder, a device or a place that cannot be written.
  static llvm::Expected<std::unique_ptr<OutputFile>>
  create(llvm::StringRef path);
  /// Discards the temporary file unless `finish` succeeded.
  ~OutputFile();

  llvm::Error append(llvm::ArrayRef<uint8_t> bytes);
  /// Moves the file to its place.
  llvm::Error finish();

  /// `path: reason` as an error.
  llvm::Error fail(const llvm::Twine &reason) const;
  bool isFinished() const { return !file; }

private:
  OutputFile(llvm::StringRef path, llvm::sys::fs::TempFile file);
  llvm::Error checkStream();

  std::string path;
  std::optional<llvm::sys::fs::TempFile> file;
  std::optional<llvm::raw_fd_ostream> stream;
};

} // namespace quantmlir

#endif // QUANT_MLIR_EXPORT_OUTPUTFILE_H
