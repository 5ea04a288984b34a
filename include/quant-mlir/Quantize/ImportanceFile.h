// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How much the columns of weights count: the mean square of what each is
// multiplied with, over a text. Read from
//
//   - importance matrices of llama.cpp, today's: a GGUF file with the tensors
//     NAME.in_sum2, sums of squares, and NAME.counts, how many there were
//   - its older ones (.dat): i32 entries; of each i32 length and bytes of NAME,
//     i32 calls, i32 columns, and so many f32, means times calls
//   - our statistics of activations: the diagonals of their Hessians

#ifndef QUANT_MLIR_QUANTIZE_IMPORTANCEFILE_H
#define QUANT_MLIR_QUANTIZE_IMPORTANCEFILE_H

#include "quant-mlir/Quantize/Statistics.h"

namespace quantmlir {

class ImportanceFile {
public:
  /// Errors: a file of none of these forms, or with numbers that are negative
  /// or not finite.
  static llvm::Expected<std::unique_ptr<ImportanceFile>>
  open(llvm::StringRef path);

  llvm::StringRef path() const { return filePath; }
  /// Null if it is an importance matrix, which does not say what model it is
  /// of.
  const StatisticsFile *getStatistics() const { return statistics.get(); }
  /// The importance of each column of a weight with rows of this length; empty
  /// if the file does not know the weight. Names are those of GGUF files, or of
  /// our statistics those of the model's file.
  llvm::Expected<std::vector<float>> read(llvm::StringRef weight,
                                          int64_t rowLength) const;

private:
  explicit ImportanceFile(llvm::StringRef path) : filePath(path) {}
  llvm::Error readGGUF();
  llvm::Error readOld(llvm::StringRef bytes);
  /// Their means are the `sums` of so many `calls`.
  llvm::Error add(llvm::StringRef weight, std::vector<float> sums,
                  double calls);

  std::string filePath;
  llvm::StringMap<std::vector<float>> means;
  std::unique_ptr<StatisticsFile> statistics;
};

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_IMPORTANCEFILE_H
