// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_IMPORT_DECODERGRAPH_H
#define QUANT_MLIR_LIB_IMPORT_DECODERGRAPH_H

// One graph for llama and its relatives. Each layer is
//
//   x += norm?(attention(norm(x)))
//   x += norm?(feedForward(norm(x)))
//
// and architectures differ in the parts that they have: what those are is data
// here, and an importer's work is to read it from a file.

#include "DecoderNames.h"
#include "GraphBuilder.h"

namespace quantmlir {

/// Several feed-forwards in a layer, of which each token takes some.
struct Experts {
  int64_t count = 0; ///< 0: none
  int64_t top = 0;   ///< how many a token takes
  int64_t feedForward = 0;
  bool normalize = true; ///< the shares of those taken are divided by their sum
  std::vector<bool> dense; ///< layers without them; empty: no layer
};

/// How far positions turn queries and keys.
struct Rope {
  double base = 10000;
  /// Pair i turns slower by divisors[i]; empty for as they are.
  std::vector<double> divisors;
  /// What rotated queries and keys are multiplied by.
  double magnitude = 1;
};

struct DecoderConfig {
  std::string architecture;
  int64_t layers = 0, hidden = 0, heads = 0, kvHeads = 0, headSize = 0;
  int64_t feedForward = 0, vocabulary = 0, context = 0, rotary = 0;
  double eps = 0;
  lm::ActivationKind activation = lm::ActivationKind::Silu;

  bool layerNorm = false;        ///< instead of RMSNorm
  bool learnedPositions = false; ///< added to the embedding, instead of rope
  bool gated = true;             ///< the feed-forward has a gate
  bool headNorms = false;        ///< a norm of each head's query and key
  bool postNorms = false;        ///< a norm behind each half, too
  bool fused = false; ///< q, k and v are one matrix, so are gate and up
  bool scaledEmbedding = false; ///< by the root of the hidden size
  bool tied = false;            ///< the head is the embedding
  /// Of scores; 0 for one over the root of the head size.
  double attentionScale = 0;
  double attentionCap = 0, logitCap = 0; ///< 0: none
  /// How far back a layer sees whose place in `windowed` says so; 0 for all.
  int64_t window = 0;
  std::vector<bool> windowed;

  lm::RopeStyle ropeStyle = lm::RopeStyle::Half;
  Rope rope;
  std::optional<Rope> windowRope; ///< of layers with a window, if it differs

  Experts experts;

  /// How the files have the matrices of layers, and the gains of norms.
  WeightForm matrixForm = WeightForm::AsUsed, gainForm = WeightForm::AsUsed;

  /// Gives layers windows: all but each `every`-th; with 1, all. For a checked
  /// number of layers.
  void setWindow(int64_t size, int64_t every);
};

/// What all models of an architecture have in common; none if it is not known.
/// Names are those of GGUF files, "mistral" and "mixtral".
std::optional<DecoderConfig> describeDecoder(llvm::StringRef architecture);
/// "'llama', 'mistral', …"
std::string listDecoders();

/// Checks sizes that come from a file before anything is made of them.
llvm::Error checkDecoderSizes(llvm::StringRef path,
                              const DecoderConfig &config);
/// Checks all other numbers.
llvm::Error checkDecoderNumbers(llvm::StringRef path,
                                const DecoderConfig &config);
void buildDecoder(GraphBuilder &graph, const DecoderConfig &config,
                  const DecoderNames &names);

/// Numbers of one of the ways to stretch rope to longer texts.
struct RopeScaling {
  std::string type; ///< "linear", "llama3", "yarn"; else there is none
  double factor = 1;
  double original = 0;                  ///< the context that was trained on
  double lowFactor = 1, highFactor = 4; ///< llama3
  double fast = 32, slow = 1;           ///< yarn: turns in the original context
  bool wholePairs = true;               ///< yarn: `fast` and `slow` are rounded
  std::optional<double> magnitude;      ///< yarn: instead of 0.1 ln(factor) + 1
};

/// Sets the divisors and the magnitude for a checked size. Fails if a number
/// makes no sense or the type is not supported.
llvm::Error stretchRope(llvm::StringRef path, const RopeScaling &scaling,
                        int64_t rotary, Rope &rope);

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_IMPORT_DECODERGRAPH_H
