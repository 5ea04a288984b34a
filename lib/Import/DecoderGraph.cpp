// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "DecoderGraph.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace quantmlir;

//===----------------------------------------------------------------------===//
// Architectures
//===----------------------------------------------------------------------===//

namespace {
struct Architecture {
  const char *name;
  bool headNorms, gemma, fused, gpt2;
};
} // namespace

static constexpr Architecture architectures[] = {
    // name    head norms  gemma  fused  gpt2
    {"llama", false, false, false, false},
    {"mistral", false, false, false, false},
    {"qwen2", false, false, false, false},
    {"qwen3", true, false, false, false},
    {"mixtral", false, false, false, false},
    {"qwen3moe", true, false, false, false},
    {"gemma2", false, true, false, false},
    {"gemma3", true, true, false, false},
    {"phi3", false, false, true, false},
    {"gpt2", false, false, true, true},
};

std::optional<DecoderConfig>
quantmlir::describeDecoder(StringRef architecture) {
  for (const Architecture &known : architectures) {
    if (architecture != known.name)
      continue;
    DecoderConfig config;
    config.architecture = known.name;
    config.headNorms = known.headNorms;
    config.fused = known.fused;
    config.postNorms = config.scaledEmbedding = known.gemma;
    config.layerNorm = config.learnedPositions = known.gpt2;
    config.gated = !known.gpt2;
    if (known.gemma || known.gpt2)
      config.activation = lm::ActivationKind::GeluTanh;
    return config;
  }
  return std::nullopt;
}

std::string quantmlir::listDecoders() {
  std::string list;
  for (const Architecture &known : architectures)
    list += (list.empty() ? "'" : ", '") + std::string(known.name) + "'";
  return list;
}

void DecoderConfig::setWindow(int64_t size, int64_t every) {
  window = size;
  windowed.assign(std::max<int64_t>(layers, 0), false);
  for (int64_t layer = 0; size > 0 && layer < layers; ++layer)
    windowed[layer] = every <= 1 || (layer + 1) % every != 0;
}

llvm::Error quantmlir::checkDecoderSizes(StringRef path,
                                         const DecoderConfig &config) {
  if (llvm::Error error =
          checkSizes(path, {{"layers", config.layers, 1 << 12},
                            {"hidden size", config.hidden, 1 << 20},
                            {"heads", config.heads, 1 << 12},
                            {"key/value heads", config.kvHeads, 1 << 12},
                            {"head size", config.headSize, 1 << 16},
                            {"feed-forward size", config.feedForward, 1 << 24},
                            {"vocabulary", config.vocabulary, 1 << 26},
                            {"context length", config.context, 1 << 28}}))
    return error;
  const Experts &experts = config.experts;
  if (experts.count != 0) {
    if (llvm::Error error = checkSizes(
            path,
            {{"experts", experts.count, 1 << 12},
             {"experts of a token", experts.top, experts.count},
             {"feed-forward size of experts", experts.feedForward, 1 << 24}}))
      return error;
  }
  if (config.heads % config.kvHeads != 0)
    return fileError(path,
                     llvm::formatv("{0} heads cannot share {1} key/value heads",
                                   config.heads, config.kvHeads)
                         .str());
  if (!config.learnedPositions &&
      (config.rotary < 2 || config.rotary % 2 != 0 ||
       config.rotary > config.headSize))
    return fileError(path, llvm::formatv("{0} elements of heads of {1} cannot "
                                         "be rotated in pairs",
                                         config.rotary, config.headSize)
                               .str());
  return llvm::Error::success();
}

