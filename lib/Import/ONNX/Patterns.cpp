// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Patterns.h"
#include "Operators.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace quantmlir;
using namespace quantmlir::onnx;

using Found = std::optional<QuantizedProduct>;

SmallVector<StringRef> QuantizedProduct::reads() const {
  SmallVector<StringRef> values;
  for (StringRef value : {x, xScale, xZero, bias, yScale, yZero})
    if (!value.empty())
      values.push_back(value);
  return values;
}

//===----------------------------------------------------------------------===//
// The graph
//===----------------------------------------------------------------------===//

/// An input of a node; empty if it is not there.
static StringRef in(const Node &node, unsigned index) {
  return index < node.inputs.size() ? node.inputs[index] : StringRef();
}

static StringRef out(const Node &node, unsigned index) {
  return index < node.outputs.size() ? node.outputs[index] : StringRef();
}

/// The node of an operator of ONNX's own whose first output a value is.
static const Node *maker(const ONNXFile &file, StringRef value, StringRef op) {
  const Node *node = value.empty() ? nullptr : file.maker(value);
  return node && node->op == op && node->domain == onnxDomain &&
                 out(*node, 0) == value
             ? node
             : nullptr;
}

static int64_t integer(const Node &node, StringRef name, int64_t otherwise) {
  const NodeAttribute *found = node.find(name);
  return found && found->kind == NodeAttribute::Kind::Int ? found->integer
                                                          : otherwise;
}

static float number(const Node &node, StringRef name, float otherwise) {
  const NodeAttribute *found = node.find(name);
  return found && found->kind == NodeAttribute::Kind::Float ? found->number
                                                            : otherwise;
}

/// The constant of that name; null if it is none, or is not there.
static const Tensor *constant(const ONNXFile &file, StringRef name) {
  return name.empty() ? nullptr : file.constant(name);
}

/// Whether two names are one value, or constants with the same numbers.
static bool isSame(const ONNXFile &file, StringRef a, StringRef b) {
  if (a == b)
    return true;
  const Tensor *first = constant(file, a), *second = constant(file, b);
  return first && second && first->type == second->type &&
         first->shape == second->shape && first->bytes == second->bytes;
}

//===----------------------------------------------------------------------===//
// Matrices
//===----------------------------------------------------------------------===//

/// A product with, or a lookup in, a matrix of codes.
static Found fromCodes(const ONNXFile &file, PlainCodes codes, StringRef zeros,
                       bool isLookup = false) {
  codes.zeros = constant(file, zeros);
  if (!zeros.empty() && !codes.zeros)
    return std::nullopt;
  std::optional<IntegerMatrix> matrix = describe(codes);
  if (!matrix)
    return std::nullopt;
  QuantizedProduct product;
  product.matrix = std::move(*matrix);
  product.constants = {codes.codes->name, codes.scales->name};
  if (codes.zeros)
    product.constants.push_back(codes.zeros->name);
  product.transposed = codes.transposed;
  product.isLookup = isLookup;
  return product;
}

/// The same of what DequantizeLinear makes of constants.
static Found fromDequantized(const ONNXFile &file, StringRef value,
                             bool transposed, bool isLookup = false) {
  if (const Node *transpose = maker(file, value, "Transpose")) {
    const NodeAttribute *order = transpose->find("perm");
    if (order && ArrayRef(order->integers) != ArrayRef<int64_t>({1, 0}))
      return std::nullopt;
    transposed = !transposed;
    value = in(*transpose, 0);
  }
  const Node *node = maker(file, value, "DequantizeLinear");
  if (!node)
    return std::nullopt;
  PlainCodes codes;
  codes.codes = constant(file, in(*node, 0));
  codes.scales = constant(file, in(*node, 1));
  codes.axis = integer(*node, "axis", 1);
  codes.axis += codes.axis < 0 ? 2 : 0;
  codes.block = integer(*node, "block_size", 0);
  codes.transposed = transposed;
  if (codes.axis < 0 || codes.axis > 1)
    return std::nullopt;
  return fromCodes(file, codes, in(*node, 2), isLookup);
}

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

/// Whether a zero point is in the middle of the codes.
static bool isMiddle(const ONNXFile &file, StringRef name, StringRef codes) {
  if (name.empty())
    return false;
  const Tensor *zero = constant(file, name);
  return zero && zero->numElements() == 1 &&
         ((zero->type == DataType::Int8 && zero->bytes[0] == 0) ||
          (zero->type == DataType::UInt8 && zero->bytes[0] == 128));
}

