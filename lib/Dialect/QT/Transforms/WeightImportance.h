// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_WEIGHTIMPORTANCE_H
#define QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_WEIGHTIMPORTANCE_H

#include "mlir/IR/BuiltinOps.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Quantize/ImportanceFile.h"
#include "quant-mlir/Quantize/Recipe.h"

namespace quantmlir::qt {

/// How much the columns of a module's weights count, from a file that may be
/// missing.
class WeightImportance {
public:
  /// With an empty path there is none.
  llvm::Error load(mlir::ModuleOp module, llvm::StringRef path);

  explicit operator bool() const { return file != nullptr; }
  /// Of a weight that becomes `scheme`; empty if it is not known, or rounding
  /// has no choice that it matters for.
  llvm::Expected<std::vector<float>>
  read(WeightOp weight, QuantSchemeInterface scheme, const Rounding &rounding);
  /// Fails if there is a file, and nothing has been read from it.
  llvm::Error checkUsed() const;

private:
  std::shared_ptr<const ImportanceFile> file; ///< shared: passes are copied
  std::string architecture;
  bool used = false;
};

} // namespace quantmlir::qt

#endif // QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_WEIGHTIMPORTANCE_H
