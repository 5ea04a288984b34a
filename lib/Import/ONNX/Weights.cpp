// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Matrices that stay in the file.

#include "Importer.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

bool Importer::isWeight(const GraphValue &value) const {
  return value.rank() == 2 &&
         (value.quantized ||
          (value.constant && value.constant->type == DataType::Float));
}

Value Importer::load(StringRef name, Type type, WeightForm form) {
  std::string key = name.str();
  if (form == WeightForm::Transposed)
    key += ".transposed";
  std::string &symbol = weightSymbols[key];
  if (symbol.empty()) {
    symbol = key;
    for (unsigned i = 0; !takenSymbols.insert(symbol).second; ++i)
      symbol = key + "_" + std::to_string(i);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(function);
    auto declared = qt::WeightOp::create(b, symbol, type, file->path(),
                                         symbol == name ? StringRef() : name);
    setForm(declared, form);
  }
  return qt::LoadOp::create(b, type, symbol);
}

Value Importer::weight(const GraphValue &value, bool transposed) {
  Sizes shape = value.shape;
  if (transposed)
    std::swap(shape[0], shape[1]);
  bool isTransposed = value.transposed != transposed;
  return load(value.constant->name, tensorType(value.type, shape),
              isTransposed ? WeightForm::Transposed : WeightForm::AsUsed);
}
