// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/IR/Builders.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"

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

/// An activation and the weights that it meets.
struct Site {
  Operation *firstReader;
  llvm::SetVector<StringRef> weights;
};

} // namespace

LoadOp quantmlir::qt::getWeightSource(Value weight) {
  if (auto dequantize = weight.getDefiningOp<DequantizeOp>())
    return dequantize.getInput().getDefiningOp<LoadOp>();
  return weight.getDefiningOp<LoadOp>();
}

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

  llvm::MapVector<Value, Site> sites;
  getOperation().walk([&](QuantizableOpInterface op) {
    OpOperand *activation = op.getActivationOperand();
    LoadOp load = getWeightSource(op.getWeightOperand().get());
    if (!activation || !load)
      return;
    Site &site =
        sites.try_emplace(activation->get(), Site{op, {}}).first->second;
    site.weights.insert(load.getWeight());
  });

  OpBuilder builder(&getContext());
  llvm::StringSet<> names;
  llvm::MapVector<StringRef, StringRef> siteOf;
  for (auto &[activation, site] : sites) {
    // A weight that two activations meet names the first; the second gets a
    // number.
    std::string name = site.weights.front().str();
    for (int count = 2; !names.insert(name).second; ++count)
      name = (site.weights.front() + "#" + llvm::Twine(count)).str();
    builder.setInsertionPoint(site.firstReader);
    auto observe = ObserveOp::create(
        builder, site.firstReader->getLoc(), activation, *wanted, name,
        builder.getStrArrayAttr(site.weights.getArrayRef()));
    for (StringRef weight : site.weights)
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
