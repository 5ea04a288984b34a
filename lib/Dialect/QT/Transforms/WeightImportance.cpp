// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "WeightImportance.h"
#include "WeightValues.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"
#include "quant-mlir/Dialect/QT/IR/QTWeighedScheme.h"
#include "quant-mlir/Import/Fingerprint.h"
#include "quant-mlir/Import/TensorNames.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

llvm::Error WeightImportance::load(ModuleOp module, StringRef path) {
  *this = WeightImportance();
  if (path.empty())
    return llvm::Error::success();
  auto opened = ImportanceFile::open(path);
  if (!opened)
    return opened.takeError();
  file = std::move(*opened);
  if (auto name = module->getAttrOfType<StringAttr>(
          lm::LMDialect::architectureAttrName))
    architecture = name.str();
  const StatisticsFile *statistics = file->getStatistics();
  if (!statistics)
    return llvm::Error::success();
  llvm::Expected<std::string> fingerprint = fingerprintModel(module);
  if (!fingerprint)
    return fingerprint.takeError();
  return statistics->checkModel(*fingerprint);
}

llvm::Expected<std::vector<float>>
WeightImportance::read(WeightOp weight, QuantSchemeInterface scheme,
                       const Rounding &rounding) {
  bool chooses = isa<WeighedSchemeInterface>(scheme) ||
                 rounding.range == Rounding::Range::MSE;
  if (!file || !chooses || rounding.method != Rounding::Method::Nearest)
    return std::vector<float>();
  StringRef name = weight.getSymName();
  int64_t rowLength = getLogicalType(weight).getShape().back();
  auto columns = file->read(name, rowLength);
  if (columns && columns->empty())
    columns = file->read(toGGUFName(name, architecture), rowLength);
  used |= columns && !columns->empty();
  return columns;
}

llvm::Error WeightImportance::checkUsed() const {
  if (!file || used)
    return llvm::Error::success();
  return fileError(file->path(), "has nothing to say of the weights that the "
                                 "recipe rounds");
}
