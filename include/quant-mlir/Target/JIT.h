// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_TARGET_JIT_H
#define QUANT_MLIR_TARGET_JIT_H

#include "mlir/IR/BuiltinOps.h"
#include "quant-mlir/Runtime/quant_runtime.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>

namespace llvm::orc {
class LLJIT;
} // namespace llvm::orc

namespace quantmlir {

struct JITOptions {
  std::string target = "cpu:native";
  /// Bound of dynamic dimensions, a multiple of 16.
  int64_t batch = 128;
};

/// A packed module compiled into this process: what quantc makes, without
/// files. Its functions are called like those of any model,
///
///   qm_model_open_memory(jit->descriptor(), weights, bytes, &model)
///
/// with weights that lie as the module's `qt.weight ... at OFFSET` say.
class JITModel {
public:
  /// Compiles a module that cpu-pack has run on; the module is changed.
  static llvm::Expected<std::unique_ptr<JITModel>>
  create(mlir::ModuleOp module, const JITOptions &options);
  ~JITModel();

  /// Valid as long as this object.
  const qm_descriptor *descriptor() const { return found; }

private:
  JITModel();

  std::unique_ptr<llvm::orc::LLJIT> jit;
  const qm_descriptor *found = nullptr;
};

} // namespace quantmlir

#endif // QUANT_MLIR_TARGET_JIT_H
