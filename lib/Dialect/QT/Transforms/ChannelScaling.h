// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_CHANNELSCALING_H
#define QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_CHANNELSCALING_H

// Factors between an activation and the weights that read it.
//
//   x·Wᵀ = (x / s) · (W · s)ᵀ
//
// with one positive factor s[k] per channel. The columns of W take s; the
// division is free if whatever makes x is linear in parameters of its own: a
// norm's gain, the rows of the linear before. Between the two there may be ops
// that pass factors on: a product with something else, attention (from its
// values), a ReLU.
//
//   v = linear(h, V)         rows of V divided by s
//   x = attention(q, k, v)   passes factors on; heads that share a key/value
//                            head share their factors
//   y = linear(x, W)         columns of W multiplied by s
//
// Found from the graph; no name of a model or a layer is known here. Where
// nothing can take the division, the readers can get x times a vector of 1/s, a
// weight of its own:
//
//   x' = x · broadcast(1/s)    qt-quantize fuses it (findMultiplier)

#include "WeightValues.h"
#include "llvm/ADT/MapVector.h"

namespace quantmlir::qt {

/// What the factors of a site are called in a file of weights: [K], what the
/// activation that statistics were taken of has been divided by since.
constexpr llvm::StringLiteral smoothingSuffix = ".smoothing";

/// An activation and the ops that multiply it with weights from a file.
struct ActivationSite {
  mlir::Value activation;
  llvm::SmallVector<QuantizableOpInterface> readers;
  /// Of each reader; not null.
  llvm::SmallVector<WeightOp> weights;
  /// All ops that read the weight of each reader, also away from this site: a
  /// table that is the head, too, is looked up.
  llvm::SmallVector<llvm::SmallVector<QuantizableOpInterface, 1>> weightReaders;
  /// What statistics know it as: the weight of the first reader, with a number
  /// from #2 on if it meets other activations, too. Lives as long as the
  /// context.
  llvm::StringRef name;

  /// A weight that is read elsewhere, too, and must not change for this site
  /// alone; null if there is none.
  WeightOp findSharedWeight() const;

  int64_t getChannels() const {
    return llvm::cast<mlir::RankedTensorType>(activation.getType())
        .getShape()
        .back();
  }
};

/// The activations that quantizable ops read, in the program's order. Ops whose
/// weight is not in a file are left out.
llvm::SmallVector<ActivationSite> findActivationSites(mlir::ModuleOp module);

/// What the vector that an activation is multiplied with is called in a file.
constexpr llvm::StringLiteral multiplierSuffix = ".multiplier";

/// How an activation's channels can be divided.
struct ChannelFold {
  /// The op whose parameters are divided; null if there is none and the
  /// activation is multiplied.
  ChannelScalableOpInterface producer;
  /// Its parameters, in files.
  llvm::SmallVector<WeightOp> parameters;
  /// The channel of the producer that each channel of the activation is made
  /// of. Channels made of the same one must have the same factor.
  llvm::SmallVector<int64_t> source;
};

/// Finds where factors can go, or says in `why` what is in the way.
/// `mayMultiply`: if nowhere else, into a product.
mlir::FailureOr<ChannelFold>
findChannelFold(ActivationSite &site, bool mayMultiply, std::string &why);

/// An activation that is the product of another and a vector over its last
/// dimension, a weight.
struct MultipliedActivation {
  mlir::Value activation;
  LoadOp multiplier;
};
std::optional<MultipliedActivation> findMultiplier(mlir::Value activation);

/// Collects factors and writes the weights that they change.
class ChannelScaler {
public:
  explicit ChannelScaler(mlir::ModuleOp module) : module(module) {}

  /// Divides the activation's channels by `factors` (positive, equal where the
  /// fold's sources are) and multiplies the readers' columns by them.
  void scale(ActivationSite &site, const ChannelFold &fold,
             llvm::ArrayRef<float> factors);

  /// The weight's numbers with all factors so far.
  llvm::Expected<std::vector<float>> read(WeightOp weight);

  bool empty() const { return changes.empty(); }

  /// Writes the changed weights as f32, and for every site `NAME.smoothing`
  /// (see smoothingSuffix), to a safetensors file and lets the program load
  /// them from there.
  mlir::LogicalResult write(llvm::StringRef file);

private:
  struct Change {
    std::vector<float> rows, columns; ///< factors; empty: ones
  };
  void multiply(std::vector<float> &factors, size_t index, size_t size,
                float factor);
  void redirect(llvm::StringRef file);
  void insertMultipliers(llvm::StringRef file);

  mlir::ModuleOp module;
  WeightSource source;
  llvm::MapVector<mlir::Operation *, Change> changes;
  llvm::MapVector<llvm::StringRef, std::vector<float>> sites;
  /// Sites whose activation is multiplied.
  llvm::SmallVector<ActivationSite> multiplied;
};

} // namespace quantmlir::qt

#endif // QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_CHANNELSCALING_H