/// Looks through the rounding of an activation to a grid that a scheme is: what
/// QuantizeLinear makes, with the scale and zero point that its codes are read
/// with. Codes on another grid stay what they are, and what was rounded to them
/// is not rounded again.
static void findStaticInput(const ONNXFile &file, QuantizedProduct &product,
                            StringRef codes, StringRef scale, StringRef zero) {
  StoredMatrix &stored = product.matrix.stored;
  stored.inputScheme = "float";
  const Node *node = maker(file, codes, "QuantizeLinear");
  const Tensor *step = constant(file, scale);
  if (!node || !step || step->type != DataType::Float ||
      step->numElements() != 1 || step->shape.size() > 1 ||
      !isSame(file, in(*node, 1), scale) || !isSame(file, in(*node, 2), zero) ||
      !isMiddle(file, zero, codes))
    return;
  stored.inputScheme = "#qt.int<8, tensor>";
  stored.inputScale = step->name.str();
  product.x = in(*node, 0);
  product.xScale = product.xZero = StringRef();
}

/// The activation of MatMul or Gemm.
static void findInput(const ONNXFile &file, QuantizedProduct &product,
                      StringRef value) {
  product.x = value;
  const Node *node = maker(file, value, "DequantizeLinear");
  if (node && maker(file, in(*node, 0), "QuantizeLinear"))
    findStaticInput(file, product, in(*node, 0), in(*node, 1), in(*node, 2));
}

/// Activations whose scales are found when the program runs. Their grid of 256
/// codes around the range of the whole tensor is none of ours; the nearest is
/// that of 255 codes around 0 for each token.
static constexpr StringLiteral dynamicScheme = "#qt.int<8, token>";

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

static Found findMatMul(const ONNXFile &file, const Node &node) {
  Found product = fromDequantized(file, in(node, 1), /*transposed=*/true);
  if (product)
    findInput(file, *product, in(node, 0));
  return product;
}

static Found findGemm(const ONNXFile &file, const Node &node) {
  bool hasBias = !in(node, 2).empty();
  if (integer(node, "transA", 0) || number(node, "alpha", 1) != 1 ||
      (hasBias && number(node, "beta", 1) != 1))
    return std::nullopt;
  Found product =
      fromDequantized(file, in(node, 1), !integer(node, "transB", 0));
  if (product) {
    findInput(file, *product, in(node, 0));
    product->bias = in(node, 2);
  }
  return product;
}

static Found findLookup(const ONNXFile &file, const Node &node) {
  if (integer(node, "axis", 0) != 0)
    return std::nullopt;
  Found product = fromDequantized(file, in(node, 0), /*transposed=*/false,
                                  /*isLookup=*/true);
  if (product)
    product->x = in(node, 1);
  return product;
}

/// Rows of codes that are dequantized with one scale for all.
static Found findLookupOfCodes(const ONNXFile &file, const Node &node) {
  const Node *gather = maker(file, in(node, 0), "Gather");
  PlainCodes codes;
  codes.scales = constant(file, in(node, 1));
  if (!gather || integer(*gather, "axis", 0) != 0 || !codes.scales ||
      codes.scales->numElements() != 1)
    return std::nullopt;
  codes.codes = constant(file, in(*gather, 0));
  Found product = fromCodes(file, codes, in(node, 2), /*isLookup=*/true);
  if (product)
    product->x = in(*gather, 1);
  return product;
}

/// Integers [k, n] that are multiplied as a right operand.
static Found fromRightOperand(const ONNXFile &file, StringRef codes,
                              StringRef scales, StringRef zeros) {
  PlainCodes right;
  right.codes = constant(file, codes);
  right.scales = constant(file, scales);
  right.transposed = true;
  return fromCodes(file, right, zeros);
}

