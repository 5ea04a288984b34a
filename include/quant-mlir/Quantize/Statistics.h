// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is known of a model's activations, and the file that it is kept in.
//
// A *site* is an activation that one or more linears (its *readers*) multiply
// with their weights. The file is safetensors; for a site NAME with K channels
// it has, as far as they were collected,
//
//   NAME.tokens     I64 [1]      rows that were seen
//   NAME.min, .max  F32 [K]      of each channel
//   NAME.mean       F32 [K]      mean of each channel
//   NAME.mean_abs   F32 [K]      mean magnitude of each channel
//   NAME.hessian    F32 [K, K]   mean over rows of x·xᵀ, symmetric
//   NAME.histogram  I64 [2048]   counts of magnitudes, see Histogram.h
//
// and metadata: "format", "model" (a fingerprint), "tokens" (where they came
// from) and "weights", a JSON object that maps every weight to its site.

#ifndef QUANT_MLIR_QUANTIZE_STATISTICS_H
#define QUANT_MLIR_QUANTIZE_STATISTICS_H

#include "quant-mlir/Export/SafetensorsWriter.h"
#include "quant-mlir/Import/Safetensors.h"
#include "quant-mlir/Quantize/Histogram.h"
#include "llvm/ADT/StringMap.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace quantmlir {

/// Which statistics there are, beside the number of tokens.
struct StatisticsContent {
  bool range = true;
  bool mean = true;
  bool meanAbs = true;
  bool hessian = true;
  bool histogram = true;
  /// Needs two runs of the model; never in a file.
  bool drift = false;

  static StatisticsContent none() {
    return {false, false, false, false, false};
  }
  bool operator==(const StatisticsContent &other) const {
    return range == other.range && mean == other.mean &&
           meanAbs == other.meanAbs && hessian == other.hessian &&
           histogram == other.histogram && drift == other.drift;
  }
};

/// An activation that statistics are of.
struct SiteInfo {
  std::string name;
  /// The weights that it is multiplied with, the first of which names it.
  std::vector<std::string> readers;
  int64_t channels = 0;
};

/// How far an activation x, behind layers that are quantized already, is from
/// what it was in the float model, x̂; means over tokens.
struct ActivationDrift {
  std::vector<float> cross; ///< [K, K]: (x̂ - x)·xᵀ
  std::vector<float> mean;  ///< [K]: x̂ - x
  /// If the product of one reader is added to another activation r: that
  /// reader, and the same of r.
  std::string residualReader;
  std::vector<float> residualCross; ///< [N, K]: (r̂ - r)·xᵀ
  std::vector<float> residualMean;  ///< [N]: r̂ - r
};

/// The statistics of one site. What was not collected is empty.
struct ActivationStatistics {
  std::string site;
  std::vector<std::string> readers;
  int64_t tokens = 0;
  std::vector<float> min, max; ///< [K]
  std::vector<float> mean;     ///< [K]
  std::vector<float> meanAbs;  ///< [K]
  /// [K, K] row-major: mean over tokens of x·xᵀ.
  std::vector<float> hessian;
  std::vector<int64_t> histogram; ///< [histogramBins]
  std::optional<ActivationDrift> drift;

  /// The largest magnitude, of one channel and of all. Needs min and max.
  float absMax(int64_t channel) const;
  float absMax() const;
  /// How far the loudest value sticks out: absMax / root mean square of all; 1
  /// for a silent site. Needs min, max and the Hessian.
  double crest() const;
  /// Adds the statistics of other tokens at the same site.
  void merge(const ActivationStatistics &other);
};

/// What the metadata says.
struct StatisticsMetadata {
  std::string model;  ///< fingerprint of the model
  std::string tokens; ///< where the tokens came from, for people
};

/// Writes a statistics file site by site; nothing is at its place until
/// `finish`.
class StatisticsWriter {
public:
  static llvm::Expected<std::unique_ptr<StatisticsWriter>>
  create(llvm::StringRef path, llvm::ArrayRef<SiteInfo> sites,
         StatisticsContent content, const StatisticsMetadata &metadata);
  /// In the order of `sites`. Errors name the site: one that is out of order,
  /// has other statistics than announced, or numbers that are not finite.
  llvm::Error append(const ActivationStatistics &site);
  llvm::Error finish() { return writer->finish(); }

private:
  StatisticsWriter() = default;

  std::string path;
  std::unique_ptr<SafetensorsWriter> writer;
  std::vector<SiteInfo> sites;
  StatisticsContent content;
  size_t next = 0;
};

/// An open statistics file. It is mapped; a site's numbers are read when asked
/// for.
class StatisticsFile {
public:
  /// Errors: no statistics file, or one whose tensors do not fit together.
  static llvm::Expected<std::unique_ptr<StatisticsFile>>
  open(llvm::StringRef path);

  llvm::StringRef path() const { return file->path(); }
  const StatisticsMetadata &metadata() const { return info; }
  const StatisticsContent &content() const { return has; }
  llvm::ArrayRef<SiteInfo> sites() const { return list; }

  /// An error unless the file is of the model with this fingerprint.
  llvm::Error checkModel(llvm::StringRef fingerprint) const;
  /// The site at which a weight is read, or null.
  const SiteInfo *findSiteOf(llvm::StringRef weight) const;
  /// The same, or an error that names the file and the weight.
  llvm::Expected<const SiteInfo *> siteOf(llvm::StringRef weight) const;
  /// Everything that is known of a site of `sites()`. The Hessian is K² floats
  /// and can be left out.
  llvm::Expected<ActivationStatistics> read(const SiteInfo &site,
                                            bool withHessian = true) const;

private:
  StatisticsFile() = default;
  llvm::Error index();

  std::shared_ptr<SafetensorsFile> file;
  StatisticsMetadata info;
  StatisticsContent has;
  std::vector<SiteInfo> list;
  llvm::StringMap<size_t> byWeight;
};

/// Joins the statistics of several runs over one model, weighted by their
/// tokens, one site in memory at a time. Errors: files of different models, or
/// with different sites or statistics.
llvm::Error mergeStatistics(llvm::ArrayRef<std::string> inputs,
                            llvm::StringRef output);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_STATISTICS_H
