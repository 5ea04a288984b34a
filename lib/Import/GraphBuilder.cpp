// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GraphBuilder.h"
#include "DescribeInput.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Errc.h"
#include "llvm/Support/InterleavedRange.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace quantmlir;

GraphBuilder::GraphBuilder(MLIRContext *context,
                           ArrayRef<std::shared_ptr<WeightFile>> files,
                           const Checkpoint *checkpoint)
    : files(files), checkpoint(checkpoint),
      b(UnknownLoc::get(context), context) {
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

/// "a.weight" to "a", as checkpoints call layers.
static StringRef layerOf(StringRef name) {
  name.consume_back(".weight");
  return name;
}

bool GraphBuilder::hasMatrix(StringRef name) const {
  return has(name) || (checkpoint && checkpoint->has(layerOf(name)));
}

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

qt::WeightOp GraphBuilder::declare(StringRef name, Type type, StringRef path,
                                   StringRef tensor) {
  if (module().lookupSymbol(name))
    return {};
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(b.getInsertionBlock()->getParentOp());
  return qt::WeightOp::create(b, name, type, path, tensor);
}

Value GraphBuilder::load(StringRef name, Type type, Place place,
                         WeightForm form) {
  if (qt::WeightOp weight = declare(name, type, place.file->path()))
    setForm(weight, form);
  return qt::LoadOp::create(b, type, name);
}

/// True if a tensor is numbers as they are. Integers in other files than GGUF's
/// are codes, which mean nothing without their scales.
static bool isNumbers(const WeightFile &file, DType type) {
  bool isInteger = dtypeName(type).starts_with("I");
  return isPlainNumber(type) &&
         (!isInteger || file.getKind() == WeightFile::Kind::GGUF);
}

Value GraphBuilder::plain(StringRef name, ArrayRef<int64_t> shape,
                          WeightForm form) {
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
  return load(name, RankedTensorType::get(shape, b.getF32Type()), *place, form);
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

qt::QuantSchemeInterface GraphBuilder::parseScheme(StringRef name,
                                                   const StoredMatrix &stored) {
  auto scheme = dyn_cast_or_null<qt::QuantSchemeInterface>(
      mlir::parseAttribute(stored.scheme, b.getContext()));
  if (!scheme)
    fail(tensorError(checkpoint->folder().path(), name,
                     "is stored as " + stored.scheme + ", which is no scheme"));
  return scheme;
}

void GraphBuilder::noteInput(qt::WeightOp weight, const StoredMatrix &stored) {
  weight->setAttr(checkpointAttrName, b.getStringAttr(checkpoint->method()));
  auto declareScale = [&] {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointAfter(weight);
    return FlatSymbolRefAttr::get(qt::WeightOp::create(
        b, stored.inputScale, RankedTensorType::get(1, b.getF32Type()),
        checkpoint->folder().find(stored.inputScale).file->path()));
  };
  if (auto input = describeInput(b.getContext(), stored, declareScale))
    weight->setAttr(inputAttrName, input);
}

Value GraphBuilder::toFloats(Value loaded, RankedTensorType logical) {
  if (loaded.getType() == logical)
    return loaded;
  return qt::DequantizeOp::create(b, logical, loaded);
}

Value GraphBuilder::storedMatrix(StringRef name, RankedTensorType type,
                                 std::vector<int32_t> *order) {
  StringRef layer = layerOf(name);
  auto matrix = checkpoint->find(layer, type.getDimSize(0), type.getDimSize(1));
  if (!matrix) {
    fail(matrix.takeError());
    return missing(type.getShape());
  }
  if (!*matrix)
    return Value();
  const StoredMatrix &stored = **matrix;
  for (const std::string &tensor : stored.tensors)
    used.insert(tensor);
  StringRef path = checkpoint->folder().path();
  if (order)
    *order = stored.order;
  else if (!stored.order.empty())
    fail(tensorError(path, name,
                     "is a table with columns in another "
                     "order, which is not supported"));
  auto scheme = parseScheme(name, stored);
  if (problem)
    return missing(type.getShape());
  auto storedType = qt::QuantTensorType::get(type, scheme);
  if (qt::WeightOp weight = declare(name, storedType, path, layer))
    noteInput(weight, stored);
  return toFloats(qt::LoadOp::create(b, storedType, name), type);
}

Value GraphBuilder::reorder(Value x, ArrayRef<int32_t> order) {
  if (reordered.x == x && order == ArrayRef(reordered.order))
    return reordered.result;
  auto type = cast<RankedTensorType>(x.getType());
  int64_t rank = type.getRank();
  Value places = arith::ConstantOp::create(b, b.getI32TensorAttr(order));
  Value empty = tensor::EmptyOp::create(
      b, tensor::getMixedSizes(b, b.getLoc(), x), type.getElementType());
  AffineMap all = b.getMultiDimIdentityMap(rank);
  SmallVector<AffineMap> maps = {all.getMinorSubMap(1), all};
  SmallVector<utils::IteratorType> loops(rank, utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      b, type, places, empty, maps, loops,
      [&](OpBuilder &body, Location loc, ValueRange arguments) {
        SmallVector<Value> indices;
        for (int64_t dim = 0; dim + 1 < rank; ++dim)
          indices.push_back(linalg::IndexOp::create(body, loc, dim));
        indices.push_back(arith::IndexCastOp::create(
            body, loc, body.getIndexType(), arguments[0]));
        Value element = tensor::ExtractOp::create(body, loc, x, indices);
        linalg::YieldOp::create(body, loc, element);
      });
  reordered = {x, order.vec(), generic.getResult(0)};
  return reordered.result;
}

Type GraphBuilder::storedType(Place place, RankedTensorType logical) {
  DType type = place.tensor->type;
  StringRef scheme = schemeOf(type);
  if (!scheme.empty())
    return qt::QuantTensorType::get(
        logical, cast<qt::QuantSchemeInterface>(
                     mlir::parseAttribute(scheme, b.getContext())));
  if (isNumbers(*place.file, type))
    return logical;
  fail(tensorError(place.file->path(), place.tensor->name,
                   llvm::Twine("is ") + dtypeName(type) +
                       "; supported are F16 to F64, GGUF's integers and "
                       "ggml's blocks of weights"));
  return {};
}

Value GraphBuilder::matrix(StringRef name, int64_t rows, int64_t columns,
                           std::vector<int32_t> *order, WeightForm form) {
  int64_t shape[] = {rows, columns}, transposed[] = {columns, rows};
  auto logical = RankedTensorType::get(shape, b.getF32Type());
  if (checkpoint)
    if (Value stored = storedMatrix(name, logical, order))
      return stored;
  std::optional<Place> place =
      findChecked(name, form == WeightForm::Transposed ? transposed : shape);
  Type stored = place ? storedType(*place, logical) : Type();
  if (!stored)
    return missing(shape);
  return toFloats(load(name, stored, *place, form), logical);
}

Type GraphBuilder::storedStack(StringRef name, int64_t count,
                               RankedTensorType one, StoredMatrix &first) {
  StringRef path = checkpoint->folder().path();
  for (int64_t number = 0; number < count; ++number) {
    std::string own = nameInStack(name, number);
    auto matrix =
        checkpoint->find(layerOf(own), one.getDimSize(0), one.getDimSize(1));
    if (!matrix) {
      fail(matrix.takeError());
      return {};
    }
    if (!*matrix && number == 0)
      return {};
    for (const std::string &tensor : (*matrix ? **matrix : first).tensors)
      used.insert(tensor);
    if (number == 0)
      first = **matrix;
    if (!*matrix || (*matrix)->scheme != first.scheme ||
        (*matrix)->inputScheme != first.inputScheme) {
      fail(tensorError(path, own, "is stored in another way than expert 0"));
      return {};
    }
    if (!(*matrix)->order.empty() || !(*matrix)->inputScale.empty()) {
      fail(tensorError(path, own,
                       "is an expert with columns in another order or a static "
                       "scale of its input, which is not supported"));
      return {};
    }
  }
  auto scheme = parseScheme(name, first);
  if (!scheme)
    return {};
  int64_t shape[] = {count * one.getDimSize(0), one.getDimSize(1)};
  return qt::QuantTensorType::get(one.clone(shape), scheme);
}

Value GraphBuilder::stack(StringRef name, int64_t count, int64_t rows,
                          int64_t columns) {
  int64_t shape[] = {count * rows, columns};
  auto one = RankedTensorType::get({rows, columns}, b.getF32Type());
  RankedTensorType logical = one.clone(shape);
  auto [before, after] = name.split("{}.");
  if (before == name) {
    std::optional<Place> place = findChecked(name, {count, rows, columns});
    Type stored = place ? storedType(*place, logical) : Type();
    if (!stored)
      return missing(shape);
    return toFloats(load(name, stored, *place, WeightForm::AsUsed), logical);
  }
  StoredMatrix first;
  Type stored;
  StringRef path;
  if (checkpoint)
    stored = storedStack(name, count, one, first);
  bool quantized = !!stored;
  if (quantized)
    path = checkpoint->folder().path();
  for (int64_t number = 0; number < count && !quantized; ++number) {
    std::string tensor = nameInStack(name, number);
    std::optional<Place> place = findChecked(tensor, one.getShape());
    Type type = place ? storedType(*place, logical) : Type();
    if (type && stored && type != stored)
      fail(tensorError(place->file->path(), tensor,
                       "is stored in another way than expert 0"));
    if (problem || !type)
      return missing(shape);
    stored = type;
    // Of several files, their folder.
    StringRef file = place->file->path();
    if (path.empty())
      path = file;
    else if (path != file)
      path = llvm::sys::path::parent_path(file);
  }
  std::string symbol = (before + after).str();
  StringRef pattern = quantized ? layerOf(name) : name;
  if (qt::WeightOp weight = declare(symbol, stored, path, pattern)) {
    weight->setAttr(stackAttrName, b.getI64IntegerAttr(count));
    if (quantized)
      noteInput(weight, first);
  }
  return toFloats(qt::LoadOp::create(b, stored, symbol), logical);
}

Value GraphBuilder::linear(Value x, StringRef weight, StringRef bias,
                           int64_t rows, WeightForm form) {
  auto type = cast<RankedTensorType>(x.getType());
  std::vector<int32_t> order;
  Value w = matrix(weight, rows, type.getShape().back(), &order, form);
  if (!order.empty())
    x = reorder(x, order);
  Value offset = has(bias) ? plain(bias, rows) : Value();
  SmallVector<int64_t> shape(type.getShape());
  shape.back() = rows;
  return lm::LinearOp::create(b, type.clone(shape), x, w, offset);
}

Value GraphBuilder::scale(Value x, double factor) {
  if (factor == 1)
    return x;
  auto type = cast<RankedTensorType>(x.getType());
  Value empty = tensor::EmptyOp::create(
      b, tensor::getMixedSizes(b, b.getLoc(), x), type.getElementType());
  AffineMap all = b.getMultiDimIdentityMap(type.getRank());
  SmallVector<AffineMap> maps = {all, all};
  SmallVector<utils::IteratorType> loops(type.getRank(),
                                         utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, type, x, empty, maps, loops,
             [&](OpBuilder &body, Location loc, ValueRange arguments) {
               Value number = arith::ConstantOp::create(
                   body, loc, body.getFloatAttr(type.getElementType(), factor));
               Value product =
                   arith::MulFOp::create(body, loc, arguments[0], number);
               linalg::YieldOp::create(body, loc, product);
             })
      .getResult(0);
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

llvm::Error quantmlir::checkSizes(StringRef path, ArrayRef<ModelSize> sizes) {
  for (const ModelSize &size : sizes)
    if (size.value < 1 || size.value > size.most)
      return fileError(
          path, llvm::Twine(size.name) + " = " + llvm::Twine(size.value) +
                    " is not between 1 and " + llvm::Twine(size.most));
  return llvm::Error::success();
}
