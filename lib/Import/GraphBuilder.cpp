// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GraphBuilder.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Errc.h"
#include "llvm/Support/InterleavedRange.h"

using namespace mlir;
using namespace quantmlir;

GraphBuilder::GraphBuilder(MLIRContext *context,
                           ArrayRef<std::shared_ptr<WeightFile>> files)
    : files(files), b(UnknownLoc::get(context), context) {
  context->loadDialect<lm::LMDialect, qt::QTDialect, func::FuncDialect,
                       linalg::LinalgDialect, tensor::TensorDialect>();
  moduleOp = ModuleOp::create(b.getLoc());
}

void GraphBuilder::setString(StringRef name, StringRef value) {
  module()->setAttr(name, b.getStringAttr(value));
}

void GraphBuilder::setInteger(StringRef name, int64_t value) {
  module()->setAttr(name, b.getI64IntegerAttr(value));
}

func::FuncOp GraphBuilder::startFunction(TypeRange inputs, Type result) {
  b.setInsertionPointToEnd(module().getBody());
  auto function =
      func::FuncOp::create(b, "forward", b.getFunctionType(inputs, result));
  b.setInsertionPointToStart(function.addEntryBlock());
  return function;
}

void GraphBuilder::fail(llvm::Error error) {
  std::string message = llvm::toString(std::move(error));
  if (!problem)
    problem = message;
}

std::optional<GraphBuilder::Place> GraphBuilder::find(StringRef name) const {
  for (const std::shared_ptr<WeightFile> &file : files)
    if (const TensorInfo *tensor = file->find(name))
      return Place{file.get(), tensor};
  return std::nullopt;
}

bool GraphBuilder::has(StringRef name) const { return find(name).has_value(); }

std::optional<GraphBuilder::Place>
GraphBuilder::findChecked(StringRef name, ArrayRef<int64_t> shape) {
  used.insert(name);
  std::optional<Place> place = find(name);
  if (!place) {
    fail(tensorError(files.front()->path(), name, "is missing"));
    return std::nullopt;
  }
  if (ArrayRef<int64_t>(place->tensor->shape) != shape) {
    std::string wanted, actual;
    llvm::raw_string_ostream(wanted) << llvm::interleaved_array(shape);
    llvm::raw_string_ostream(actual)
        << llvm::interleaved_array(place->tensor->shape);
    fail(tensorError(place->file->path(), name,
                     "has shape " + actual + ", expected " + wanted));
    return std::nullopt;
  }
  return place;
}

/// Stands for a weight that is not there until `finish` reports it.
Value GraphBuilder::missing(ArrayRef<int64_t> shape) {
  return tensor::EmptyOp::create(b, shape, b.getF32Type());
}

Value GraphBuilder::load(StringRef name, Type type, Place place) {
  if (!module().lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(b);
    // Weights stand in front of the function, in the order of their use.
    b.setInsertionPoint(b.getInsertionBlock()->getParentOp());
    qt::WeightOp::create(b, name, type, place.file->path());
  }
  return qt::LoadOp::create(b, type, name);
}

/// True if a tensor is numbers as they are. Integers in other files than GGUF's
/// are codes, which mean nothing without their scales.
static bool isNumbers(const WeightFile &file, DType type) {
  bool isInteger = dtypeName(type).starts_with("I");
  return isPlainNumber(type) &&
         (!isInteger || file.getKind() == WeightFile::Kind::GGUF);
}

Value GraphBuilder::plain(StringRef name, ArrayRef<int64_t> shape) {
  std::optional<Place> place = findChecked(name, shape);
  if (!place)
    return missing(shape);
  if (!isNumbers(*place->file, place->tensor->type)) {
    fail(tensorError(place->file->path(), name,
                     llvm::Twine("is ") + dtypeName(place->tensor->type) +
                         "; F16 to F64 and GGUF's integers are supported "
                         "here"));
    return missing(shape);
  }
  return load(name, RankedTensorType::get(shape, b.getF32Type()), *place);
}

/// The scheme that a matrix of this type is; empty if there is none.
static StringRef schemeOf(DType type) {
  switch (type) {
  case DType::F16:
    return "#qt.float<f16>";
  case DType::BF16:
    return "#qt.float<bf16>";
#define QUANT_BLOCK(NAME, MNEMONIC, VALUES, BYTES, GGUF)                       \
  case DType::NAME:                                                            \
    return "#qt." #MNEMONIC;
#include "quant-mlir/Quantize/BlockFormats.def"
  default:
    return "";
  }
}

Value GraphBuilder::matrix(StringRef name, int64_t rows, int64_t columns) {
  int64_t shape[] = {rows, columns};
  std::optional<Place> place = findChecked(name, shape);
  if (!place)
    return missing(shape);
  auto logical = RankedTensorType::get(shape, b.getF32Type());
  DType type = place->tensor->type;
  StringRef scheme = schemeOf(type);
  if (scheme.empty() && isNumbers(*place->file, type))
    return load(name, logical, *place);
  if (scheme.empty()) {
    fail(tensorError(place->file->path(), name,
                     llvm::Twine("is ") + dtypeName(type) +
                         "; supported are F16 to F64, GGUF's integers and "
                         "ggml's blocks of weights"));
    return missing(shape);
  }
  auto attr = cast<qt::QuantSchemeInterface>(
      mlir::parseAttribute(scheme, b.getContext()));
  Value stored = load(name, qt::QuantTensorType::get(logical, attr), *place);
  return qt::DequantizeOp::create(b, logical, stored);
}

Value GraphBuilder::linear(Value x, StringRef weight, StringRef bias,
                           int64_t rows) {
  auto type = cast<RankedTensorType>(x.getType());
  Value w = matrix(weight, rows, type.getShape().back());
  Value offset = has(bias) ? plain(bias, rows) : Value();
  SmallVector<int64_t> shape(type.getShape());
  shape.back() = rows;
  return lm::LinearOp::create(b, type.clone(shape), x, w, offset);
}

llvm::Expected<OwningOpRef<ModuleOp>> GraphBuilder::finish() {
  for (const std::shared_ptr<WeightFile> &file : files)
    for (const TensorInfo &tensor : file->tensors())
      if (!used.contains(tensor.name))
        fail(tensorError(file->path(), tensor.name,
                         "is not part of the architecture as it is "
                         "supported here"));
  if (problem)
    return llvm::createStringError(llvm::errc::invalid_argument, *problem);
  if (failed(mlir::verify(module())))
    return fileError(files.front()->path(), "the graph is not valid");
  return std::move(moduleOp);
}
