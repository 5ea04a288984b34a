// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_IMPORT_SCHEMEFORM_H
#define QUANT_MLIR_LIB_IMPORT_SCHEMEFORM_H

// Schemes in the words of checkpoints, for their encoders.

#include "quant-mlir/Import/CheckpointEncoder.h"

namespace quantmlir {

/// What checkpoints ask of a scheme.
struct SchemeForm {
  enum class Kind {
    Other,    ///< nothing that a checkpoint could have
    Plain,    ///< floats without a scale
    Integers, ///< #qt.int
    Floats    ///< #qt.float with scales
  };
  Kind kind = Kind::Other;
  unsigned bits = 0;
  bool asymmetric = false;
  DType codes = DType::F32, scales = DType::F32;
  llvm::SmallVector<int64_t> scaleShape;
  /// One scale for everything.
  bool perTensor = false;
  /// Rows and columns that share a scale, if that is not so.
  int64_t rows = 1, columns = 0;

  bool hasFloatScales() const {
    return scales == DType::F32 || scales == DType::F16 ||
           scales == DType::BF16;
  }
};

/// Rows may be of a dynamic number, as those of activations are.
SchemeForm describeScheme(qt::QuantSchemeInterface scheme,
                          llvm::ArrayRef<int64_t> shape);

/// Codes from 0 on, with zero points that are unsigned as well.
std::vector<uint8_t> unsignedCodes(const SchemeForm &form,
                                   llvm::ArrayRef<uint8_t> codes);

/// "SCHEME cannot be stored as FAMILY; what can: THESE".
llvm::Error refuseScheme(qt::QuantSchemeInterface scheme,
                         llvm::StringRef family, llvm::StringRef these);

std::unique_ptr<CheckpointEncoder> createCompressedTensorsEncoder();
/// Of version 1 or 2.
std::unique_ptr<CheckpointEncoder> createGPTQEncoder(int version);

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_IMPORT_SCHEMEFORM_H
