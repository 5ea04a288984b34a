// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The products of a call of some hundred rows are summed in f32 by the kernel,
// and the sums of the calls here, in f32 too: with a thousand calls that is a
// relative error of about 1e-6, far below what the numbers are damped by.

#include "Accumulator.h"
#include "llvm/Support/Parallel.h"
#include <cmath>
#include <limits>

using namespace quantmlir;

/// Rows of the gram matrix that are one unit of work.
static constexpr int64_t gramBlock = 64;

Accumulator::Accumulator(const SiteInfo &site, const StatisticsContent &content)
    : site(site), content(content),
      min(site.channels, std::numeric_limits<float>::infinity()),
      max(site.channels, -std::numeric_limits<float>::infinity()) {
  if (content.mean)
    sum.resize(site.channels);
  if (content.meanAbs)
    sumAbs.resize(site.channels);
  if (content.hessian)
    gram.resize(site.channels * site.channels);
  if (content.histogram)
    histogram.resize(histogramBins);
}

void Accumulator::addGram(const float *added) {
  int64_t k = site.channels;
  llvm::parallelFor(0, (k + gramBlock - 1) / gramBlock, [&](size_t block) {
    int64_t end = std::min<int64_t>(k, (block + 1) * gramBlock);
    for (int64_t row = block * gramBlock; row < end; ++row) {
      float *sum = gram.data() + row * k;
      const float *from = added + row * k;
      for (int64_t column = 0; column <= row; ++column)
        sum[column] += from[column];
    }
  });
}

void Accumulator::add(qt::Statistics statistic, const void *data) {
  const auto *floats = static_cast<const float *>(data);
  int64_t k = site.channels;
  switch (statistic) {
  case qt::Statistics::Range:
    for (int64_t channel = 0; channel < k; ++channel) {
      float low = floats[channel], high = floats[k + channel];
      if ((!std::isfinite(low) || !std::isfinite(high)) && badChannel < 0)
        badChannel = channel;
      min[channel] = std::min(min[channel], low);
      max[channel] = std::max(max[channel], high);
    }
    return;
  case qt::Statistics::Sum:
    for (int64_t channel = 0; channel < k; ++channel)
      sum[channel] += floats[channel];
    return;
  case qt::Statistics::SumAbs:
    for (int64_t channel = 0; channel < k; ++channel)
      sumAbs[channel] += floats[channel];
    return;
  case qt::Statistics::Gram:
    return addGram(floats);
  case qt::Statistics::Histogram:
    for (int64_t bin = 0; bin < histogramBins; ++bin)
      histogram[bin] += static_cast<const int32_t *>(data)[bin];
    return;
  }
}

llvm::Error Accumulator::check(size_t window) const {
  if (badChannel < 0)
    return llvm::Error::success();
  return llvm::createStringError(
      "the activation that weight '" + site.name +
      "' reads has NaN or infinity in channel " + llvm::Twine(badChannel) +
      ", in text " + llvm::Twine(window) + " of the calibration tokens");
}

ActivationStatistics Accumulator::finish() {
  ActivationStatistics result;
  result.site = site.name;
  result.readers = site.readers;
  result.tokens = tokens;
  int64_t k = site.channels;
  if (content.range) {
    result.min = std::move(min);
    result.max = std::move(max);
  }
  for (double total : sum)
    result.mean.push_back(float(total / double(tokens)));
  for (double total : sumAbs)
    result.meanAbs.push_back(float(total / double(tokens)));
  result.histogram = std::move(histogram);
  if (!content.hessian)
    return result;
  float factor = float(1.0 / double(tokens));
  llvm::parallelFor(0, (k + gramBlock - 1) / gramBlock, [&](size_t block) {
    int64_t begin = block * gramBlock;
    int64_t end = std::min(k, begin + gramBlock);
    // Columns in the inner loop of both sides stay within a block: the mirrored
    // writes then share cache lines.
    for (int64_t first = 0; first < end; first += gramBlock)
      for (int64_t row = begin; row < end; ++row)
        for (int64_t column = first;
             column < std::min(first + gramBlock, row + 1); ++column) {
          float value = gram[row * k + column] * factor;
          gram[row * k + column] = value;
          gram[column * k + row] = value;
        }
  });
  result.hessian = std::move(gram);
  return result;
}

void DriftSums::add(const float *crossSum, const float *sum) {
  int64_t columns = cross.size() / mean.size();
  llvm::parallelFor(0, mean.size(), [&](size_t channel) {
    mean[channel] += sum[channel];
    for (int64_t i = channel * columns; i < int64_t(channel + 1) * columns; ++i)
      cross[i] += crossSum[i];
  });
}

void DriftSums::finish(int64_t tokens, std::vector<float> &crossMean,
                       std::vector<float> &driftMean) {
  float factor = float(1.0 / double(tokens));
  for (float &value : cross)
    value *= factor;
  crossMean = std::move(cross);
  for (double value : mean)
    driftMean.push_back(float(value / double(tokens)));
}
