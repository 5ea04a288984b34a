// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ChannelScaling.h"
#include "mlir/IR/Builders.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace quantmlir::qt {
#define GEN_PASS_DEF_OBSERVEPASS
#include "quant-mlir/Dialect/QT/Transforms/Passes.h.inc"
} // namespace quantmlir::qt

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

namespace {

struct ObservePass : qt::impl::ObservePassBase<ObservePass> {
  using ObservePassBase::ObservePassBase;
  void runOnOperation() override;

private:
  FailureOr<Statistics> parseWanted();
};

} // namespace

FailureOr<Statistics> ObservePass::parseWanted() {
  Statistics wanted = {};
  for (const std::string &word : statistics) {
    std::optional<Statistics> one = symbolizeStatistics(word);
    if (!one || word.empty()) {
      getOperation().emitError("unknown statistic '")
          << word << "'; known are range, sum, sum_abs, gram, histogram";
      return failure();
    }
    wanted = wanted | *one;
  }
  if (statistics.empty())
    wanted = Statistics::Range | Statistics::Sum | Statistics::SumAbs |
             Statistics::Gram | Statistics::Histogram;
  return wanted;
}

void ObservePass::runOnOperation() {
  FailureOr<Statistics> wanted = parseWanted();
  if (failed(wanted))
    return signalPassFailure();

  OpBuilder builder(&getContext());
  llvm::MapVector<StringRef, StringRef> siteOf;
  for (ActivationSite &site : findActivationSites(getOperation())) {
    llvm::SetVector<StringRef> weights;
    for (WeightOp weight : site.weights)
      weights.insert(weight.getSymName());
    Operation *first = site.readers.front();
    builder.setInsertionPoint(first);
    auto observe = ObserveOp::create(
        builder, first->getLoc(), site.activation, *wanted, site.name,
        builder.getStrArrayAttr(weights.getArrayRef()));
    for (StringRef weight : weights)
      siteOf.try_emplace(weight, observe.getSite());
    ++numSites;
  }
  SmallVector<NamedAttribute> map;
  for (auto [weight, site] : siteOf)
    map.emplace_back(builder.getStringAttr(weight),
                     builder.getStringAttr(site));
  getOperation()->setAttr(QTDialect::sitesAttrName,
                          builder.getDictionaryAttr(map));
}
