// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "StoredInput.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/Support/DebugStringHelper.h"
#include "quant-mlir/Import/Checkpoint.h"
#include "quant-mlir/Import/WeightSource.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::qt;

std::unique_ptr<StoredInput>
quantmlir::qt::readStoredInput(WeightOp weight, const RecipeRule &rule) {
  auto input = weight->getAttrOfType<DictionaryAttr>(inputAttrName);
  Attribute scheme = input ? input.get("scheme") : Attribute();
  auto text = dyn_cast_or_null<StringAttr>(scheme);
  bool isFloat = text && text == "float";
  if ((!isFloat && !isa_and_nonnull<QuantSchemeInterface>(scheme)) ||
      rule.activations.text != "auto")
    return nullptr;
  auto stored = std::make_unique<StoredInput>(StoredInput{rule, ""});
  stored->rule.activations = {isFloat ? "float" : debugString(scheme)};
  if (auto outliers = input.getAs<FloatAttr>("outliers"))
    stored->rule.outlierThreshold = outliers.getValueAsDouble();
  if (auto scale = input.getAs<FlatSymbolRefAttr>("scale"))
    stored->scale = scale.getValue().str();
  return stored;
}

void quantmlir::qt::moveWeight(WeightOp weight, StringRef file) {
  weight.setFile(file);
  weight.removeTensorAttr();
  weight->removeDiscardableAttr(checkpointAttrName);
  weight->removeDiscardableAttr(inputAttrName);
  weight->removeDiscardableAttr(formAttrName);
  weight->removeDiscardableAttr(stackAttrName);
}
