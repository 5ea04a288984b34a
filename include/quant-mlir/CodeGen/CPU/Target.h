// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CODEGEN_CPU_TARGET_H
#define QUANT_MLIR_CODEGEN_CPU_TARGET_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>

namespace quantmlir::cpu {

/// How a target multiplies four pairs of bytes and adds them to an i32 lane.
enum class DotKind {
  Amx,        ///< as the next, and tiles for 16 rows of activations
  Avx512Vnni, ///< vpdpbusd on zmm: unsigned weight, signed activation
  Avx512,     ///< vpmaddubsw + vpmaddwd on zmm
  AvxVnni,    ///< vpdpbusd on ymm
  Avx2,       ///< vpmaddubsw + vpmaddwd on ymm
  NeonDot,    ///< sdot: both signed
  NeonI8MM    ///< the same, and smmla for two rows of activations
};

/// All that code generation knows about a CPU. What a target can do is data:
/// see the table in Target.cpp.
struct CPUTarget {
  std::string name;     ///< as given on the command line, without "cpu:"
  std::string triple;   ///< LLVM triple
  std::string cpu;      ///< LLVM CPU name
  std::string features; ///< LLVM feature string, "+a,-b"
  DotKind dot;
  int64_t lanes;         ///< 32-bit lanes of a vector register
  int64_t vectors;       ///< registers side by side in a panel
  int64_t rowsInt;       ///< tile rows, one scale per row of the weight
  int64_t rowsIntGroups; ///< tile rows, scales per group
  int64_t rowsFloat;     ///< tile rows of float kernels
  bool dotsBF16;         ///< has vdpbf16ps on zmm
  uint64_t needs;        ///< of qm_cpu_feature: what a CPU must have

  /// True if the dot product wants 8-bit weights as signed bytes.
  bool wantsSignedBytes() const { return dot == DotKind::Avx2 || isNeon(); }
  bool isNeon() const {
    return dot == DotKind::NeonDot || dot == DotKind::NeonI8MM;
  }
};

/// `cpu`, `cpu:native`, or `cpu:` and the name of a row of the table. Errors
/// name the known targets.
llvm::Expected<CPUTarget> parseCPUTarget(llvm::StringRef spec);

using CPUTargets = llvm::SmallVector<CPUTarget, 4>;

/// The same, or several of one architecture whose code an object is to have:
/// `cpu:x86-64-v3,x86-64-v4`. The best comes first.
llvm::Expected<CPUTargets> parseCPUTargets(llvm::StringRef spec);

/// An error unless this machine can run code for the target. Asks the system
/// for what that takes.
llvm::Error checkRunsHere(const CPUTarget &target);

/// Whose panels all of `targets` can read: a register of one is several
/// narrower ones of another, side by side.
CPUTarget chooseForPanels(llvm::ArrayRef<CPUTarget> targets);

} // namespace quantmlir::cpu

#endif // QUANT_MLIR_CODEGEN_CPU_TARGET_H
