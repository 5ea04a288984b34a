// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Importer.h"
#include "Operators.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "quant-mlir/Import/ImportModel.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

/// Opsets whose operators mean what the importer takes them to mean.
static constexpr int64_t firstOpset = 13, lastOpset = 24;
/// Numbers that a tensor of the graph may have: only to keep sizes from
/// overflowing.
static constexpr int64_t mostElements = int64_t(1) << 48;

Importer::Importer(std::shared_ptr<ONNXFile> file, MLIRContext *context,
                   const llvm::StringMap<int64_t> &given)
    : b(UnknownLoc::get(context), context), file(std::move(file)), given(given),
      patterns(*this->file) {
  context->loadDialect<lm::LMDialect, qt::QTDialect, func::FuncDialect,
                       linalg::LinalgDialect, tensor::TensorDialect,
                       arith::ArithDialect, math::MathDialect>();
  moduleOp = ModuleOp::create(b.getLoc());
  takenSymbols.insert("forward");
}

//===----------------------------------------------------------------------===//
// The graph
//===----------------------------------------------------------------------===//

llvm::Error Importer::checkModel() {
  int64_t version = file->opset(onnxDomain);
  if (version < firstOpset || version > lastOpset)
    return fileError(file->path(),
                     llvm::formatv("has opset {0}; {1} to {2} are supported",
                                   version, firstOpset, lastOpset)
                         .str());
  if (file->graph().outputs.empty())
    return fileError(file->path(), "has a graph without outputs");
  return llvm::Error::success();
}

int64_t Importer::sizeOf(const Dimension &dimension) const {
  auto found = given.find(dimension.symbol);
  return dimension.size >= 0 || found == given.end() ? dimension.size
                                                     : found->second;
}

llvm::Error Importer::startFunction() {
  for (const auto &entry : given)
    if (llvm::none_of(file->graph().inputs, [&](const ValueInfo &input) {
          return llvm::any_of(input.shape, [&](const Dimension &dimension) {
            return dimension.size < 0 && dimension.symbol == entry.getKey();
          });
        }))
      return fileError(file->path(), "no input has a dimension " +
                                         quoteName(entry.getKey()) +
                                         " without a size");
  SmallVector<const ValueInfo *> arguments;
  SmallVector<Type> types;
  for (const ValueInfo &input : file->graph().inputs) {
    // Old models list initializers among the inputs.
    if (file->constant(input.name))
      continue;
    Type element = elementType(input.type);
    if (!element || dataTypeBits(input.type) < 8)
      return fileError(file->path(), "input " + quoteName(input.name) +
                                         " is no tensor of a supported type");
    if (!input.hasShape)
      return fileError(file->path(),
                       "input " + quoteName(input.name) + " has no shape");
    SmallVector<int64_t> shape;
    uint64_t product = 1;
    for (const Dimension &dimension : input.shape) {
      int64_t size = sizeOf(dimension);
      shape.push_back(size < 0 ? ShapedType::kDynamic : size);
      product = llvm::SaturatingMultiply(product,
                                         uint64_t(std::max<int64_t>(size, 1)));
      if (product > uint64_t(mostElements))
        return fileError(file->path(),
                         "input " + quoteName(input.name) + " is too large");
    }
    arguments.push_back(&input);
    types.push_back(RankedTensorType::get(shape, element));
  }
  b.setInsertionPointToEnd(moduleOp->getBody());
  function =
      func::FuncOp::create(b, "forward", b.getFunctionType(types, TypeRange()));
  b.setInsertionPointToStart(function.addEntryBlock());
  for (auto [number, input] : llvm::enumerate(arguments)) {
    Value argument = function.getArgument(number);
    function.setArgAttr(number, lm::LMDialect::nameAttrName,
                        b.getStringAttr(input->name));
    Sizes shape;
    for (auto [dim, dimension] : llvm::enumerate(input->shape)) {
      OpFoldResult size;
      if (int64_t known = sizeOf(dimension); known >= 0)
        size = this->size(known);
      else if (!dimension.symbol.empty())
        size = symbols.lookup(dimension.symbol);
      if (!size)
        size = OpFoldResult(tensor::DimOp::create(b, argument, dim));
      if (!isa<Attribute>(size) && !dimension.symbol.empty())
        symbols.try_emplace(dimension.symbol, size);
      shape.push_back(size);
    }
    storage.push_back(fromTensor(input->type, argument, shape));
    if (!values.try_emplace(input->name, &storage.back()).second)
      return fileError(file->path(),
                       "input " + quoteName(input->name) + " appears twice");
  }
  return llvm::Error::success();
}

