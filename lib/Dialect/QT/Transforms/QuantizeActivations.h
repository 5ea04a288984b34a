// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_QUANTIZEACTIVATIONS_H
#define QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_QUANTIZEACTIVATIONS_H

#include "RecipeSchemes.h"
#include "llvm/ADT/DenseMap.h"

namespace quantmlir::qt {

/// Makes what a product reads instead of a float activation, once for all of
/// the activation's readers.
class ActivationQuantizer {
public:
  /// `fusesProducts`: a product with a vector becomes part of the quantization.
  explicit ActivationQuantizer(RecipeSchemes &rules, bool fusesProducts = true)
      : rules(rules), fusesProducts(fusesProducts) {}

  /// The activation of `op` as `rule` wants it beside a weight of the scheme
  /// `weights`; null if the op has none. `scale` names the weight that holds
  /// the scale, if calibration has found one.
  mlir::Value quantize(mlir::OpBuilder &builder, QuantizableOpInterface op,
                       QuantSchemeInterface weights, const RecipeRule &rule,
                       llvm::StringRef scale);

  /// The activation as a float tensor with what `quantize` does to it; itself
  /// if that is nothing.
  mlir::Value round(mlir::OpBuilder &builder, QuantizableOpInterface op,
                    QuantSchemeInterface weights, const RecipeRule &rule);

  /// Adds the product with the outliers to a product without them, if they
  /// have been taken apart; else it is the result.
  mlir::Value addOutliers(mlir::OpBuilder &builder, MatmulOp matmul);

  /// Erases products that no op needs because quantization multiplies.
  void eraseFusedProducts();

private:
  mlir::Value inliersOf(mlir::OpBuilder &builder, mlir::Value x,
                        double threshold);

  RecipeSchemes &rules;
  bool fusesProducts;
  llvm::DenseMap<std::pair<mlir::Value, mlir::Attribute>, mlir::Value>
      quantized, inliers;
  llvm::DenseMap<mlir::Value, mlir::Value> rounded;
  llvm::SmallVector<mlir::Operation *> fusedProducts;
};

} // namespace quantmlir::qt

#endif // QUANT_MLIR_LIB_DIALECT_QT_TRANSFORMS_QUANTIZEACTIVATIONS_H