llvm::Error quantmlir::checkDecoderNumbers(StringRef path,
                                           const DecoderConfig &config) {
  auto isPositive = [](double x) { return std::isfinite(x) && x > 0; };
  for (const Rope *rope :
       {&config.rope, config.windowRope ? &*config.windowRope : &config.rope}) {
    if (!isPositive(config.eps) || !isPositive(rope->base))
      return fileError(path, "the norms' epsilon and the rope base must be "
                             "positive numbers");
    if (!isPositive(rope->magnitude) ||
        (rope->magnitude != 1 && config.rotary != config.headSize))
      return fileError(path, "rope scaling with a magnitude is not supported "
                             "for heads that are rotated in part");
    if (!rope->divisors.empty() &&
        (int64_t(rope->divisors.size()) != config.rotary / 2 ||
         !llvm::all_of(rope->divisors, isPositive)))
      return fileError(path, llvm::formatv("rope scaling needs {0} positive "
                                           "divisors",
                                           config.rotary / 2)
                                 .str());
  }
  auto isNumber = [](double x) { return std::isfinite(x) && x >= 0; };
  if (!isNumber(config.attentionScale) || !isNumber(config.attentionCap) ||
      !isNumber(config.logitCap))
    return fileError(path, "the scale of attention and soft caps must be "
                           "positive numbers");
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// The graph
//===----------------------------------------------------------------------===//

/// "a.weight" to "a.bias".
static std::string biasName(StringRef weight) {
  weight.consume_back("weight");
  return (weight + "bias").str();
}

namespace {

class DecoderBuilder {
public:
  DecoderBuilder(GraphBuilder &graph, const DecoderConfig &config,
                 const DecoderNames &names)
      : graph(graph), config(config), names(names), b(graph.builder()) {}

  void build();

private:
  RankedTensorType rows(int64_t columns) {
    return RankedTensorType::get({ShapedType::kDynamic, columns},
                                 b.getF32Type());
  }
  /// A tensor's name in the file, in this layer if it is of one.
  std::string fileName(StringRef pattern) {
    auto [before, after] = pattern.split("{0}");
    std::string name = (names.prefix + before).str();
    return before == pattern ? name
                             : name + std::to_string(layer) + after.str();
  }
  Value linear(Value x, StringRef pattern, int64_t size) {
    std::string weight = fileName(pattern);
    return graph.linear(x, weight, biasName(weight), size, config.matrixForm);
  }
  Value activate(Value x) {
    return lm::ActivationOp::create(
        b, lm::ActivationKindAttr::get(b.getContext(), config.activation), x);
  }

  void start();
  Value columns(Value x, int64_t first, int64_t size);
  Value norm(Value x, StringRef pattern);
  Value normHeads(Value x, StringRef pattern);
  Value rotate(Value x, const Rope &rope);
  Value embed(Value table);
  Value attend(Value h);
  Value feedForward(Value h);
  Value mixExperts(Value h);
  Value
  collect(ArrayRef<OpFoldResult> sizes,
          llvm::function_ref<Value(ImplicitLocOpBuilder &, ValueRange)> read);
  Value gather(Value x, Value tokens);
  Value combine(Value made, Value shares, Value rows);
  Value lastRows(Value x);

  GraphBuilder &graph;
  const DecoderConfig &config;
  const DecoderNames &names;
  ImplicitLocOpBuilder &b;
  Value tokens, position, outputs, cache, count;
  int64_t layer = 0;
};

} // namespace

void DecoderBuilder::start() {
  auto cacheType =
      lm::KVCacheType::get(b.getContext(), config.layers, config.kvHeads,
                           config.headSize, b.getF32Type());
  auto tokensType = RankedTensorType::get(ShapedType::kDynamic, b.getI32Type());
  func::FuncOp function = graph.startFunction(
      {tokensType, b.getIndexType(), b.getIndexType(), cacheType},
      rows(config.vocabulary));
  const char *const inputs[] = {"tokens", "position", "outputs", "cache"};
  for (auto [index, name] : llvm::enumerate(inputs))
    function.setArgAttr(index, "lm.name", b.getStringAttr(name));
  tokens = function.getArgument(0);
  position = function.getArgument(1);
  outputs = function.getArgument(2);
  cache = function.getArgument(3);
  graph.setString(lm::LMDialect::architectureAttrName, config.architecture);
  graph.setInteger(lm::LMDialect::contextLengthAttrName, config.context);
  graph.setInteger(lm::LMDialect::vocabSizeAttrName, config.vocabulary);
  graph.setInteger(lm::LMDialect::hiddenSizeAttrName, config.hidden);
  Value zero = arith::ConstantIndexOp::create(b, 0);
  count = tensor::DimOp::create(b, tokens, zero);
}

/// Columns `first` and on.
Value DecoderBuilder::columns(Value x, int64_t first, int64_t size) {
  OpFoldResult zero = b.getIndexAttr(0), one = b.getIndexAttr(1);
  return tensor::ExtractSliceOp::create(
      b, x, SmallVector<OpFoldResult>{zero, b.getIndexAttr(first)},
      SmallVector<OpFoldResult>{count, b.getIndexAttr(size)},
      SmallVector<OpFoldResult>{one, one});
}

Value DecoderBuilder::norm(Value x, StringRef pattern) {
  std::string gain = fileName(pattern);
  int64_t size = cast<RankedTensorType>(x.getType()).getShape().back();
  Value gains = graph.plain(gain, size, config.gainForm);
  FloatAttr eps = b.getF64FloatAttr(config.eps);
  if (!config.layerNorm)
    return lm::RMSNormOp::create(b, x, gains, eps);
  std::string bias = biasName(gain);
  return lm::LayerNormOp::create(
      b, x, gains, graph.has(bias) ? graph.plain(bias, size) : Value(), eps);
}

/// The norm of each head's elements.
Value DecoderBuilder::normHeads(Value x, StringRef pattern) {
  auto flat = cast<RankedTensorType>(x.getType());
  int64_t heads = flat.getShape().back() / config.headSize;
  auto split = RankedTensorType::get(
      {ShapedType::kDynamic, heads, config.headSize}, b.getF32Type());
  SmallVector<ReassociationIndices> groups = {{0}, {1, 2}};
  Value apart = tensor::ExpandShapeOp::create(
      b, split, x, groups,
      SmallVector<OpFoldResult>{count, b.getIndexAttr(heads),
                                b.getIndexAttr(config.headSize)});
  return tensor::CollapseShapeOp::create(b, flat, norm(apart, pattern), groups);
}

Value DecoderBuilder::rotate(Value x, const Rope &rope) {
  IntegerAttr rotary = config.rotary == config.headSize
                           ? IntegerAttr()
                           : b.getI64IntegerAttr(config.rotary);
  auto divisors = rope.divisors.empty() ? DenseF64ArrayAttr()
                                        : b.getDenseF64ArrayAttr(rope.divisors);
  return lm::RopeOp::create(
      b, x.getType(), x, position, b.getI64IntegerAttr(config.headSize),
      b.getF64FloatAttr(rope.base),
      lm::RopeStyleAttr::get(b.getContext(), config.ropeStyle), rotary,
      divisors);
}

Value DecoderBuilder::embed(Value table) {
  Value x = lm::EmbeddingOp::create(b, rows(config.hidden), tokens, table);
  if (config.scaledEmbedding)
    x = graph.scale(x, std::sqrt(double(config.hidden)));
  if (!config.learnedPositions)
    return x;
  Value places =
      graph.plain(fileName(names.positions), {config.context, config.hidden});
  OpFoldResult one = b.getIndexAttr(1);
  Value own = tensor::ExtractSliceOp::create(
      b, places, SmallVector<OpFoldResult>{position, b.getIndexAttr(0)},
      SmallVector<OpFoldResult>{count, b.getIndexAttr(config.hidden)},
      SmallVector<OpFoldResult>{one, one});
  return arith::AddFOp::create(b, x, own);
}

Value DecoderBuilder::attend(Value h) {
  int64_t size = config.heads * config.headSize;
  int64_t kvSize = config.kvHeads * config.headSize;
  Value q, k, v;
  if (config.fused) {
    Value all = linear(h, names.queryKeyValue, size + 2 * kvSize);
    q = columns(all, 0, size);
    k = columns(all, size, kvSize);
    v = columns(all, size + kvSize, kvSize);
  } else {
    q = linear(h, names.query, size);
    k = linear(h, names.key, kvSize);
    v = linear(h, names.value, kvSize);
  }
  if (config.headNorms) {
    q = normHeads(q, names.queryNorm);
    k = normHeads(k, names.keyNorm);
  }
  bool windowed = !config.windowed.empty() && config.windowed[layer];
  const Rope &rope =
      windowed && config.windowRope ? *config.windowRope : config.rope;
  if (!config.learnedPositions) {
    q = rotate(q, rope);
    k = rotate(k, rope);
  }
  double scale = config.attentionScale != 0
                     ? config.attentionScale
                     : 1.0 / std::sqrt(double(config.headSize));
  // Products of queries and keys have the magnitude of both.
  scale *= rope.magnitude * rope.magnitude;
  auto attended = lm::AttentionOp::create(b, q, k, v, cache, layer, position,
                                          config.heads, config.kvHeads, scale);
  if (windowed)
    attended.setWindow(config.window);
  if (config.attentionCap != 0)
    attended.setSoftcapAttr(b.getF64FloatAttr(config.attentionCap));
  return linear(attended, names.attentionOutput, config.hidden);
}

Value DecoderBuilder::feedForward(Value h) {
  const Experts &experts = config.experts;
  if (experts.count != 0 && (experts.dense.empty() || !experts.dense[layer]))
    return mixExperts(h);
  int64_t size = config.feedForward;
  Value inner;
  if (!config.gated) {
    inner = activate(linear(h, names.up, size));
  } else if (config.fused) {
    Value both = linear(h, names.gateUp, 2 * size);
    inner = arith::MulFOp::create(b, activate(columns(both, 0, size)),
                                  columns(both, size, size));
  } else {
    Value gate = activate(linear(h, names.gate, size));
    inner = arith::MulFOp::create(b, gate, linear(h, names.up, size));
  }
  return linear(inner, names.down, config.hidden);
}

/// A tensor of `sizes` whose elements are read from others.
Value DecoderBuilder::collect(
    ArrayRef<OpFoldResult> sizes,
    llvm::function_ref<Value(ImplicitLocOpBuilder &, ValueRange place)> read) {
  Value empty = tensor::EmptyOp::create(b, sizes, b.getF32Type());
  SmallVector<utils::IteratorType> loops(sizes.size(),
                                         utils::IteratorType::parallel);
  auto body = [&](OpBuilder &builder, Location loc, ValueRange) {
    ImplicitLocOpBuilder inner(loc, builder);
    SmallVector<Value> place;
    for (size_t dim = 0; dim < sizes.size(); ++dim)
      place.push_back(linalg::IndexOp::create(inner, dim));
    linalg::YieldOp::create(inner, read(inner, place));
  };
  return linalg::GenericOp::create(b, empty.getType(), ValueRange(), empty,
                                   {b.getMultiDimIdentityMap(sizes.size())},
                                   loops, body)
      .getResult(0);
}

/// tensor[rows[place], column]
static Value readRow(ImplicitLocOpBuilder &b, Value tensor, Value rows,
                     ValueRange place, Value column) {
  Value row = arith::IndexCastOp::create(
      b, b.getIndexType(), tensor::ExtractOp::create(b, rows, place));
  return tensor::ExtractOp::create(b, tensor, ValueRange{row, column});
}

/// The rows of x that experts work on.
Value DecoderBuilder::gather(Value x, Value tokens) {
  SmallVector<OpFoldResult> sizes = {count, b.getIndexAttr(config.experts.top),
                                     b.getIndexAttr(config.hidden)};
  return collect(sizes, [&](ImplicitLocOpBuilder &inner, ValueRange place) {
    return readRow(inner, x, tokens, place.drop_back(), place.back());
  });
}

/// Of each token, the sum of what its experts made, weighed by their shares.
Value DecoderBuilder::combine(Value made, Value shares, Value choices) {
  SmallVector<ReassociationIndices> groups = {{0, 1}, {2}};
  Value flat =
      tensor::CollapseShapeOp::create(b, rows(config.hidden), made, groups);
  SmallVector<OpFoldResult> sizes = {count, b.getIndexAttr(config.hidden)};
  return collect(sizes, [&](ImplicitLocOpBuilder &inner, ValueRange place) {
    Value total;
    for (int64_t choice = 0; choice < config.experts.top; ++choice) {
      Value which[] = {place[0], arith::ConstantIndexOp::create(inner, choice)};
      Value share = tensor::ExtractOp::create(inner, shares, which);
      Value part = arith::MulFOp::create(
          inner, share, readRow(inner, flat, choices, which, place[1]));
      total = total ? arith::AddFOp::create(inner, total, part) : part;
    }
    return total;
  });
}

Value DecoderBuilder::mixExperts(Value h) {
  const Experts &experts = config.experts;
  auto route = lm::RouteOp::create(b, linear(h, names.router, experts.count),
                                   experts.top, experts.normalize);
  auto multiply = [&](Value x, StringRef pattern, int64_t size) -> Value {
    auto type = cast<RankedTensorType>(x.getType());
    SmallVector<int64_t> shape(type.getShape());
    Value weight =
        graph.stack(fileName(pattern), experts.count, size, shape.back());
    shape.back() = size;
    return lm::LinearOp::create(b, type.clone(shape), x, weight, Value(),
                                route.getExperts());
  };
  Value x = gather(h, route.getTokens());
  Value gate = activate(multiply(x, names.expertGate, experts.feedForward));
  Value inner = arith::MulFOp::create(
      b, gate, multiply(x, names.expertUp, experts.feedForward));
  return combine(multiply(inner, names.expertDown, config.hidden),
                 route.getShares(), route.getRows());
}

/// Only the rows that are asked for go through the largest matrix.
Value DecoderBuilder::lastRows(Value x) {
  Value first = arith::SubIOp::create(b, count, outputs);
  return tensor::ExtractSliceOp::create(
      b, x, SmallVector<OpFoldResult>{first, b.getIndexAttr(0)},
      SmallVector<OpFoldResult>{outputs, b.getIndexAttr(config.hidden)},
      SmallVector<OpFoldResult>(2, b.getIndexAttr(1)));
}

void DecoderBuilder::build() {
  start();
  Value table =
      graph.matrix(fileName(names.embedding), config.vocabulary, config.hidden);
  Value x = embed(table);
  auto add = [&](Value half, StringRef postNorm) {
    if (config.postNorms)
      half = norm(half, postNorm);
    x = arith::AddFOp::create(b, x, half);
  };
  for (layer = 0; layer < config.layers; ++layer) {
    add(attend(norm(x, names.attentionNorm)), names.attentionPostNorm);
    add(feedForward(norm(x, names.feedForwardNorm)), names.feedForwardPostNorm);
  }
  x = norm(lastRows(x), names.outputNorm);
  Value logits =
      config.tied
          ? lm::LinearOp::create(b, rows(config.vocabulary), x, table, Value())
                .getResult()
          : graph.linear(x, names.output, "", config.vocabulary);
  if (config.logitCap != 0) {
    Value bent = lm::ActivationOp::create(
        b,
        lm::ActivationKindAttr::get(b.getContext(), lm::ActivationKind::Tanh),
        graph.scale(logits, 1 / config.logitCap));
    logits = graph.scale(bent, config.logitCap);
  }
  func::ReturnOp::create(b, logits);
}

void quantmlir::buildDecoder(GraphBuilder &graph, const DecoderConfig &config,
                             const DecoderNames &names) {
  DecoderBuilder(graph, config, names).build();
}
