// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Matrices that stay in the file.

#include "Importer.h"
#include "llvm/Support/InterleavedRange.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

bool Importer::isWeight(const GraphValue &value) const {
  return value.rank() == 2 && value.constant &&
         value.constant->type == DataType::Float;
}

std::string Importer::takeSymbol(StringRef name) {
  std::string symbol = name.str();
  for (unsigned i = 0; !takenSymbols.insert(symbol).second; ++i)
    symbol = (name + "_" + Twine(i)).str();
  return symbol;
}

StringRef Importer::declare(StringRef name, Type type, WeightForm form) {
  std::string key = name.str();
  if (form == WeightForm::Transposed)
    key += ".transposed";
  std::string &symbol = weightSymbols[key];
  if (symbol.empty()) {
    symbol = takeSymbol(key);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(function);
    auto declared = qt::WeightOp::create(b, symbol, type, file->path(),
                                         symbol == name ? StringRef() : name);
    setForm(declared, form);
  }
  return symbol;
}

Value Importer::load(StringRef name, Type type, WeightForm form) {
  return qt::LoadOp::create(b, type, declare(name, type, form));
}

qt::WeightOp Importer::declareMatrix(const QuantizedProduct &product,
                                     qt::QuantTensorType type) {
  // A square matrix has one type in both directions, and weights with other
  // inputs are others.
  const StoredMatrix &stored = product.matrix.stored;
  std::string key;
  llvm::raw_string_ostream(key)
      << llvm::interleaved(product.constants, "\n") << "\n"
      << type << product.transposed << stored.inputScheme << "\n"
      << stored.inputScale;
  qt::WeightOp &declared = matrices[key];
  if (!declared) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(function);
    declared = qt::WeightOp::create(b, takeSymbol(product.constants.front()),
                                    type, file->path(), node->outputs.front());
    declared->setAttr(checkpointAttrName, b.getStringAttr(checkpointName));
  }
  return declared;
}

Value Importer::weight(const GraphValue &value, bool transposed) {
  Sizes shape = value.shape;
  if (transposed)
    std::swap(shape[0], shape[1]);
  bool isTransposed = value.transposed != transposed;
  return load(value.constant->name, tensorType(value.type, shape),
              isTransposed ? WeightForm::Transposed : WeightForm::AsUsed);
}
