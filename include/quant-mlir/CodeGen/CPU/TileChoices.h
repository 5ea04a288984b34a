// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CODEGEN_CPU_TILECHOICES_H
#define QUANT_MLIR_CODEGEN_CPU_TILECHOICES_H

#include "quant-mlir/CodeGen/CPU/Target.h"
#include "quant-mlir/Dialect/Kernel/IR/Kernel.h"
#include <map>

namespace quantmlir::cpu {

/// What was measured of a kernel.
struct TileChoice {
  int64_t rows; ///< of a register tile
  /// How many times as fast it is as with what the table of targets says.
  double gain = 1;
};

/// Measured choices of kernels, as YAML: first the compiler, the CPU and the
/// target, then kernels.
///
///   'quant-mlir 0.1.0, znver4, cpu:native':
///     'kernel.matmul_int !qt.tensor<...>, group 32': {rows: 8, gain: 1.05}
class TileChoices {
public:
  /// Errors are one line that names file and line.
  static llvm::Expected<TileChoices> load(llvm::StringRef path);
  void print(llvm::raw_ostream &os) const;

  /// None of another version of the compiler, or of another CPU than this
  /// machine's.
  std::optional<TileChoice> lookup(const CPUTarget &target,
                                   kernel::MatmulOpInterface matmul) const;
  void set(const CPUTarget &target, kernel::MatmulOpInterface matmul,
           TileChoice choice);

private:
  std::map<std::string, std::map<std::string, TileChoice>> machines;
};

/// What the table of targets says: the most accumulators that leave registers
/// for weights and activations. An error at the op if its weight is packed for
/// wider registers.
llvm::FailureOr<int64_t> defaultTileRows(const CPUTarget &target,
                                         kernel::MatmulOpInterface matmul);

} // namespace quantmlir::cpu

#endif // QUANT_MLIR_CODEGEN_CPU_TILECHOICES_H
