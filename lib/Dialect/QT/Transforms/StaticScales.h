// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_STATICSCALES_H
#define QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_STATICSCALES_H

#include "mlir/IR/BuiltinOps.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Quantize/Recipe.h"
#include "quant-mlir/Quantize/Statistics.h"
#include "llvm/ADT/MapVector.h"

namespace quantmlir::qt {

/// The activations that are to have one scale for all tokens, and the scales
/// that calibration finds: weights called after their sites.
class StaticScales {
public:
  void clear() { sites.clear(); }
  bool empty() const { return sites.empty(); }
  void add(llvm::StringRef site, QuantSchemeInterface scheme,
           const StaticActivations &how);

  /// Adds the statistics that are needed.
  void request(StatisticsContent &content) const;
  /// Finds the scale of an activation, if it is one of them. A remark at
  /// `place` says if it needs a scale for each token.
  llvm::Error choose(const ActivationStatistics &statistics,
                     mlir::Location place);

  /// The tensors of a file of weights, and what is in them.
  void announce(std::vector<SafetensorsWriter::Entry> &entries) const;
  llvm::Error write(SafetensorsWriter &writer) const;
  /// Declares them in front of the module, as weights in `file`.
  void declare(mlir::ModuleOp module, llvm::StringRef file) const;

  /// The weight with the scale of an activation; empty if there is none.
  std::string getName(llvm::StringRef site) const;

private:
  struct Site {
    QuantSchemeInterface scheme;
    const StaticActivations *how = nullptr;
    bool seen = false;
    std::optional<float> scale; ///< none if it needs one for each token
  };

  llvm::MapVector<llvm::StringRef, Site> sites; ///< by name
};

} // namespace quantmlir::qt

#endif // QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_STATICSCALES_H
