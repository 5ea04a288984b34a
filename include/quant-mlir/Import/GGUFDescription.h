// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_IMPORT_GGUFDESCRIPTION_H
#define QUANT_MLIR_IMPORT_GGUFDESCRIPTION_H

#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace quantmlir {

/// What a GGUF file says of a decoder, beside its tokenizer and its tensors.
struct GGUFDescription {
  std::string architecture; ///< its name in GGUF files
  int64_t vocabulary = 0;
  /// Keys, with the architecture in front: u32 and f32.
  std::vector<std::pair<std::string, int64_t>> integers;
  std::vector<std::pair<std::string, double>> numbers;
  std::vector<std::pair<std::string, std::string>> strings;
  /// The tensor that divides the angles of rope; empty if there is none.
  std::vector<float> ropeDivisors;
  /// The size of heads of queries and keys whose rows are stored so that the
  /// pairs that rope turns are neighbours; 0 if they stay as they are, half a
  /// head apart.
  int64_t interleavedHead = 0;
};

/// Of the decoder in a Hugging Face folder. Fails if it is none, or GGUF files
/// cannot say what its configuration does.
llvm::Expected<GGUFDescription> describeAsGGUF(llvm::StringRef folder,
                                               mlir::MLIRContext *context);

/// The tensor of `GGUFDescription::ropeDivisors`.
inline constexpr llvm::StringLiteral ropeDivisorsName = "rope_freqs.weight";

} // namespace quantmlir

#endif // QUANT_MLIR_IMPORT_GGUFDESCRIPTION_H
