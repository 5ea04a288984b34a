// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Import/JSONFile.h"
#include "quant-mlir/Import/WeightFile.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;
using namespace quantmlir;

static constexpr uint64_t largestFile = uint64_t(64) << 20;
static constexpr unsigned deepestNesting = 100;

/// The largest depth of brackets outside strings.
static unsigned nesting(StringRef text) {
  unsigned depth = 0, deepest = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inString) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        inString = false;
    } else if (c == '"') {
      inString = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

Expected<json::Object> quantmlir::readJSONObject(StringRef path) {
  sys::fs::file_status status;
  if (std::error_code code = sys::fs::status(path, status))
    return fileError(path, "cannot be read: " + code.message());
  if (status.type() != sys::fs::file_type::regular_file)
    return fileError(path, "is not a regular file");
  if (status.getSize() > largestFile)
    return fileError(path, "is larger than 64 MiB, which no such JSON file is");
  auto buffer = MemoryBuffer::getFile(path);
  if (!buffer)
    return fileError(path, "cannot be read: " + buffer.getError().message());
  StringRef text = (*buffer)->getBuffer();
  if (nesting(text) > deepestNesting)
    return fileError(path, "is nested more than 100 levels deep");
  Expected<json::Value> value = json::parse(text);
  if (!value)
    return fileError(path, "is not JSON: " + toString(value.takeError()));
  if (json::Object *object = value->getAsObject())
    return std::move(*object);
  return fileError(path, "is not a JSON object");
}
