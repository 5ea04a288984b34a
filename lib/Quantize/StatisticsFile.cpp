// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Statistics.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include <algorithm>
#include <cmath>
#include <cstring>

using namespace quantmlir;
using llvm::ArrayRef;
using llvm::StringRef;

static const char *const formatName = "quant-mlir statistics 1";

namespace {

/// One tensor of a site.
struct Part {
  const char *suffix;
  DType type;
  bool present;
  llvm::SmallVector<int64_t> shape;
};

} // namespace

/// The tensors of a site, in the order of the file.
static llvm::SmallVector<Part> partsOf(const StatisticsContent &content,
                                       int64_t channels) {
  return {{".tokens", DType::I64, true, {1}},
          {".min", DType::F32, content.range, {channels}},
          {".max", DType::F32, content.range, {channels}},
          {".mean", DType::F32, content.mean, {channels}},
          {".mean_abs", DType::F32, content.meanAbs, {channels}},
          {".hessian", DType::F32, content.hessian, {channels, channels}},
          {".histogram", DType::I64, content.histogram, {histogramBins}}};
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

llvm::Expected<std::unique_ptr<StatisticsWriter>>
StatisticsWriter::create(StringRef path, ArrayRef<SiteInfo> sites,
                         StatisticsContent content,
                         const StatisticsMetadata &metadata) {
  std::vector<SafetensorsWriter::Entry> entries;
  llvm::json::Object weights;
  for (const SiteInfo &site : sites) {
    for (Part &part : partsOf(content, site.channels))
      if (part.present)
        entries.push_back({site.name + part.suffix,
                           dtypeSafetensorsName(part.type).str(), part.shape,
                           *tensorBytes(part.type, part.shape)});
    // A weight that two activations meet belongs to the first.
    for (const std::string &reader : site.readers)
      weights.try_emplace(reader, site.name);
  }
  std::string map =
      llvm::formatv("{0}", llvm::json::Value(std::move(weights))).str();
  auto writer = SafetensorsWriter::create(path, entries,
                                          {{"format", formatName},
                                           {"model", metadata.model},
                                           {"tokens", metadata.tokens},
                                           {"weights", map}});
  if (!writer)
    return writer.takeError();
  std::unique_ptr<StatisticsWriter> result(new StatisticsWriter());
  result->path = path.str();
  result->writer = std::move(*writer);
  result->sites.assign(sites.begin(), sites.end());
  result->content = content;
  return result;
}

template <typename T> static ArrayRef<uint8_t> bytesOf(const T &values) {
  return {reinterpret_cast<const uint8_t *>(values.data()),
          values.size() * sizeof(values[0])};
}

llvm::Error StatisticsWriter::append(const ActivationStatistics &site) {
  auto fail = [&](const llvm::Twine &why) {
    return fileError(path, "site " + quoteName(site.site) + ": " + why);
  };
  if (next == sites.size() || sites[next].name != site.site)
    return fail("is not the next to be written");
  size_t k = sites[next].channels;
  struct {
    const char *name;
    ArrayRef<float> values;
    size_t wanted;
  } floats[] = {{"min", site.min, content.range ? k : 0},
                {"max", site.max, content.range ? k : 0},
                {"mean", site.mean, content.mean ? k : 0},
                {"mean_abs", site.meanAbs, content.meanAbs ? k : 0},
                {"hessian", site.hessian, content.hessian ? k * k : 0}};
  for (auto &part : floats) {
    if (part.values.size() != part.wanted)
      return fail(llvm::Twine(part.name) + " has " +
                  llvm::Twine(part.values.size()) + " values, not " +
                  llvm::Twine(part.wanted));
    for (float value : part.values)
      if (!std::isfinite(value))
        return fail(llvm::Twine(part.name) + " is not finite");
  }
  if (site.histogram.size() != (content.histogram ? histogramBins : 0))
    return fail("the histogram has " + llvm::Twine(site.histogram.size()) +
                " bins");
  if (llvm::Error error = writer->append(bytesOf(ArrayRef(site.tokens))))
    return error;
  for (auto &part : floats)
    if (llvm::Error error = writer->append(bytesOf(part.values)))
      return error;
  ++next;
  return writer->append(bytesOf(site.histogram));
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

llvm::Expected<std::unique_ptr<StatisticsFile>>
StatisticsFile::open(StringRef path) {
  llvm::Expected<std::shared_ptr<SafetensorsFile>> file =
      SafetensorsFile::open(path);
  if (!file)
    return file.takeError();
  std::unique_ptr<StatisticsFile> result(new StatisticsFile());
  result->file = *file;
  if (llvm::Error error = result->index())
    return std::move(error);
  return result;
}

llvm::Error StatisticsFile::index() {
  auto entry = [&](const char *key) -> std::string {
    auto found = file->metadata().find(key);
    return found == file->metadata().end() ? "" : found->second;
  };
  if (entry("format") != formatName)
    return fileError(path(), "is not a file of calibration statistics");
  info = {entry("model"), entry("tokens")};
  llvm::Expected<llvm::json::Value> weights =
      llvm::json::parse(entry("weights"));
  if (!weights || !weights->getAsObject()) {
    llvm::consumeError(weights.takeError());
    return fileError(path(), "its metadata does not map weights to sites");
  }

  // Sites in the order of the file, which is the program's.
  llvm::StringMap<size_t> byName;
  for (const TensorInfo &tensor : file->tensors()) {
    StringRef name = tensor.name;
    if (!name.consume_back(".tokens"))
      continue;
    byName[name] = list.size();
    list.push_back({name.str(), {}, 0});
  }
  for (auto &[weight, site] : *weights->getAsObject()) {
    std::optional<StringRef> name = site.getAsString();
    auto found = name ? byName.find(*name) : byName.end();
    if (found == byName.end())
      return fileError(path(), "weight " + quoteName(weight.str()) +
                                   " belongs to a site that is not there");
    byWeight[weight.str()] = found->second;
    list[found->second].readers.push_back(weight.str());
  }
  if (list.empty())
    return fileError(path(), "has no sites");

  auto find = [&](const SiteInfo &site, const char *suffix) {
    return file->find(site.name + suffix);
  };
  const SiteInfo &first = list.front();
  has = {find(first, ".min") != nullptr, find(first, ".mean") != nullptr,
         find(first, ".mean_abs") != nullptr,
         find(first, ".hessian") != nullptr,
         find(first, ".histogram") != nullptr};
  for (SiteInfo &site : list) {
    // The weight that names the site is the first.
    std::stable_partition(
        site.readers.begin(), site.readers.end(),
        [&](const std::string &reader) { return reader == site.name; });
    for (const char *suffix : {".min", ".mean", ".mean_abs", ".hessian"})
      if (const TensorInfo *tensor = find(site, suffix);
          tensor && !tensor->shape.empty())
        site.channels = tensor->shape[0];
    for (Part &part : partsOf(has, site.channels)) {
      const TensorInfo *tensor = find(site, part.suffix);
      if (part.present &&
          (!tensor || tensor->type != part.type || tensor->shape != part.shape))
        return tensorError(path(), site.name + part.suffix,
                           "is missing, or of another type or shape than the "
                           "other statistics of its site");
    }
  }
  return llvm::Error::success();
}

llvm::Error StatisticsFile::checkModel(StringRef fingerprint) const {
  if (info.model == fingerprint)
    return llvm::Error::success();
  return fileError(path(), "statistics of another model (fingerprint " +
                               info.model + ", this model's is " + fingerprint +
                               ")");
}

const SiteInfo *StatisticsFile::findSiteOf(StringRef weight) const {
  auto found = byWeight.find(weight);
  return found == byWeight.end() ? nullptr : &list[found->second];
}

llvm::Expected<const SiteInfo *>
StatisticsFile::siteOf(StringRef weight) const {
  if (const SiteInfo *site = findSiteOf(weight))
    return site;
  return fileError(path(), "has no statistics of the activation that weight " +
                               quoteName(weight) + " reads");
}

llvm::Expected<ActivationStatistics>
StatisticsFile::read(const SiteInfo &site, bool withHessian) const {
  ActivationStatistics result;
  result.site = site.name;
  result.readers = site.readers;
  auto copy = [&](auto &values, const char *suffix) {
    if (const TensorInfo *tensor = file->find(site.name + suffix)) {
      ArrayRef<uint8_t> bytes = file->data(*tensor);
      values.resize(bytes.size() / sizeof(values[0]));
      std::memcpy(values.data(), bytes.data(), bytes.size());
    }
  };
  std::vector<int64_t> tokens;
  copy(tokens, ".tokens");
  result.tokens = tokens.front();
  if (result.tokens < 1)
    return tensorError(path(), site.name + ".tokens",
                       "is not a number of tokens");
  copy(result.min, ".min");
  copy(result.max, ".max");
  copy(result.mean, ".mean");
  copy(result.meanAbs, ".mean_abs");
  if (withHessian)
    copy(result.hessian, ".hessian");
  copy(result.histogram, ".histogram");
  for (const std::vector<float> *values :
       {&result.min, &result.max, &result.mean, &result.meanAbs,
        &result.hessian})
    for (float value : *values)
      if (!std::isfinite(value))
        return fileError(path(), "site " + quoteName(site.name) +
                                     " has numbers that are not finite");
  return result;
}

//===----------------------------------------------------------------------===//
// Merging
//===----------------------------------------------------------------------===//

llvm::Error quantmlir::mergeStatistics(ArrayRef<std::string> inputs,
                                       StringRef output) {
  std::vector<std::unique_ptr<StatisticsFile>> files;
  std::string tokens;
  for (const std::string &input : inputs) {
    llvm::Expected<std::unique_ptr<StatisticsFile>> file =
        StatisticsFile::open(input);
    if (!file)
      return file.takeError();
    files.push_back(std::move(*file));
    tokens += (tokens.empty() ? "" : "; ") + files.back()->metadata().tokens;
  }
  if (files.empty())
    return fileError(output, "there is nothing to merge");
  const StatisticsFile &first = *files.front();
  for (auto &file : files) {
    if (llvm::Error error = file->checkModel(first.metadata().model))
      return error;
    bool same = file->content() == first.content() &&
                file->sites().size() == first.sites().size();
    for (size_t i = 0; same && i < first.sites().size(); ++i)
      same = file->sites()[i].name == first.sites()[i].name &&
             file->sites()[i].channels == first.sites()[i].channels;
    if (!same)
      return fileError(file->path(),
                       "has other sites or other statistics than " +
                           first.path());
  }
  auto writer = StatisticsWriter::create(output, first.sites(), first.content(),
                                         {first.metadata().model, tokens});
  if (!writer)
    return writer.takeError();
  for (size_t i = 0; i < first.sites().size(); ++i) {
    llvm::Expected<ActivationStatistics> sum = first.read(first.sites()[i]);
    if (!sum)
      return sum.takeError();
    for (auto &file : ArrayRef(files).drop_front()) {
      auto other = file->read(file->sites()[i]);
      if (!other)
        return other.takeError();
      sum->merge(*other);
    }
    if (llvm::Error error = (*writer)->append(*sum))
      return error;
  }
  return (*writer)->finish();
}
