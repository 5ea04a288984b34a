// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Import/JSONFile.h"
#include "quant-mlir/Import/Safetensors.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace quantmlir;

static constexpr StringLiteral singleName = "model.safetensors";
static constexpr StringLiteral indexName = "model.safetensors.index.json";

static std::string joined(StringRef folder, StringRef name) {
  SmallString<128> path(folder);
  sys::path::append(path, name);
  return path.str().str();
}

Expected<SafetensorsFolder> SafetensorsFolder::open(StringRef folder) {
  SafetensorsFolder result;
  result.path = folder.str();
  if (!sys::fs::is_directory(folder))
    return fileError(folder, "is not a folder");
  std::string single = joined(folder, singleName);
  std::string index = joined(folder, indexName);
  if (!sys::fs::exists(single) && sys::fs::exists(index)) {
    if (Error failure = result.openIndexed(index))
      return failure;
    return result;
  }
  if (!sys::fs::exists(single))
    return fileError(folder, "has neither " + singleName + " nor " + indexName);
  Expected<std::shared_ptr<SafetensorsFile>> file =
      SafetensorsFile::open(single);
  if (!file)
    return file.takeError();
  for (const TensorInfo &tensor : (*file)->getTensors()) {
    result.tensors.push_back({file->get(), &tensor});
    result.byName[tensor.name] = result.tensors.back();
  }
  result.files.push_back(std::move(*file));
  return result;
}

Error SafetensorsFolder::openIndexed(StringRef indexPath) {
  Expected<json::Object> index = readJSONObject(indexPath);
  if (!index)
    return index.takeError();
  const json::Object *map = index->getObject("weight_map");
  if (!map)
    return fileError(indexPath, "has no object 'weight_map'");

  // Sorted, so that files and tensors come in the same order every time.
  std::map<std::string, std::vector<StringRef>> namesOfFile;
  for (const auto &[name, value] : *map) {
    std::optional<StringRef> file = value.getAsString();
    if (!file)
      return tensorError(indexPath, StringRef(name),
                         "its file is not a string");
    // The index is a stranger's: it must not make us open other files.
    if (file->empty() || *file == "." || *file == ".." ||
        file->contains('\0') || sys::path::filename(*file) != *file)
      return tensorError(indexPath, StringRef(name),
                         "its file " + quoteName(*file) +
                             " is not a name in the same folder");
    namesOfFile[file->str()].push_back(StringRef(name));
  }

  for (auto &[fileName, names] : namesOfFile) {
    Expected<std::shared_ptr<SafetensorsFile>> file =
        SafetensorsFile::open(joined(path, fileName));
    if (!file)
      return file.takeError();
    for (StringRef name : names) {
      Expected<const TensorInfo *> tensor = (*file)->require(name);
      if (!tensor)
        return tensor.takeError();
      tensors.push_back({file->get(), *tensor});
      byName[name] = tensors.back();
    }
    files.push_back(std::move(*file));
  }
  // In a file, by place in memory, which is the order of its data.
  stable_sort(tensors, [](const Place &a, const Place &b) {
    return a.file == b.file && a.tensor < b.tensor;
  });
  return Error::success();
}

SafetensorsFolder::Place SafetensorsFolder::find(StringRef name) const {
  return byName.lookup(name);
}

Expected<SafetensorsFolder::Place>
SafetensorsFolder::require(StringRef name) const {
  if (Place place = find(name))
    return place;
  return tensorError(path, name, "is missing");
}
