// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Small JSON files of strangers: config.json and its kin.

#ifndef QUANT_MLIR_IMPORT_JSONFILE_H
#define QUANT_MLIR_IMPORT_JSONFILE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace quantmlir {

/// Parses a JSON file of at most 64 MiB whose outermost value is an object.
/// LLVM's parser recurses, so nesting deeper than 100 levels is refused first.
/// Errors are one line, `FILE: reason`.
llvm::Expected<llvm::json::Object> readJSONObject(llvm::StringRef path);

} // namespace quantmlir

#endif // QUANT_MLIR_IMPORT_JSONFILE_H