/// Cast(MatMulInteger(codes of x, W)) * (scale of x * scales of W).
static Found findDynamicMatMul(const ONNXFile &file, const Node &node) {
  for (unsigned side : {0, 1}) {
    const Node *cast = maker(file, in(node, side), "Cast");
    const Node *scales = maker(file, in(node, 1 - side), "Mul");
    const Node *product =
        cast ? maker(file, in(*cast, 0), "MatMulInteger") : nullptr;
    const Node *codes =
        product ? maker(file, in(*product, 0), "DynamicQuantizeLinear")
                : nullptr;
    if (!codes || !scales ||
        integer(*cast, "to", 0) != int64_t(DataType::Float) ||
        in(*product, 2).empty() || in(*product, 2) != out(*codes, 2))
      continue;
    for (unsigned own : {0, 1}) {
      if (in(*scales, own) != out(*codes, 1))
        continue;
      Found found = fromRightOperand(file, in(*product, 1),
                                     in(*scales, 1 - own), in(*product, 3));
      if (!found)
        continue;
      found->x = in(*codes, 0);
      found->matrix.stored.inputScheme = dynamicScheme;
      return found;
    }
  }
  return std::nullopt;
}

static Found findQLinearMatMul(const ONNXFile &file, const Node &node) {
  Found product = fromRightOperand(file, in(node, 3), in(node, 4), in(node, 5));
  const Tensor *scale = constant(file, in(node, 1));
  if (!product || !scale || scale->numElements() != 1)
    return std::nullopt;
  product->x = in(node, 0);
  product->xScale = in(node, 1);
  product->xZero = in(node, 2);
  product->yScale = in(node, 6);
  product->yZero = in(node, 7);
  findStaticInput(file, *product, in(node, 0), in(node, 1), in(node, 2));
  return product;
}

//===----------------------------------------------------------------------===//
// com.microsoft's
//===----------------------------------------------------------------------===//

static QuantizedProduct refuse(const Twine &problem) {
  QuantizedProduct product;
  product.problem = problem.str();
  return product;
}

static QuantizedProduct fromBlocks(const BlockCodes &codes, bool isLookup) {
  Expected<IntegerMatrix> matrix = describe(codes);
  if (!matrix)
    return refuse(toString(matrix.takeError()));
  QuantizedProduct product;
  product.matrix = std::move(*matrix);
  product.constants = {codes.codes->name, codes.scales->name};
  if (codes.zeros)
    product.constants.push_back(codes.zeros->name);
  product.isLookup = isLookup;
  return product;
}

static Found findMatMulNBits(const ONNXFile &file, const Node &node) {
  BlockCodes codes;
  codes.k = integer(node, "K", 0);
  codes.n = integer(node, "N", 0);
  codes.bits = integer(node, "bits", 4);
  codes.block = integer(node, "block_size", 0);
  codes.codes = constant(file, in(node, 1));
  codes.scales = constant(file, in(node, 2));
  codes.zeros = constant(file, in(node, 3));
  codes.groups = constant(file, in(node, 4));
  if (!codes.codes || !codes.scales || (!in(node, 3).empty() && !codes.zeros) ||
      (!in(node, 4).empty() && !codes.groups))
    return refuse("has a matrix that is no constant");
  QuantizedProduct product = fromBlocks(codes, /*isLookup=*/false);
  product.x = in(node, 0);
  product.bias = in(node, 5);
  // 4 says that activations are multiplied as integers of 8 bits, 1 that they
  // stay f32; else that is our choice.
  int64_t level = integer(node, "accuracy_level", 0);
  std::string &input = product.matrix.stored.inputScheme;
  if (level == 4)
    input = "#qt.int<8, group = " + std::to_string(codes.block) + ">";
  else if (level == 1)
    input = "float";
  return product;
}

static Found findGatherBlocks(const ONNXFile &file, const Node &node) {
  const Tensor *table = constant(file, in(node, 0));
  PlainCodes plain{table, constant(file, in(node, 2))};
  if (!table || !plain.scales || table->shape.size() != 2)
    return refuse("has a table that is no constant matrix");
  plain.axis = integer(node, "quantize_axis", 1);
  plain.block = integer(node, "block_size", 128);
  if (integer(node, "gather_axis", 0) != 0 ||
      (plain.axis != 1 && plain.axis != -1))
    return refuse("has other axes than 0 (gather_axis) and 1 (quantize_axis), "
                  "which is not supported");
  plain.axis = 1;
  Found product;
  if (table->type == DataType::UInt8) {
    BlockCodes codes;
    codes.bits = integer(node, "bits", 4);
    codes.block = plain.block;
    codes.n = table->shape[0];
    codes.k = codes.bits > 0 ? table->shape[1] * 8 / codes.bits : 0;
    codes.codes = table;
    codes.scales = plain.scales;
    codes.zeros = constant(file, in(node, 3));
    if (codes.block < 1 || codes.k % codes.block)
      return refuse("has rows of " + Twine(codes.k) +
                    " codes, which are no whole blocks of " +
                    Twine(codes.block));
    product = fromBlocks(codes, /*isLookup=*/true);
  } else {
    product = fromCodes(file, plain, in(node, 3), /*isLookup=*/true);
  }
  if (!product)
    return refuse("has codes, scales or zero points of no supported type or "
                  "shape");
  product->x = in(node, 1);
  return product;
}

