// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_IMPORT_WEIGHTSOURCE_H
#define QUANT_MLIR_IMPORT_WEIGHTSOURCE_H

#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Import/Safetensors.h"
#include "llvm/ADT/StringMap.h"

namespace quantmlir {

class Checkpoint;
struct StoredMatrix;

/// How a file has a weight.
enum class WeightForm {
  AsUsed,
  Transposed, ///< a matrix [columns, rows]
  LessOne,    ///< a norm's gains, 1 missing from each
};

/// On a `qt.weight`: its form, "transposed" or "less_one", if it is not as it
/// is used.
inline constexpr llvm::StringLiteral formAttrName = "qt.form";
void setForm(qt::WeightOp weight, WeightForm form);

/// On a `qt.weight`: of how many matrices, one below the other, it consists.
/// Their names in the file have a number where the weight's has {}; the file
/// may be a folder of several.
inline constexpr llvm::StringLiteral stackAttrName = "qt.stack";
/// The name in the file of matrix `number` of a stack.
std::string nameInStack(llvm::StringRef pattern, int64_t number);

/// The numbers of a weight.
struct WeightData {
  /// The bytes of each storage part; of the one f32 array for a plain tensor.
  llvm::SmallVector<llvm::ArrayRef<uint8_t>> parts;
  /// Holds a plain tensor that was converted to f32.
  std::vector<float> converted;
  /// Holds the parts of a checkpoint's or a transposed matrix.
  std::vector<std::vector<uint8_t>> decoded;
};

/// Opens the files that `qt.weight` ops name, each once, when first asked.
class WeightSource {
public:
  /// The parts of a weight, checked against its type: every part is there with
  /// the right element type and size. A plain tensor<...xf32> may be stored as
  /// any `isPlainNumber`, which is rounded to the nearest f32. Valid as long as
  /// this object and the result.
  llvm::Expected<WeightData> read(qt::WeightOp weight);

  /// An f32 vector that is in the file of a weight but is no weight of the
  /// program; empty if it is not there.
  llvm::Expected<std::vector<float>> readVector(llvm::StringRef file,
                                                llvm::StringRef name);

private:
  llvm::Expected<WeightFile *> open(llvm::StringRef path);
  llvm::Expected<Checkpoint *> openCheckpoint(llvm::StringRef path,
                                              llvm::StringRef method);
  /// The file of `path`, which may be a folder, that has a tensor of that name.
  llvm::Expected<WeightFile *> find(llvm::StringRef path, llvm::StringRef name);
  llvm::Expected<WeightData> readOne(llvm::StringRef path, llvm::StringRef name,
                                     mlir::Type type, WeightForm form);
  llvm::Expected<StoredMatrix> findInCheckpoint(llvm::StringRef path,
                                                llvm::StringRef layer,
                                                llvm::ArrayRef<int64_t> shape,
                                                llvm::StringRef method);
  /// The matrix of a product of the graph in the file `path`.
  llvm::Expected<StoredMatrix> findInGraph(llvm::StringRef path,
                                           llvm::StringRef value,
                                           llvm::ArrayRef<int64_t> shape);
  /// A matrix of the checkpoint in the folder `path`, or of a graph.
  llvm::Expected<WeightData> readCheckpoint(llvm::StringRef path,
                                            llvm::StringRef layer,
                                            mlir::Type type,
                                            llvm::StringRef method);
  llvm::Expected<WeightData> readStack(qt::WeightOp weight, int64_t count);

  llvm::StringMap<std::shared_ptr<WeightFile>> files;
  llvm::StringMap<std::optional<SafetensorsFolder>> folders;
  llvm::StringMap<std::shared_ptr<Checkpoint>> checkpoints;
};

} // namespace quantmlir

#endif // QUANT_MLIR_IMPORT_WEIGHTSOURCE_H
