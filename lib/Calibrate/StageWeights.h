// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CALIBRATE_STAGEWEIGHTS_H
#define QUANT_MLIR_LIB_CALIBRATE_STAGEWEIGHTS_H

#include "StageProgram.h"
#include "quant-mlir/Import/WeightSource.h"
#include "llvm/ADT/StringMap.h"

namespace quantmlir {

/// The packed weights of all stages, in memory that is reserved as a whole and
/// filled for the stages that run.
class StageWeights {
public:
  explicit StageWeights(StageProgram &program) : program(program) {}
  ~StageWeights();
  StageWeights(const StageWeights &) = delete;

  llvm::Error reserve();
  void *data() const { return memory; }
  int64_t bytes() const { return size; }

  /// Which numbers of a weight that has been replaced.
  enum class Version { Original, Current };

  /// Fills in the weights that a stage reads.
  llvm::Error prepare(size_t stage, Version version = Version::Current);
  /// Gives memory back after a stage: of slots that the next one does not
  /// read. Forgets replacements that no later stage reads.
  void release(size_t stage);
  /// Gives all of it back.
  void releaseAll();

  llvm::Expected<std::vector<float>> read(llvm::StringRef name);
  llvm::Error replace(llvm::StringRef name, std::vector<float> values);
  void restore(llvm::StringRef name) { replaced.erase(name); }

private:
  llvm::Expected<StageWeight *> find(llvm::StringRef name);
  llvm::Error fill(const Stage::Weight &weight, bool useReplaced);
  void giveBack(const WeightSlot &slot);

  StageProgram &program;
  WeightSource files;
  llvm::StringMap<std::vector<float>> replaced;
  /// What is in a slot.
  struct Resident {
    std::string weight;
    bool replaced = false;
  };
  llvm::StringMap<Resident> resident;
  char *memory = nullptr;
  int64_t size = 0;
};

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_CALIBRATE_STAGEWEIGHTS_H
