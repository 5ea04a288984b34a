// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Import/JSONFile.h"
#include "quant-mlir/Import/Safetensors.h"
#include "llvm/Support/Path.h"
#include <set>

using namespace llvm;
using namespace quantmlir;

static constexpr StringLiteral singleName = "model.safetensors";
static constexpr StringLiteral indexName = "model.safetensors.index.json";

static std::string joined(StringRef folder, StringRef name) {
  SmallString<128> path(folder);
  sys::path::append(path, name);
  return path.str().str();
}

namespace {
/// Which file each tensor is in. An index decides; without one there is one
/// file and `fileOfTensor` is empty.
struct Index {
  std::set<std::string> files;
  std::map<std::string, std::string> fileOfTensor;
};
} // namespace

static Expected<Index> readIndex(StringRef folder) {
  if (!sys::fs::is_directory(folder))
    return fileError(folder, "is not a folder");
  Index index;
  std::string path = joined(folder, indexName);
  // Like the transformers library, which writes one or the other.
  if (sys::fs::exists(joined(folder, singleName))) {
    index.files.insert(singleName.str());
    return index;
  }
  if (!sys::fs::exists(path))
    return fileError(folder, "has neither " + singleName + " nor " + indexName);
  Expected<json::Object> object = readJSONObject(path);
  if (!object)
    return object.takeError();
  const json::Object *map = object->getObject("weight_map");
  if (!map || map->empty())
    return fileError(path, "has no tensors in 'weight_map'");
  for (const auto &[name, value] : *map) {
    std::optional<StringRef> file = value.getAsString();
    if (!file)
      return tensorError(path, StringRef(name), "its file is not a string");
    // The index is a stranger's: it must not make us open other files.
    if (file->empty() || *file == "." || *file == ".." ||
        file->contains('\0') || sys::path::filename(*file) != *file)
      return tensorError(path, StringRef(name),
                         "its file " + quoteName(*file) +
                             " is not a name in the same folder");
    index.files.insert(file->str());
    index.fileOfTensor[StringRef(name).str()] = file->str();
  }
  for (const std::string &file : index.files)
    if (!sys::fs::exists(joined(folder, file)))
      return fileError(path, "names the file " + quoteName(file) +
                                 ", which is not there");
  return index;
}

Expected<std::vector<std::string>>
quantmlir::findSafetensorsShards(StringRef folder) {
  Expected<Index> index = readIndex(folder);
  if (!index)
    return index.takeError();
  std::vector<std::string> paths;
  for (const std::string &file : index->files)
    paths.push_back(joined(folder, file));
  return paths;
}

Expected<SafetensorsFolder> SafetensorsFolder::open(StringRef folder) {
  Expected<Index> index = readIndex(folder);
  if (!index)
    return index.takeError();
  SafetensorsFolder result;
  result.folderPath = folder.str();
  StringMap<const SafetensorsFile *> byFile;
  for (const std::string &name : index->files) {
    Expected<std::shared_ptr<SafetensorsFile>> file =
        SafetensorsFile::open(joined(folder, name));
    if (!file)
      return file.takeError();
    byFile[name] = file->get();
    for (const TensorInfo &tensor : (*file)->tensors()) {
      auto entry = index->fileOfTensor.find(tensor.name);
      bool wanted =
          index->fileOfTensor.empty() ||
          (entry != index->fileOfTensor.end() && entry->second == name);
      if (!wanted)
        continue;
      result.places.push_back({file->get(), &tensor});
      result.byName[tensor.name] = result.places.back();
    }
    result.opened.push_back(std::move(*file));
  }
  for (const auto &[tensor, file] : index->fileOfTensor)
    if (!result.byName.contains(tensor))
      return tensorError(byFile.lookup(file)->path(), tensor, "is missing");
  return result;
}

SafetensorsFolder::Place SafetensorsFolder::find(StringRef name) const {
  return byName.lookup(name);
}

Expected<SafetensorsFolder::Place>
SafetensorsFolder::require(StringRef name) const {
  if (Place place = find(name))
    return place;
  return tensorError(folderPath, name, "is missing");
}
