// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// llama.cpp's mixes of block types: Q4_K_M is Q4_K for most weights and Q6_K
// for those that lose the most, in about half of the layers. Which type a
// weight gets depends on its place in the model, so a mix is a function of all
// its weights. Some choices of llama-quantize are others if there is an
// importance matrix.

#ifndef QUANT_MLIR_QUANTIZE_MIX_H
#define QUANT_MLIR_QUANTIZE_MIX_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <string>
#include <vector>

namespace quantmlir {

/// A matrix of a model, by its name in GGUF files or Hugging Face's folders.
struct MixWeight {
  std::string name;
  int64_t rows, rowLength;
};

/// What the weights of a mix have in common with others of their kind.
enum class MixRole {
  Other,
  Head,  ///< also a table without a head beside it, which is one then
  Table, ///< of tokens
  Kept,  ///< tables of positions and kinds of tokens, which are never rounded
  Query,
  Key,
  Value,
  AttentionOutput,
  Gate,
  Up,
  Down
};

/// In which of n layers, counted from 0, a weight is an exception.
enum class MixLayers {
  All,
  Grouped,   ///< in all, if at least 4 heads share keys and values
  First2,    ///< i < 2
  First4,    ///< i < 4
  Eighth,    ///< i < n / 8
  Sixteenth, ///< i < n / 16
  Middle,    ///< n / 8 <= i < 7 n / 8
  Spread     ///< all but the middle, and of that every third
};

/// Whether there is an importance matrix.
enum class MixCase { Any, Important, Unimportant };

struct Mix {
  struct Exception {
    MixRole role;
    MixLayers layers;
    const char *type;
    MixCase when = MixCase::Any;
  };
  const char *name;
  uint32_t fileType; ///< general.file_type in GGUF files
  const char *type;  ///< of most weights: "q4_K"
  /// The first that is meant counts.
  std::vector<Exception> exceptions = {};
};

/// All mixes. The first of a type has the fewest exceptions.
llvm::ArrayRef<Mix> getMixes();
/// By name, "Q4_K_M"; null if there is none.
const Mix *findMix(llvm::StringRef name);

/// The scheme of each weight of a model, "keep" for those that a mix leaves
/// alone. What is no whole number of blocks gets a type of smaller ones.
std::vector<std::string> chooseMixSchemes(const Mix &mix,
                                          llvm::ArrayRef<MixWeight> weights,
                                          bool hasImportance = false);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_MIX_H
