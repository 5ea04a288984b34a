// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A model whose code is written by hand, small enough to compute in the head,
// with work for several threads and barriers that it is wrong without.
//
// The language model remembers each token in the cache; the logits of a token
// are
//     logits[v] = weights[v] * (sum of all tokens up to this one) + position
// Vocabulary 5, weights {1, 10, 100, 1000, 10000}, context 100, batches of 4.

#ifndef QUANT_MLIR_TEST_UNIT_RUNTIME_FAKEMODEL_H
#define QUANT_MLIR_TEST_UNIT_RUNTIME_FAKEMODEL_H

#include "quant-mlir/Runtime/quant_runtime.h"

#include <cstdio>
#include <string>
#include <vector>

namespace fake {

constexpr int64_t vocab = 5, context = 100, batch = 4;

/// "forward" with a cache; the hash and size are those of writeWeights().
const qm_descriptor &languageModel();

/// Functions without a cache, no weights:
///   outer(x f32[?], y f32[3]) -> f32[?, 3] and the number of rows as index
///   ids(tokens i64[1, ?]) -> i64[1, ?], the ids doubled; vocab_size is 5
///   views(x f32[?]), of rows[i][j] = x[i] + 100 j in the workspace:
///     its transpose f32[3, ?]; its second column f32[?]; x itself f32[?];
///     what follows its first row, as long as x less one, f32[?]; its sum f32
///   broken() -> f32[2], whose descriptor says that it has 3 elements
const qm_descriptor &graph();

/// A weights file of the language model; returns its bytes.
std::string weightsFile();

/// Writes bytes to a fresh file and removes it again at the end.
class TemporaryFile {
public:
  explicit TemporaryFile(const std::string &bytes);
  ~TemporaryFile();
  const char *path() const { return name.c_str(); }

private:
  std::string name;
};

/// What the language model must answer for tokens[at].
std::vector<float> expectedLogits(const std::vector<int32_t> &tokens,
                                  size_t at);

} // namespace fake

#endif // QUANT_MLIR_TEST_UNIT_RUNTIME_FAKEMODEL_H
