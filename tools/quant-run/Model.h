// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_TOOLS_QUANT_RUN_MODEL_H
#define QUANT_MLIR_TOOLS_QUANT_RUN_MODEL_H

#include "quant-mlir/Runtime/quant_runtime.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>
#include <vector>

namespace quantmlir {

/// A compiled model in a folder that quantc wrote, and a session of it. The
/// library is used as any application would: through NAME_descriptor and the
/// qm_ functions that it contains.
class Model {
public:
  static llvm::Expected<Model> open(llvm::StringRef folder, int64_t context,
                                    int64_t threads);
  ~Model();
  Model(Model &&other) noexcept;
  Model(const Model &) = delete;

  const qm_descriptor &descriptor() const { return *info; }
  int64_t context() const;
  /// Appends tokens; the logits [outputs, vocabulary] of the last ones.
  llvm::Expected<llvm::ArrayRef<float>> feed(llvm::ArrayRef<int32_t> tokens,
                                             int64_t outputs);
  /// The likeliest k of the tokens to come next, after `feed` with outputs: the
  /// largest logit first, of equal ones the lower id.
  struct Candidate {
    int32_t token;
    float logit;
  };
  llvm::Expected<std::vector<Candidate>> top(int64_t k);
  llvm::Error rewind(int64_t position);

private:
  struct Functions;
  Model() = default;
  llvm::Error failure() const;

  std::shared_ptr<Functions> library;
  const qm_descriptor *info = nullptr;
  qm_model *model = nullptr;
  qm_session *session = nullptr;
  std::string folder;
};

} // namespace quantmlir

#endif // QUANT_MLIR_TOOLS_QUANT_RUN_MODEL_H
