// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ggml's block types as schemes: those of BlockFormats.def.

#include "GridBlocks.h"
#include "PlainBlocks.h"
#include "SuperBlocks.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "quant-mlir/Dialect/QT/IR/QTWeighedScheme.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

#define GET_ATTRDEF_CLASSES
#include "GGUF.h.inc"
#define GET_ATTRDEF_CLASSES
#include "GGUF.cpp.inc"

namespace quantmlir::qt {
void registerGGUFScheme(QTDialect &dialect) {
#define QUANT_BLOCK(NAME, MNEMONIC, VALUES, BYTES, GGUF)                       \
  dialect.addAttribute<NAME##Attr>();
#include "quant-mlir/Quantize/BlockFormats.def"
}
} // namespace quantmlir::qt

#define QUANT_BLOCK(NAME, MNEMONIC, VALUES, BYTES, GGUF)                       \
  llvm::Error NAME##Attr::quantizeMatrix(                                      \
      ArrayRef<float> values, int64_t, int64_t,                                \
      MutableArrayRef<std::vector<uint8_t>> parts) const {                     \
    return encodeBlocks(BlockFormat::NAME, values, parts[0]);                  \
  }                                                                            \
  llvm::Error NAME##Attr::quantizeWeighed(                                     \
      ArrayRef<float> values, int64_t, int64_t, ArrayRef<float> importance,    \
      MutableArrayRef<std::vector<uint8_t>> parts) const {                     \
    return encodeBlocks(BlockFormat::NAME, values, parts[0], importance);      \
  }
#include "quant-mlir/Quantize/BlockFormats.def"
