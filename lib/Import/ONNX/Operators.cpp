// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Operators.h"
#include "quant-mlir/Import/ImportModel.h"

using namespace quantmlir;
using namespace quantmlir::onnx;
using llvm::StringRef;

static constexpr auto subjects = {
    elementwiseOperators, activationOperators,    shapeOperators,
    creationOperators,    indexingOperators,      reductionOperators,
    matmulOperators,      normalizationOperators, quantizedOperators,
    productOperators,     attentionOperators,     einsumOperators,
    topKOperators,
};

const Operator *onnx::findOperator(StringRef domain, StringRef name) {
  for (auto subject : subjects)
    for (const Operator &each : subject())
      if (each.name == name && each.domain == domain)
        return &each;
  return nullptr;
}

std::vector<std::string> quantmlir::listONNXOperators() {
  std::vector<std::string> names;
  for (auto subject : subjects)
    for (const Operator &each : subject())
      names.push_back(each.domain.empty()
                          ? each.name.str()
                          : (each.domain + "." + each.name).str());
  llvm::sort(names);
  return names;
}
