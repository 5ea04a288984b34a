// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_EXPORT_OUTPUTFOLDER_H
#define QUANT_MLIR_EXPORT_OUTPUTFOLDER_H

#include "llvm/Support/Error.h"
#include <string>

namespace quantmlir {

/// Files that belong together: they are written into a folder of their own
/// inside the target and move up when all of them are there. A run that fails
/// leaves nothing behind, and the files of an earlier run alone.
class OutputFolder {
public:
  /// Makes the folder `path`, with its parents, where it is not there yet.
  /// Errors: it cannot be made or not be written to.
  static llvm::Expected<OutputFolder> create(llvm::StringRef path);
  /// Unless `commit` succeeded, removes what was written and the folders that
  /// `create` made.
  ~OutputFolder();
  OutputFolder(OutputFolder &&other) noexcept;

  /// Where the files will be.
  llvm::StringRef destination() const { return target; }
  /// Where to write. No subfolders.
  llvm::StringRef path() const { return staging; }

  /// Moves the files into the target, over those of the same names. Errors: a
  /// folder is in the way of one, found before any is moved.
  llvm::Error commit();

private:
  OutputFolder() = default;

  std::string target, staging;
  /// The outermost folder that `create` made; empty if all were there.
  std::string made;
};

} // namespace quantmlir

#endif // QUANT_MLIR_EXPORT_OUTPUTFOLDER_H
