// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a rounded weight does to a model's output, and the file that says it of
// all weights: JSON with
//
//   "format"   what this file is
//   "model"    the model's fingerprint
//   "tokens"   where the texts came from, for people
//   "scheme"   what each weight by itself was rounded to, to the nearest codes
//   "effects"  an object, from each weight's name to a number: how far the
//              output was then from the float model's
//
// Numbers are the mean divergence KL(float model ‖ rounded) of a language
// model's predictions, and of other outputs y the share |y - ŷ|² / |ŷ|². Both
// grow with the square of the error. So an effect, divided by the relative
// squared error of the weight's product, says what such an error costs.

#ifndef QUANT_MLIR_QUANTIZE_WEIGHTEFFECTS_H
#define QUANT_MLIR_QUANTIZE_WEIGHTEFFECTS_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <map>
#include <string>

namespace quantmlir {

struct WeightEffects {
  std::string model, tokens, scheme;
  std::map<std::string, double> effects;

  /// Nothing is at `path` until all of it is.
  llvm::Error write(llvm::StringRef path) const;
  /// Errors: `FILE: reason`, also if it is of another model.
  static llvm::Expected<WeightEffects> read(llvm::StringRef path,
                                            llvm::StringRef model);
};

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_WEIGHTEFFECTS_H
