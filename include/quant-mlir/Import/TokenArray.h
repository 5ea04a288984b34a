// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_IMPORT_TOKENARRAY_H
#define QUANT_MLIR_IMPORT_TOKENARRAY_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace quantmlir {

/// Token ids from a .npy file.
struct TokenArray {
  llvm::SmallVector<int64_t> shape; ///< one or two dimensions
  std::vector<int32_t> values;      ///< row-major; -1 where there is no token
};

/// Reads int32 or int64 numbers in C order, of numpy's "NPY format" 1 to 3.
/// Errors: another file, or numbers below -1 or too large for int32.
llvm::Expected<TokenArray> readTokenArray(llvm::StringRef path);

} // namespace quantmlir

#endif // QUANT_MLIR_IMPORT_TOKENARRAY_H
