// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "StaticScales.h"
#include "mlir/IR/Builders.h"
#include "quant-mlir/Quantize/Ranges.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

static std::string scaleName(StringRef site) {
  return (site + ".input_scale").str();
}

void StaticScales::add(StringRef site, QuantSchemeInterface scheme,
                       const StaticActivations &how) {
  sites[site] = {scheme, &how};
}

void StaticScales::request(StatisticsContent &content) const {
  for (auto &[name, site] : sites) {
    content.range = true;
    content.hessian |= site.how->maxCrest.has_value();
    content.histogram |= site.how->range != StaticActivations::Range::Extremes;
  }
}

//===----------------------------------------------------------------------===//
// Choose
//===----------------------------------------------------------------------===//

/// The scale with which a scheme with one scale for all just holds `reach`.
static llvm::Expected<float> scaleFor(QuantSchemeInterface scheme,
                                      float reach) {
  std::vector<std::vector<uint8_t>> parts(
      scheme.getStorageParts({1, 1}).size());
  if (llvm::Error error = scheme.quantizeMatrix(reach, 1, 1, parts))
    return std::move(error);
  SmallVector<ArrayRef<uint8_t>> bytes(parts.begin(), parts.end());
  UnpackedRows rows;
  if (llvm::Error error = scheme.unpackRows(bytes, 1, 1, 0, 1, rows))
    return std::move(error);
  return rows.scales.front();
}

static llvm::Expected<float> chooseScale(QuantSchemeInterface scheme,
                                         const StaticActivations &how,
                                         const ActivationStatistics &seen) {
  using Range = StaticActivations::Range;
  if (how.range != Range::Extremes && seen.histogram.empty())
    return llvm::createStringError(
        "statistics that were collected before '" + seen.site +
        "' was smoothed have no histogram of it; ranges other than extremes "
        "need tokens");
  llvm::Expected<float> unit = scaleFor(scheme, 1);
  if (!unit)
    return unit.takeError();
  double reach = seen.absMax();
  switch (how.range) {
  case Range::Extremes:
    break;
  case Range::MSE:
    reach = mseRange(seen.histogram, reach, 1 / *unit);
    break;
  case Range::KL:
    reach = klRange(seen.histogram, reach, 1 / *unit);
    break;
  case Range::Percentile:
    reach = percentileRange(seen.histogram, reach, how.percentile / 100);
    break;
  }
  return scaleFor(scheme, float(reach));
}

llvm::Error StaticScales::choose(const ActivationStatistics &statistics,
                                 Location place) {
  auto *found = sites.find(statistics.site);
  if (found == sites.end())
    return llvm::Error::success();
  Site &site = found->second;
  site.seen = true;
  site.scale.reset();
  if (site.how->maxCrest && statistics.crest() > *site.how->maxCrest) {
    emitRemark(place, "the input of '")
        << found->first << "' has a scale for each token: its crest is "
        << llvm::formatv("{0:f1}", statistics.crest()).str();
    return llvm::Error::success();
  }
  llvm::Expected<float> scale = chooseScale(site.scheme, *site.how, statistics);
  if (!scale)
    return scale.takeError();
  site.scale = *scale;
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// As weights
//===----------------------------------------------------------------------===//

void StaticScales::announce(
    std::vector<SafetensorsWriter::Entry> &entries) const {
  for (auto &[name, site] : sites)
    entries.push_back({scaleName(name), "F32", {1}, 4});
}

llvm::Error StaticScales::write(SafetensorsWriter &writer) const {
  for (auto &[name, site] : sites) {
    if (!site.seen)
      return llvm::createStringError("calibration has no statistics of the "
                                     "activation that weight '" +
                                     name + "' reads");
    // Which ones there are was announced before they were known.
    float scale = site.scale.value_or(0);
    if (llvm::Error error =
            writer.append({reinterpret_cast<const uint8_t *>(&scale), 4}))
      return error;
  }
  return llvm::Error::success();
}

void StaticScales::declare(ModuleOp module, StringRef file) const {
  auto builder = OpBuilder::atBlockBegin(module.getBody());
  for (auto &[name, site] : sites)
    if (site.scale)
      WeightOp::create(builder, module.getLoc(), scaleName(name),
                       RankedTensorType::get(1, builder.getF32Type()), file);
}

std::string StaticScales::getName(StringRef site) const {
  return sites.lookup(site).scale ? scaleName(site) : "";
}
