// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_TOOLS_COMMON_TOOL_H
#define QUANT_MLIR_TOOLS_COMMON_TOOL_H

// What our tools have in common: whatever goes wrong is one line on stderr, and
// the exit code is 1 if the input is at fault, 2 if the command line is.

#include "llvm/Support/Error.h"

namespace quantmlir {

/// Parses the options that are registered; false, after a line on stderr, if
/// they are wrong. --help ends the program.
bool parseOptions(int argc, char **argv, llvm::StringRef overview);

/// Says how the options contradict each other. Returns the exit code, 2.
int usageError(llvm::StringRef tool, const llvm::Twine &message);

/// Says what went wrong, if anything did. Returns the exit code, 0 or 1.
int finish(llvm::StringRef tool, llvm::Error error);

} // namespace quantmlir

#endif // QUANT_MLIR_TOOLS_COMMON_TOOL_H
