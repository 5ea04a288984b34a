// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CALIBRATE_LIVEVALUES_H
#define QUANT_MLIR_LIB_CALIBRATE_LIVEVALUES_H

#include "quant-mlir/Runtime/quant_runtime.h"
#include "llvm/ADT/DenseMap.h"
#include <memory>

namespace quantmlir {

/// Bytes of a tensor's elements.
int64_t tensorBytes(const qm_tensor &tensor);

/// What stages of one text have left for later ones, by number. Copies share
/// the tensors, which never change.
class LiveValues {
public:
  /// Copies a result.
  void put(int64_t number, const qm_tensor &tensor);
  /// Valid until it is dropped.
  const qm_tensor &get(int64_t number) const;
  void drop(int64_t number) { values.erase(number); }

private:
  struct Value {
    std::shared_ptr<void> memory;
    qm_tensor tensor;
  };
  llvm::DenseMap<int64_t, Value> values;
};

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_CALIBRATE_LIVEVALUES_H
