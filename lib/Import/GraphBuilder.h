// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_IMPORT_GRAPHBUILDER_H
#define QUANT_MLIR_LIB_IMPORT_GRAPHBUILDER_H

// What the importers share: weights of a model's files as values of the float
// graph, and the graphs of the architectures.

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"
#include "quant-mlir/Import/Checkpoint.h"
#include "quant-mlir/Import/WeightSource.h"
#include "llvm/ADT/StringSet.h"

namespace quantmlir {

/// Builds a module's function @forward. The first thing that goes wrong with a
/// weight is kept and returned by `finish`, so that a graph can be written down
/// without a check after each line.
class GraphBuilder {
public:
  /// `checkpoint`, if it is not null, is asked for matrices before the files.
  GraphBuilder(mlir::MLIRContext *context,
               llvm::ArrayRef<std::shared_ptr<WeightFile>> files,
               const Checkpoint *checkpoint = nullptr);

  mlir::ModuleOp module() { return *moduleOp; }
  mlir::ImplicitLocOpBuilder &builder() { return b; }

  /// Sets a module attribute of the lm dialect.
  void setString(llvm::StringRef name, llvm::StringRef value);
  void setInteger(llvm::StringRef name, int64_t value);

  /// Starts @forward; later calls add to its body.
  mlir::func::FuncOp startFunction(mlir::TypeRange inputs, mlir::Type result);

  bool has(llvm::StringRef name) const;
  /// True if there is something that `matrix` could read.
  bool hasMatrix(llvm::StringRef name) const;
  /// A matrix [rows, columns] as a float tensor, dequantized if it is stored
  /// quantized or in 16 bits. Its columns may be stored in another order, see
  /// StoredMatrix; without `order` that is an error.
  mlir::Value matrix(llvm::StringRef name, int64_t rows, int64_t columns,
                     std::vector<int32_t> *order = nullptr,
                     WeightForm form = WeightForm::AsUsed);
  /// `count` matrices [rows, columns], one below the other, as a matrix: a
  /// tensor [count, rows, columns] or, if the name has {} where theirs have a
  /// number, a tensor each.
  mlir::Value stack(llvm::StringRef name, int64_t count, int64_t rows,
                    int64_t columns);
  /// A tensor that stays in f32: a bias, a norm's gain, a position table.
  mlir::Value plain(llvm::StringRef name, llvm::ArrayRef<int64_t> shape,
                    WeightForm form = WeightForm::AsUsed);
  /// x·Wᵀ, plus a bias if the file has a tensor of that name.
  mlir::Value linear(mlir::Value x, llvm::StringRef weight,
                     llvm::StringRef bias, int64_t rows,
                     WeightForm form = WeightForm::AsUsed);
  /// x * factor; x itself for 1.
  mlir::Value scale(mlir::Value x, double factor);
  /// A tensor of the file that the graph does not need.
  void ignore(llvm::StringRef name) { used.insert(name); }

  /// The module, verified, or the first error. A tensor that was never asked
  /// for is one too: a model with parts that the graph lacks is another model.
  llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> finish();

private:
  struct Place {
    WeightFile *file;
    const TensorInfo *tensor;
  };
  std::optional<Place> find(llvm::StringRef name) const;
  std::optional<Place> findChecked(llvm::StringRef name,
                                   llvm::ArrayRef<int64_t> shape);
  mlir::Value load(llvm::StringRef name, mlir::Type type, Place place,
                   WeightForm form);
  /// Declares a weight, unless it is known, in front of the function, in the
  /// order of use; null if it is known.
  qt::WeightOp declare(llvm::StringRef name, mlir::Type type,
                       llvm::StringRef path, llvm::StringRef tensor = {});
  /// The type of a matrix on file: floats, or quantized. Null, and a problem,
  /// if it is of no use.
  mlir::Type storedType(Place place, mlir::RankedTensorType logical);
  /// A loaded matrix as floats.
  mlir::Value toFloats(mlir::Value loaded, mlir::RankedTensorType logical);
  /// A matrix of the checkpoint; null if it has none of that name.
  mlir::Value storedMatrix(llvm::StringRef name, mlir::RankedTensorType type,
                           std::vector<int32_t> *order);
  qt::QuantSchemeInterface parseScheme(llvm::StringRef name,
                                       const StoredMatrix &stored);
  /// Notes what the checkpoint says about the input of a weight.
  void noteInput(qt::WeightOp weight, const StoredMatrix &stored);
  /// The type that a stack has in a checkpoint; null if it is not stored
  /// quantized, or there is a problem.
  mlir::Type storedStack(llvm::StringRef name, int64_t count,
                         mlir::RankedTensorType one, StoredMatrix &first);
  /// The channels of x in another order.
  mlir::Value reorder(mlir::Value x, llvm::ArrayRef<int32_t> order);
  mlir::Value missing(llvm::ArrayRef<int64_t> shape);
  void fail(llvm::Error error);

  llvm::SmallVector<std::shared_ptr<WeightFile>> files;
  const Checkpoint *checkpoint;
  mlir::OwningOpRef<mlir::ModuleOp> moduleOp;
  mlir::ImplicitLocOpBuilder b;
  llvm::StringSet<> used;
  /// The last result of `reorder`: several matrices read one activation.
  struct {
    mlir::Value x;
    std::vector<int32_t> order;
    mlir::Value result;
  } reordered;
  /// The first of these is reported.
  std::optional<std::string> problem;
};

/// Sizes that come from a file before a graph is made of them, with generous
/// bounds: they only keep absurd numbers from becoming work. Fails at the first
/// that is not between 1 and its bound.
struct ModelSize {
  const char *name;
  int64_t value, most;
};
llvm::Error checkSizes(llvm::StringRef path, llvm::ArrayRef<ModelSize> sizes);

struct BertConfig {
  int64_t layers = 0, hidden = 0, heads = 0, feedForward = 0;
  int64_t vocabulary = 0, positions = 0, segments = 0;
  double eps = 0;
  lm::ActivationKind activation = lm::ActivationKind::Gelu;
};

/// Checks sizes that come from a file before a graph is made of them.
llvm::Error checkBertConfig(llvm::StringRef path, const BertConfig &config);
/// `prefix` stands before all names: "" or "bert.".
void buildBert(GraphBuilder &graph, const BertConfig &config,
               llvm::StringRef prefix);

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_IMPORT_GRAPHBUILDER_H
