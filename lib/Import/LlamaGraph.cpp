// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GraphBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace quantmlir;

llvm::Error quantmlir::checkLlamaConfig(StringRef path,
                                        const LlamaConfig &config) {
  // Generous bounds: they only keep absurd numbers from becoming work.
  struct {
    const char *name;
    int64_t value, most;
  } sizes[] = {{"layers", config.layers, 1 << 12},
               {"hidden size", config.hidden, 1 << 20},
               {"heads", config.heads, 1 << 12},
               {"key/value heads", config.kvHeads, 1 << 12},
               {"head size", config.headSize, 1 << 16},
               {"feed-forward size", config.feedForward, 1 << 24},
               {"vocabulary", config.vocabulary, 1 << 26},
               {"context length", config.context, 1 << 28}};
  for (auto &size : sizes)
    if (size.value < 1 || size.value > size.most)
      return fileError(path, llvm::formatv("{0} = {1} is not between 1 and {2}",
                                           size.name, size.value, size.most)
                                 .str());
  if (config.heads % config.kvHeads != 0)
    return fileError(path,
                     llvm::formatv("{0} heads cannot share {1} key/value heads",
                                   config.heads, config.kvHeads)
                         .str());
  if (config.rotary < 2 || config.rotary % 2 != 0 ||
      config.rotary > config.headSize)
    return fileError(path, llvm::formatv("{0} elements of heads of {1} cannot "
                                         "be rotated in pairs",
                                         config.rotary, config.headSize)
                               .str());
  if (!std::isfinite(config.eps) || config.eps <= 0 ||
      !std::isfinite(config.ropeBase) || config.ropeBase <= 0)
    return fileError(path, "the norms' epsilon and the rope base must be "
                           "positive numbers");
  return llvm::Error::success();
}

static std::string layerName(StringRef pattern, int64_t layer) {
  auto [before, after] = pattern.split("{0}");
  return (before + llvm::Twine(layer) + after).str();
}

/// "a.weight" to "a.bias".
static std::string biasName(StringRef weight) {
  weight.consume_back("weight");
  return (weight + "bias").str();
}

void quantmlir::buildLlama(GraphBuilder &graph, const LlamaConfig &config,
                           const LlamaNames &names) {
  ImplicitLocOpBuilder &b = graph.builder();
  Type f32 = b.getF32Type();
  auto rows = [&](int64_t columns) {
    return RankedTensorType::get({ShapedType::kDynamic, columns}, f32);
  };
  auto cacheType = lm::KVCacheType::get(b.getContext(), config.layers,
                                        config.kvHeads, config.headSize, f32);
  auto tokensType = RankedTensorType::get(ShapedType::kDynamic, b.getI32Type());
  func::FuncOp function = graph.startFunction(
      {tokensType, b.getIndexType(), b.getIndexType(), cacheType},
      rows(config.vocabulary));
  const char *const inputs[] = {"tokens", "position", "outputs", "cache"};
  for (auto [index, name] : llvm::enumerate(inputs))
    function.setArgAttr(index, "lm.name", b.getStringAttr(name));
  Value tokens = function.getArgument(0), position = function.getArgument(1);
  Value outputs = function.getArgument(2), cache = function.getArgument(3);
  graph.setString(lm::LMDialect::architectureAttrName, "llama");
  graph.setInteger(lm::LMDialect::contextLengthAttrName, config.context);
  graph.setInteger(lm::LMDialect::vocabSizeAttrName, config.vocabulary);
  graph.setInteger(lm::LMDialect::hiddenSizeAttrName, config.hidden);

  auto norm = [&](Value x, StringRef gain) -> Value {
    return lm::RMSNormOp::create(b, x, graph.plain(gain, config.hidden),
                                 b.getF64FloatAttr(config.eps));
  };
  auto rope = [&](Value x) -> Value {
    IntegerAttr rotary = config.rotary == config.headSize
                             ? IntegerAttr()
                             : b.getI64IntegerAttr(config.rotary);
    return lm::RopeOp::create(
        b, x.getType(), x, position, b.getI64IntegerAttr(config.headSize),
        b.getF64FloatAttr(config.ropeBase),
        lm::RopeStyleAttr::get(b.getContext(), config.ropeStyle), rotary);
  };

  Value table = graph.matrix(names.embedding, config.vocabulary, config.hidden);
  Value x = lm::EmbeddingOp::create(b, rows(config.hidden), tokens, table);
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    auto linear = [&](Value input, StringRef pattern, int64_t size) {
      std::string weight = layerName(pattern, layer);
      return graph.linear(input, weight, biasName(weight), size);
    };
    Value h = norm(x, layerName(names.attentionNorm, layer));
    Value q = rope(linear(h, names.query, config.heads * config.headSize));
    Value k = rope(linear(h, names.key, config.kvHeads * config.headSize));
    Value v = linear(h, names.value, config.kvHeads * config.headSize);
    Value attended = lm::AttentionOp::create(
        b, q, k, v, cache, layer, position, config.heads, config.kvHeads,
        1.0 / std::sqrt(double(config.headSize)));
    x = arith::AddFOp::create(
        b, x, linear(attended, names.attentionOutput, config.hidden));
    h = norm(x, layerName(names.feedForwardNorm, layer));
    Value gate = lm::ActivationOp::create(
        b,
        lm::ActivationKindAttr::get(b.getContext(), lm::ActivationKind::Silu),
        linear(h, names.gate, config.feedForward));
    Value gated =
        arith::MulFOp::create(b, gate, linear(h, names.up, config.feedForward));
    x = arith::AddFOp::create(b, x, linear(gated, names.down, config.hidden));
  }

  // Only the rows that are asked for go through the largest matrix.
  Value zero = arith::ConstantIndexOp::create(b, 0);
  Value count = tensor::DimOp::create(b, tokens, zero);
  Value first = arith::SubIOp::create(b, count, outputs);
  x = tensor::ExtractSliceOp::create(
      b, x, SmallVector<OpFoldResult>{first, b.getIndexAttr(0)},
      SmallVector<OpFoldResult>{outputs, b.getIndexAttr(config.hidden)},
      SmallVector<OpFoldResult>(2, b.getIndexAttr(1)));
  x = norm(x, names.outputNorm);
  Value logits =
      config.tied
          ? lm::LinearOp::create(b, rows(config.vocabulary), x, table, Value())
                .getResult()
          : graph.linear(x, names.output, "", config.vocabulary);
  func::ReturnOp::create(b, logits);
}
