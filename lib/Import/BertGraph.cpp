// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GraphBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace quantmlir;

llvm::Error quantmlir::checkBertConfig(StringRef path,
                                       const BertConfig &config) {
  if (llvm::Error error =
          checkSizes(path, {{"layers", config.layers, 1 << 12},
                            {"hidden size", config.hidden, 1 << 20},
                            {"heads", config.heads, 1 << 12},
                            {"feed-forward size", config.feedForward, 1 << 24},
                            {"vocabulary", config.vocabulary, 1 << 26},
                            {"positions", config.positions, 1 << 28},
                            {"segments", config.segments, 1 << 16}}))
    return error;
  if (config.hidden % config.heads != 0)
    return fileError(path, llvm::formatv("{0} hidden values cannot be divided "
                                         "among {1} heads",
                                         config.hidden, config.heads)
                               .str());
  if (!std::isfinite(config.eps) || config.eps <= 0)
    return fileError(path, "the norms' epsilon must be a positive number");
  return llvm::Error::success();
}

/// words + positions[0..n] + segments[0]
static Value addEmbeddings(GraphBuilder &graph, const BertConfig &config,
                           Value words, Value count, Value positions,
                           Value segments) {
  ImplicitLocOpBuilder &b = graph.builder();
  OpFoldResult zero = b.getIndexAttr(0), one = b.getIndexAttr(1);
  OpFoldResult hidden = b.getIndexAttr(config.hidden);
  Value own = tensor::ExtractSliceOp::create(
      b, positions, SmallVector<OpFoldResult>{zero, zero},
      SmallVector<OpFoldResult>{count, hidden},
      SmallVector<OpFoldResult>{one, one});
  Value segment = tensor::ExtractSliceOp::create(
      b, RankedTensorType::get(config.hidden, b.getF32Type()), segments,
      SmallVector<OpFoldResult>{zero, zero},
      SmallVector<OpFoldResult>{one, hidden},
      SmallVector<OpFoldResult>{one, one});
  Value init = tensor::EmptyOp::create(
      b, SmallVector<OpFoldResult>{count, hidden}, b.getF32Type());
  AffineMap all = b.getMultiDimIdentityMap(2);
  AffineMap column = AffineMap::get(2, 0, b.getAffineDimExpr(1));
  SmallVector<AffineMap> maps = {all, all, column, all};
  SmallVector<utils::IteratorType> iterators(2, utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, init.getType(), ValueRange{words, own, segment}, init, maps,
             iterators,
             [](OpBuilder &body, Location loc, ValueRange args) {
               Value sum = arith::AddFOp::create(body, loc, args[0], args[1]);
               sum = arith::AddFOp::create(body, loc, sum, args[2]);
               linalg::YieldOp::create(body, loc, sum);
             })
      .getResult(0);
}

void quantmlir::buildBert(GraphBuilder &graph, const BertConfig &config,
                          StringRef prefix) {
  ImplicitLocOpBuilder &b = graph.builder();
  auto tokensType = RankedTensorType::get(ShapedType::kDynamic, b.getI32Type());
  auto rows = RankedTensorType::get({ShapedType::kDynamic, config.hidden},
                                    b.getF32Type());
  func::FuncOp function = graph.startFunction(tokensType, rows);
  function.setArgAttr(0, "lm.name", b.getStringAttr("tokens"));
  Value tokens = function.getArgument(0);
  graph.setString(lm::LMDialect::architectureAttrName, "bert");
  graph.setInteger(lm::LMDialect::contextLengthAttrName, config.positions);
  graph.setInteger(lm::LMDialect::vocabSizeAttrName, config.vocabulary);
  graph.setInteger(lm::LMDialect::hiddenSizeAttrName, config.hidden);

  auto name = [&](const llvm::Twine &rest) { return (prefix + rest).str(); };
  auto norm = [&](Value x, const std::string &at) -> Value {
    return lm::LayerNormOp::create(b, x,
                                   graph.plain(at + ".weight", config.hidden),
                                   graph.plain(at + ".bias", config.hidden),
                                   b.getF64FloatAttr(config.eps));
  };
  auto linear = [&](Value x, const std::string &at, int64_t size) {
    return graph.linear(x, at + ".weight", at + ".bias", size);
  };

  std::string embeddings = name("embeddings.");
  Value count = tensor::DimOp::create(
      b, tokens, arith::ConstantIndexOp::create(b, 0).getResult());
  Value words = lm::EmbeddingOp::create(
      b, rows, tokens,
      graph.matrix(embeddings + "word_embeddings.weight", config.vocabulary,
                   config.hidden));
  Value x =
      addEmbeddings(graph, config, words, count,
                    graph.plain(embeddings + "position_embeddings.weight",
                                {config.positions, config.hidden}),
                    graph.plain(embeddings + "token_type_embeddings.weight",
                                {config.segments, config.hidden}));
  x = norm(x, embeddings + "LayerNorm");
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    std::string at = name("encoder.layer." + llvm::Twine(layer) + ".");
    Value q = linear(x, at + "attention.self.query", config.hidden);
    Value k = linear(x, at + "attention.self.key", config.hidden);
    Value v = linear(x, at + "attention.self.value", config.hidden);
    Value attended = lm::AttentionOp::create(
        b, q, k, v, config.heads, config.heads,
        1.0 / std::sqrt(double(config.hidden / config.heads)),
        /*causal=*/false);
    Value projected =
        linear(attended, at + "attention.output.dense", config.hidden);
    x = norm(arith::AddFOp::create(b, x, projected),
             at + "attention.output.LayerNorm");
    Value h = lm::ActivationOp::create(
        b, lm::ActivationKindAttr::get(b.getContext(), config.activation),
        linear(x, at + "intermediate.dense", config.feedForward));
    x = norm(arith::AddFOp::create(
                 b, x, linear(h, at + "output.dense", config.hidden)),
             at + "output.LayerNorm");
  }
  func::ReturnOp::create(b, x);
  // Heads and tables that the hidden states do not need.
  for (StringRef rest :
       {"embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"})
    graph.ignore(name(rest));
}
