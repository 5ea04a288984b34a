// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_TOOLS_COMMON_FIRSTERROR_H
#define QUANT_MLIR_TOOLS_COMMON_FIRSTERROR_H

// MLIR reports an error with notes and the operation, which may be a whole
// model, and then others that follow from it. For the user of a tool the first
// says it all.

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace quantmlir {

/// Takes the diagnostics of a context while it lives: keeps the first error,
/// and the warnings in case there is none.
class FirstError : mlir::ScopedDiagnosticHandler {
public:
  /// input: the file that errors without a place are about.
  FirstError(mlir::MLIRContext *context, llvm::StringRef input);

  /// For the end of the tool's work. Of an error: the one that a diagnostic
  /// reported instead, if one did, for it came before and knows more. Success
  /// stays success; then the warnings are printed.
  llvm::Error explain(llvm::Error error) const;

private:
  std::string describe(mlir::Diagnostic &diagnostic) const;

  std::string input, first;
  std::vector<std::string> warnings;
};

} // namespace quantmlir

#endif // QUANT_MLIR_TOOLS_COMMON_FIRSTERROR_H
