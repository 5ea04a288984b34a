// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/ImportanceFile.h"
#include "quant-mlir/Import/GGUF.h"
#include "quant-mlir/Quantize/Hessian.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cmath>

using namespace quantmlir;
using llvm::StringRef;
using llvm::Twine;

llvm::Expected<std::unique_ptr<ImportanceFile>>
ImportanceFile::open(StringRef path) {
  std::unique_ptr<ImportanceFile> file(new ImportanceFile(path));
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return fileError(path, buffer.getError().message());
  StringRef bytes = (*buffer)->getBuffer();
  if (bytes.size() <= 8 || bytes[8] != '{') { // as safetensors begin
    if (llvm::Error error =
            bytes.starts_with("GGUF") ? file->readGGUF() : file->readOld(bytes))
      return std::move(error);
    return file;
  }
  auto opened = StatisticsFile::open(path);
  if (!opened)
    return opened.takeError();
  file->statistics = std::move(*opened);
  if (!file->statistics->content().hessian)
    return fileError(path, "has no Hessians of the activations, whose "
                           "diagonals are the importance");
  return file;
}

llvm::Error ImportanceFile::add(StringRef weight, std::vector<float> sums,
                                double calls) {
  for (float &sum : sums) {
    sum = float(sum / calls);
    if (!std::isfinite(sum) || sum < 0)
      return tensorError(filePath, weight,
                         "has a mean of squares that is none: " +
                             llvm::formatv("{0}", sum));
  }
  if (!means.try_emplace(weight, std::move(sums)).second)
    return tensorError(filePath, weight, "appears twice");
  return llvm::Error::success();
}

static std::vector<float> floatsOf(StringRef bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  for (auto [i, value] : llvm::enumerate(values))
    value = llvm::bit_cast<float>(
        llvm::support::endian::read32le(bytes.data() + i * sizeof(float)));
  return values;
}

llvm::Error ImportanceFile::readGGUF() {
  auto file = GGUFFile::open(filePath);
  if (!file)
    return file.takeError();
  for (const TensorInfo &tensor : (*file)->tensors()) {
    StringRef name = tensor.name;
    if (!name.consume_back(".in_sum2"))
      continue;
    const TensorInfo *counts = (*file)->find((name + ".counts").str());
    if (tensor.type != DType::F32 || !counts || counts->type != DType::F32)
      return tensorError(filePath, name, "has no sums and counts in F32");
    // One count for each expert; of most weights there is one.
    if (counts->numElements() != 1)
      return tensorError(filePath, name,
                         "is of experts, which are not supported yet");
    float count = floatsOf(llvm::toStringRef((*file)->data(*counts))).front();
    // What was never reached counts the same everywhere.
    std::vector<float> sums =
        floatsOf(llvm::toStringRef((*file)->data(tensor)));
    if (count == 0)
      llvm::fill(sums, count = 1);
    if (llvm::Error error = add(name, std::move(sums), count))
      return error;
  }
  if (means.empty())
    return fileError(filePath, "is a GGUF file, but no importance matrix");
  return llvm::Error::success();
}

llvm::Error ImportanceFile::readOld(StringRef bytes) {
  auto bad = [&](const Twine &why) {
    return fileError(filePath,
                     "is no importance matrix, nor statistics: " + why);
  };
  // Whatever is negative is too large.
  auto number = [&](uint32_t &value) {
    if (bytes.size() < 4)
      return false;
    value = llvm::support::endian::read32le(bytes.data());
    bytes = bytes.drop_front(4);
    return true;
  };
  uint32_t entries, length, calls, columns;
  if (!number(entries) || entries == 0 || entries > bytes.size() / 12)
    return bad("the number of entries makes no sense");
  for (uint32_t i = 0; i < entries; ++i) {
    if (!number(length) || length == 0 || length > bytes.size())
      return bad("the name of entry " + Twine(i) + " is cut off");
    StringRef name = bytes.take_front(length);
    bytes = bytes.drop_front(length);
    if (!number(calls) || !number(columns) ||
        columns > bytes.size() / sizeof(float))
      return bad("the numbers of " + quoteName(name) + " are cut off");
    std::vector<float> sums = floatsOf(bytes.take_front(columns * 4ull));
    bytes = bytes.drop_front(columns * 4ull);
    if (llvm::Error error = add(name, std::move(sums), calls ? calls : 1))
      return error;
  }
  return llvm::Error::success();
}

llvm::Expected<std::vector<float>>
ImportanceFile::read(StringRef weight, int64_t rowLength) const {
  std::vector<float> columns;
  if (statistics) {
    const SiteInfo *site = statistics->findSiteOf(weight);
    if (!site)
      return columns;
    auto seen = statistics->read(*site);
    if (!seen)
      return seen.takeError();
    columns = getDiagonal(seen->hessian, site->channels);
  } else {
    columns = means.lookup(weight);
  }
  if (!columns.empty() && int64_t(columns.size()) != rowLength)
    return tensorError(filePath, weight,
                       "has " + Twine(columns.size()) +
                           " columns, the weight " + Twine(rowLength));
  return columns;
}