GraphValue *Importer::find(StringRef name) {
  if (GraphValue *value = values.lookup(name))
    return value;
  const Tensor *constant = file->constant(name);
  if (!constant)
    return nullptr;
  GraphValue &value = storage.emplace_back();
  value.type = constant->type;
  value.shape = sizes(constant->shape);
  value.constant = constant;
  return values[name] = &value;
}

llvm::Error Importer::nodeError(const llvm::Twine &reason) {
  StringRef name = !node->name.empty()     ? node->name
                   : node->outputs.empty() ? StringRef()
                                           : node->outputs[0];
  return fileError(file->path(), "node " + quoteName(name) + " (" +
                                     StringRef(quoteName(node->op)).trim('\'') +
                                     "): " + reason);
}

llvm::Error Importer::importNode(const Node &current) {
  node = &current;
  const Operator *found = findOperator(node->domain, node->op);
  if (!found)
    return nodeError(
        "operator of domain " +
        quoteName(node->domain.empty() ? "ai.onnx" : node->domain) +
        ", opset " + llvm::Twine(opset()) + ", is not supported");
  unsigned count = node->inputs.size();
  while (count > 0 && node->inputs[count - 1].empty())
    --count;
  if (count < found->required || count > found->most)
    return nodeError("has " + llvm::Twine(count) + " inputs");
  if (auto product = patterns.products.find(node);
      product != patterns.products.end()) {
    importProduct(*this, product->second);
    return finishNode();
  }
  inputs.clear();
  for (unsigned index = 0; index < count; ++index) {
    StringRef name = node->inputs[index];
    if (name.empty()) {
      if (index < found->required)
        return nodeError("lacks input " + llvm::Twine(index));
      inputs.push_back(nullptr);
      continue;
    }
    inputs.push_back(read(name));
    if (problem)
      return nodeError(*problem);
  }
  found->import(*this);
  return finishNode();
}

llvm::Error Importer::finishNode() {
  if (problem)
    return nodeError(*problem);
  for (StringRef name : node->outputs)
    if (!name.empty() && !values.count(name))
      return nodeError("the output " + quoteName(name) + " is not supported");
  return llvm::Error::success();
}

GraphValue *Importer::read(StringRef name) {
  GraphValue *value = find(name);
  if (value && elementType(value->type))
    return value;
  if (value)
    fail("reads " + quoteName(name) + " of the type " +
         dataTypeName(value->type) + ", which is not supported");
  else
    fail("reads " + quoteName(name) +
         ", which no input, initializer or node before it makes");
  return nullptr;
}

void Importer::result(unsigned index, GraphValue value) {
  if (problem || !wants(index))
    return;
  uint64_t count = 1;
  for (OpFoldResult size : value.shape) {
    int64_t number = staticSize(size);
    if (number >= 0)
      count = llvm::SaturatingMultiply(count, uint64_t(number));
    else if (isa<Attribute>(size))
      return fail("a size of the result is negative");
  }
  if (count > uint64_t(mostElements))
    return fail("the result is too large");
  storage.push_back(std::move(value));
  StringRef name = node->outputs[index];
  if (file->constant(name) || !values.try_emplace(name, &storage.back()).second)
    fail("makes " + quoteName(name) + ", which exists already");
}

llvm::Error Importer::finishFunction() {
  SmallVector<Value> results;
  for (const ValueInfo &output : file->graph().outputs) {
    GraphValue *value = find(output.name);
    if (!value)
      return fileError(file->path(),
                       "output " + quoteName(output.name) + " is never made");
    if (!elementType(value->type))
      return fileError(file->path(), "output " + quoteName(output.name) +
                                         " is of the unsupported type " +
                                         dataTypeName(value->type));
    Value result = tensor(*value);
    // What the file says of the shape may be more than was found out.
    auto type = llvm::cast<RankedTensorType>(result.getType());
    SmallVector<int64_t> shape(type.getShape());
    if (output.hasShape && output.shape.size() == shape.size())
      for (auto [size, declared] : llvm::zip(shape, output.shape))
        if (ShapedType::isDynamic(size) && declared.size >= 0)
          size = declared.size;
    if (ArrayRef(shape) != type.getShape())
      result = tensor::CastOp::create(b, type.clone(shape), result);
    results.push_back(result);
  }
  if (problem)
    return fileError(file->path(), *problem);
  func::ReturnOp::create(b, results);
  function.setFunctionType(b.getFunctionType(function.getArgumentTypes(),
                                             ValueRange(results).getTypes()));
  // Scalars of shapes that turned out to be constant, and what was tried.
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
    if (isOpTriviallyDead(&op))
      op.erase();
  return llvm::Error::success();
}

