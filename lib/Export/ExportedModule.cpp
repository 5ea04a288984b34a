// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ExportedModule.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"
#include "quant-mlir/Import/WeightFile.h"

using namespace mlir;
using namespace quantmlir;

llvm::Expected<std::string> quantmlir::findSource(ModuleOp module) {
  if (auto name =
          module->getAttrOfType<StringAttr>(lm::LMDialect::sourceAttrName))
    return name.str();
  return llvm::createStringError(
      "the module does not say where it came from (lm.source)");
}

qt::WeightOp quantmlir::weightOf(Value loaded) {
  auto load = loaded ? loaded.getDefiningOp<qt::LoadOp>() : qt::LoadOp();
  return load ? SymbolTable::lookupNearestSymbolFrom<qt::WeightOp>(
                    load, load.getWeightAttr())
              : qt::WeightOp();
}

llvm::Error quantmlir::weightError(qt::WeightOp weight,
                                   const llvm::Twine &reason) {
  return tensorError(weight.getFile(), weight.getTensorName(), reason);
}

bool quantmlir::isReadersChoice(qt::QuantizeOp quantize) {
  qt::QuantTensorType type = quantize.getType();
  int64_t k = type.getRowLength();
  qt::LaneForm form = type.getScheme().getLaneForm(k);
  return form.kind == qt::LaneForm::Kind::Integer ? form.group < k
                                                  : !form.scaleType;
}
