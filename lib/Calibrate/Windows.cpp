// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Calibrate/Calibrate.h"
#include "quant-mlir/Import/TokenArray.h"
#include "quant-mlir/Import/WeightFile.h"

using namespace quantmlir;
using llvm::StringRef;

/// The i-th of `count` places from 0 to `last`.
static int64_t spread(int64_t i, int64_t count, int64_t last) {
  return count > 1 ? i * last / (count - 1) : 0;
}

llvm::Expected<std::vector<Window>>
quantmlir::readWindows(StringRef path, const WindowOptions &options) {
  if (options.count < 1 || options.length < 1)
    return llvm::createStringError("calibration needs at least one text of "
                                   "one token");
  llvm::Expected<TokenArray> array = readTokenArray(path);
  if (!array)
    return array.takeError();
  std::vector<Window> windows;
  llvm::ArrayRef<int32_t> values = array->values;
  if (array->shape.size() == 1) {
    if (llvm::is_contained(values, -1))
      return fileError(path, "has a negative token");
    int64_t total = values.size();
    int64_t length = std::min(options.length, total);
    if (total == 0)
      return fileError(path, "has no tokens");
    int64_t count = std::min(options.count, total / length);
    for (int64_t i = 0; i < count; ++i) {
      auto begin = values.begin() + spread(i, count, total - length);
      windows.emplace_back(begin, begin + length);
    }
    return windows;
  }
  int64_t rows = array->shape[0], columns = array->shape[1];
  int64_t count = std::min(options.count, rows);
  for (int64_t i = 0; i < count; ++i) {
    int64_t number = spread(i, count, rows - 1);
    auto row = values.slice(number * columns, columns);
    auto end = std::find(row.begin(), row.end(), -1);
    if (std::any_of(end, row.end(), [](int32_t token) { return token != -1; }))
      return fileError(path, "row " + llvm::Twine(number) +
                                 " has tokens behind a -1");
    if (end == row.begin())
      return fileError(path, "row " + llvm::Twine(number) + " has no tokens");
    end = std::min(end, row.begin() + options.length);
    windows.emplace_back(row.begin(), end);
  }
  if (windows.empty())
    return fileError(path, "has no tokens");
  return windows;
}

int64_t quantmlir::longest(llvm::ArrayRef<Window> windows) {
  size_t most = 1;
  for (const Window &window : windows)
    most = std::max(most, window.size());
  return int64_t(most);
}