llvm::Expected<OwningOpRef<ModuleOp>> Importer::run() {
  if (llvm::Error error = checkModel())
    return std::move(error);
  if (llvm::Error error = startFunction())
    return std::move(error);
  // Nodes have to be in the order in which they can be computed; so a cycle is
  // a node that reads what is made after it.
  for (const Node &each : file->graph().nodes)
    if (!patterns.absorbed.contains(&each))
      if (llvm::Error error = importNode(each))
        return std::move(error);
  if (llvm::Error error = finishFunction())
    return std::move(error);
  if (mlir::failed(verify(*moduleOp)))
    return fileError(file->path(), "the graph is not valid");
  return std::move(moduleOp);
}

llvm::Expected<OwningOpRef<ModuleOp>>
quantmlir::importONNX(StringRef path, MLIRContext *context,
                      const llvm::StringMap<int64_t> &sizes) {
  llvm::Expected<std::shared_ptr<ONNXFile>> file = ONNXFile::open(path);
  if (!file)
    return file.takeError();
  return Importer(*file, context, sizes).run();
}

//===----------------------------------------------------------------------===//
// The node
//===----------------------------------------------------------------------===//

void Importer::fail(const llvm::Twine &reason) {
  if (!problem)
    problem = reason.str();
}

int64_t Importer::integer(StringRef name, int64_t otherwise) {
  const NodeAttribute *found = attribute(name);
  if (!found)
    return otherwise;
  if (found->kind != NodeAttribute::Kind::Int)
    fail("the attribute '" + name + "' is no integer");
  return found->integer;
}

double Importer::number(StringRef name, double otherwise) {
  const NodeAttribute *found = attribute(name);
  if (!found)
    return otherwise;
  if (found->kind != NodeAttribute::Kind::Float)
    fail("the attribute '" + name + "' is no float");
  return found->number;
}

StringRef Importer::string(StringRef name, StringRef otherwise) {
  const NodeAttribute *found = attribute(name);
  if (!found)
    return otherwise;
  if (found->kind != NodeAttribute::Kind::String)
    fail("the attribute '" + name + "' is no string");
  return found->string;
}

std::optional<ArrayRef<int64_t>> Importer::integers(StringRef name) {
  const NodeAttribute *found = attribute(name);
  if (!found)
    return std::nullopt;
  if (found->kind != NodeAttribute::Kind::Ints)
    fail("the attribute '" + name + "' is no list of integers");
  return ArrayRef(found->integers);
}

std::optional<int64_t> Importer::axis(int64_t axis, int64_t rank) {
  int64_t positive = axis < 0 ? axis + rank : axis;
  if (positive >= 0 && positive < rank)
    return positive;
  fail("has no axis " + llvm::Twine(axis) + " of " + llvm::Twine(rank));
  return std::nullopt;
}

std::optional<SmallVector<int64_t>>
Importer::axes(StringRef attribute, unsigned input, int64_t rank) {
  SmallVector<int64_t> result;
  if (has(input)) {
    std::optional<SmallVector<int64_t>> known = constants(in(input));
    if (!known) {
      fail("has axes that are computed");
      return std::nullopt;
    }
    result = *known;
  } else if (auto list = integers(attribute)) {
    result.assign(list->begin(), list->end());
  }
  for (int64_t &each : result) {
    std::optional<int64_t> positive = axis(each, rank);
    if (!positive)
      return std::nullopt;
    each = *positive;
  }
  llvm::sort(result);
  if (std::adjacent_find(result.begin(), result.end()) != result.end()) {
    fail("has an axis twice");
    return std::nullopt;
  }
  return result;
}