/// DynamicQuantizeMatMul and MatMulIntegerToFloat: what ONNX Runtime joins
/// these nodes to. The second has codes and their scale as inputs.
static Found findJoinedMatMul(const ONNXFile &file, const Node &node) {
  bool isJoined = node.op == "DynamicQuantizeMatMul";
  Found product =
      fromRightOperand(file, in(node, 1), in(node, isJoined ? 2 : 3),
                       in(node, isJoined ? 3 : 5));
  if (!product)
    return refuse("has a matrix that is no constant, or is not quantized as "
                  "one of our schemes");
  product->x = in(node, 0);
  product->bias = in(node, isJoined ? 4 : 6);
  product->matrix.stored.inputScheme = dynamicScheme;
  if (isJoined)
    return product;
  product->xScale = in(node, 2);
  product->xZero = in(node, 4);
  const Node *codes = maker(file, in(node, 0), "DynamicQuantizeLinear");
  if (codes && in(node, 2) == out(*codes, 1) && in(node, 4) == out(*codes, 2)) {
    product->x = in(*codes, 0);
    product->xScale = product->xZero = StringRef();
  } else {
    findStaticInput(file, *product, in(node, 0), in(node, 2), in(node, 4));
  }
  return product;
}

//===----------------------------------------------------------------------===//
// The graph's products
//===----------------------------------------------------------------------===//

Found onnx::findProduct(const ONNXFile &file, const Node &node) {
  auto none = [](const ONNXFile &, const Node &) { return Found(); };
  using Find = Found (*)(const ONNXFile &, const Node &);
  Find find = none;
  if (out(node, 0).empty())
    return std::nullopt;
  if (node.domain == onnxDomain)
    find = StringSwitch<Find>(node.op)
               .Case("MatMul", findMatMul)
               .Case("Gemm", findGemm)
               .Case("Gather", findLookup)
               .Case("DequantizeLinear", findLookupOfCodes)
               .Case("Mul", findDynamicMatMul)
               .Case("QLinearMatMul", findQLinearMatMul)
               .Default(none);
  else if (node.domain == microsoftDomain)
    find = StringSwitch<Find>(node.op)
               .Case("MatMulNBits", findMatMulNBits)
               .Case("GatherBlockQuantized", findGatherBlocks)
               .Cases({"DynamicQuantizeMatMul", "MatMulIntegerToFloat"},
                      findJoinedMatMul)
               .Default(none);
  return find(file, node);
}

Patterns::Patterns(const ONNXFile &file) {
  DenseSet<StringRef> needed, replaced;
  for (const ValueInfo &output : file.graph().outputs)
    needed.insert(output.name);
  auto anyIn = [](const Node &node, const DenseSet<StringRef> &values) {
    return any_of(node.outputs, [&](StringRef value) {
      return !value.empty() && values.contains(value);
    });
  };
  // Those that read a value come after the one that makes it.
  for (const Node &node : reverse(file.graph().nodes)) {
    if (!anyIn(node, needed) && anyIn(node, replaced)) {
      absorbed.insert(&node);
      replaced.insert_range(node.inputs);
    } else if (Found product = findProduct(file, node)) {
      needed.insert_range(product->reads());
      replaced.insert_range(node.inputs);
      products.try_emplace(&node, std::move(*product));
    } else {
      needed.insert_range(node.inputs);
    }
  }
}

Expected<IntegerMatrix> onnx::findMatrix(const ONNXFile &file,
                                         StringRef value) {
  const Node *node = file.maker(value);
  Found product = node ? findProduct(file, *node) : std::nullopt;
  if (!product || !product->problem.empty())
    return tensorError(file.path(), value,
                       "is not made from a quantized matrix");
  return std::move(product->matrix);
}
