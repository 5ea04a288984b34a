// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Export/OutputFolder.h"
#include "quant-mlir/Import/WeightFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace quantmlir;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

/// The outermost part of `folder` that is not there.
static std::string firstMissing(StringRef folder) {
  std::string missing;
  for (; !folder.empty() && !fs::exists(folder);
       folder = path::parent_path(folder))
    missing = folder.str();
  return missing;
}

Expected<OutputFolder> OutputFolder::create(StringRef target) {
  OutputFolder folder;
  SmallString<256> clean(target);
  path::remove_dots(clean);
  folder.target = clean.empty() ? "." : clean.str().str();
  std::string made = firstMissing(folder.target);
  if (std::error_code code = fs::create_directories(folder.target))
    return fileError(target, "cannot be made: " + code.message());
  folder.made = std::move(made);
  if (!fs::is_directory(folder.target))
    return fileError(target, "is not a folder");
  SmallString<256> model(folder.target), staging;
  path::append(model, ".quantc-%%%%%%.tmp");
  std::error_code code;
  // Only a name that is taken is worth another try.
  do {
    fs::createUniquePath(model, staging, /*MakeAbsolute=*/false);
    code = fs::create_directory(staging, /*IgnoreExisting=*/false);
  } while (code == std::errc::file_exists);
  if (code)
    return fileError(target, "cannot be written to: " + code.message());
  folder.staging = staging.str().str();
  return folder;
}

OutputFolder::OutputFolder(OutputFolder &&other) noexcept
    : target(std::move(other.target)),
      staging(std::exchange(other.staging, {})),
      made(std::exchange(other.made, {})) {}

OutputFolder::~OutputFolder() {
  if (!staging.empty())
    fs::remove_directories(staging);
  if (made.empty())
    return;
  // From the inside out; a folder that somebody else has used meanwhile stays.
  StringRef folder = target;
  while (!fs::remove(folder) && folder.size() > made.size())
    folder = path::parent_path(folder);
}

Error OutputFolder::commit() {
  SmallVector<std::pair<std::string, std::string>> moves;
  std::error_code code;
  for (fs::directory_iterator file(staging, code), end; file != end && !code;
       file.increment(code)) {
    SmallString<256> place(target);
    path::append(place, path::filename(file->path()));
    if (fs::is_directory(place))
      return fileError(place, "cannot be written: it is a folder");
    moves.push_back({file->path(), place.str().str()});
  }
  if (code)
    return fileError(staging, code.message());
  made.clear();
  for (auto &[from, to] : moves)
    if (std::error_code code = fs::rename(from, to))
      return fileError(to, "cannot be written: " + code.message());
  return Error::success();
}
