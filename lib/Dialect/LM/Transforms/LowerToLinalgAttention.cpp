// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention, step by step: scores, mask, softmax, weighted sum. Heads are taken
// apart first: `heads` query heads are kv_heads groups of heads / kv_heads that
// read the same keys, so that a query is [..., tokens, kv_heads, group, size]
// and keys and values are [..., keys, kv_heads, size].
//
// With a cache the new keys and values are stored in it first, and then all
// keys and values up to the last new one are read from it.

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "quant-mlir/Dialect/LM/Transforms/Passes.h"
#include "quant-mlir/Dialect/Utils/LinalgEmitter.h"
#include <limits>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::lm;

void quantmlir::lm::addCacheConversion(TypeConverter &converter) {
  converter.addConversion([](KVCacheType type) -> Type {
    return MemRefType::get({type.getLayers(), 2, type.getKvHeads(),
                            ShapedType::kDynamic, type.getHeadSize()},
                           type.getElementType());
  });
}

/// Splits the last dimension into `parts`, whose product it is.
static Value splitLast(OpBuilder &builder, Location loc, Value tensor,
                       ArrayRef<int64_t> parts) {
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<int64_t> shape(type.getShape().drop_back());
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, tensor);
  sizes.pop_back();
  SmallVector<ReassociationIndices> groups;
  for (int64_t dim : llvm::seq<int64_t>(type.getRank()))
    groups.push_back({dim});
  for (auto [index, part] : llvm::enumerate(parts)) {
    shape.push_back(part);
    sizes.push_back(builder.getIndexAttr(part));
    if (index > 0)
      groups.back().push_back(shape.size() - 1);
  }
  return tensor::ExpandShapeOp::create(
      builder, loc, RankedTensorType::get(shape, type.getElementType()), tensor,
      groups, sizes);
}

namespace {

/// Keys or values, and where their dimensions are: with a cache the heads come
/// first, as the cache has them.
struct Source {
  Value tensor;
  bool headsFirst;

  OpFoldResult count(LinalgEmitter &emit) const {
    SmallVector<OpFoldResult> sizes = emit.sizes(tensor);
    return sizes[sizes.size() - (headsFirst ? 2 : 3)];
  }
  /// `batch` are the loops of the leading dimensions.
  LinalgEmitter::Operand read(LinalgEmitter &emit, unsigned loops,
                              ArrayRef<unsigned> batch, unsigned key,
                              unsigned head, unsigned element) const {
    SmallVector<unsigned> place(batch);
    if (headsFirst)
      place.append({head, key, element});
    else
      place.append({key, head, element});
    return {tensor, emit.dims(loops, place)};
  }
};

struct LowerAttention : OpConversionPattern<AttentionOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(AttentionOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override;

private:
  Value emitScores(LinalgEmitter &emit, OpBuilder &builder, AttentionOp op,
                   OpAdaptor adaptor, Value query, Source keys) const;
  Value emitSoftmax(LinalgEmitter &emit, OpBuilder &builder,
                    Value scores) const;
  Value emitWeightedSum(LinalgEmitter &emit, OpBuilder &builder, Type type,
                        Value probabilities, Source values) const;
};

} // namespace

/// Stores `tokens`, [tokens, heads, size], in plane `plane` (0 keys, 1 values)
/// of a layer of the cache, and returns all of that plane up to them, [heads,
/// keys, size].
static Source throughCache(LinalgEmitter &emit, OpBuilder &builder,
                           Location loc, Value tokens, Value cache,
                           int64_t layer, int64_t plane, Value position) {
  auto cacheType = cast<MemRefType>(cache.getType());
  int64_t heads = cacheType.getDimSize(2), size = cacheType.getDimSize(4);
  OpFoldResult count = emit.sizes(tokens).front();
  Value byHead =
      emit.map(cacheType.getElementType(),
               {builder.getIndexAttr(heads), count, builder.getIndexAttr(size)},
               {{tokens, emit.dims(3, {1, 0, 2})}},
               [](OpBuilder &, Location, ValueRange elements) {
                 return elements.front();
               });

  auto attr = [&](int64_t value) -> OpFoldResult {
    return builder.getIndexAttr(value);
  };
  auto positions = [&](OpFoldResult first, OpFoldResult count) -> Value {
    SmallVector<OpFoldResult> offsets = {attr(layer), attr(plane), attr(0),
                                         first, attr(0)};
    SmallVector<OpFoldResult> sizes = {attr(1), attr(1), attr(heads), count,
                                       attr(size)};
    SmallVector<OpFoldResult> strides(5, attr(1));
    int64_t staticCount =
        getConstantIntValue(count).value_or(ShapedType::kDynamic);
    MemRefType type = memref::SubViewOp::inferRankReducedResultType(
        {heads, staticCount, size}, cacheType, offsets, sizes, strides);
    return memref::SubViewOp::create(builder, loc, type, cache, offsets, sizes,
                                     strides);
  };
  // Reads and writes stay in this order: both have memory effects.
  bufferization::MaterializeInDestinationOp::create(
      builder, loc, /*result=*/Type(), byHead, positions(position, count),
      /*restrict=*/true, /*writable=*/true);
  Value end = arith::AddIOp::create(
      builder, loc, position,
      getValueOrCreateConstantIndexOp(builder, loc, count));
  Value all = positions(attr(0), end);
  auto allType = cast<MemRefType>(all.getType());
  Value tensor = bufferization::ToTensorOp::create(
      builder, loc,
      RankedTensorType::get(allType.getShape(), allType.getElementType()), all,
      /*restrict=*/true);
  return {tensor, /*headsFirst=*/true};
}

// scores[..., head, group, token, key], masked.
Value LowerAttention::emitScores(LinalgEmitter &emit, OpBuilder &builder,
                                 AttentionOp op, OpAdaptor adaptor, Value query,
                                 Source keys) const {
  // Loops: batch, head, group, token, key, element.
  SmallVector<OpFoldResult> querySizes = emit.sizes(query);
  unsigned batchRank = querySizes.size() - 4;
  SmallVector<unsigned> batch = llvm::to_vector(llvm::seq(batchRank));
  unsigned head = batchRank, group = head + 1, token = head + 2, key = head + 3,
           element = head + 4, loops = head + 5;
  SmallVector<OpFoldResult> sizes(querySizes.begin(),
                                  querySizes.begin() + batchRank);
  sizes.append({querySizes[batchRank + 1], querySizes[batchRank + 2],
                querySizes[batchRank], keys.count(emit),
                querySizes[batchRank + 3]});
  SmallVector<unsigned> queryPlace(batch);
  queryPlace.append({token, head, group, element});
  Value products = emit.reduce(
      sizes, loops - 1, /*init=*/0.0,
      {{query, emit.dims(loops, queryPlace)},
       keys.read(emit, loops, batch, key, head, element)},
      [](OpBuilder &b, Location loc, Value acc, ValueRange v) -> Value {
        Value product = arith::MulFOp::create(b, loc, v[0], v[1]);
        return arith::AddFOp::create(b, loc, acc, product);
      });

  sizes.pop_back();
  unsigned rank = sizes.size();
  SmallVector<LinalgEmitter::Operand> operands = {
      {products, builder.getMultiDimIdentityMap(rank)}};
  if (adaptor.getMask())
    operands.push_back({adaptor.getMask(), emit.dims(rank, {token, key})});
  Type type = emit.getCompute();
  auto constant = [&](OpBuilder &b, Location loc, double value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, value));
  };
  return emit.map(
      type, sizes, operands,
      [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
        Value score = arith::MulFOp::create(
            b, loc, v[0], constant(b, loc, op.getScale().convertToDouble()));
        if (op.getSoftcap()) {
          Value cap = constant(b, loc, op.getSoftcap()->convertToDouble());
          Value share = arith::DivFOp::create(b, loc, score, cap);
          Value bent = math::TanhOp::create(b, loc, share);
          score = arith::MulFOp::create(b, loc, cap, bent);
        }
        if (v.size() == 2)
          score = arith::AddFOp::create(b, loc, score, v[1]);
        if (!op.getCausal() && !op.getWindow())
          return score;

        Value queryPosition = linalg::IndexOp::create(b, loc, token);
        if (adaptor.getPosition())
          queryPosition = arith::AddIOp::create(b, loc, queryPosition,
                                                adaptor.getPosition());
        Value keyPosition = linalg::IndexOp::create(b, loc, key);
        Value hidden =
            constant(b, loc, -std::numeric_limits<double>::infinity());
        if (op.getCausal()) {
          Value later = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ugt,
                                              keyPosition, queryPosition);
          score = arith::SelectOp::create(b, loc, later, hidden, score);
        }
        if (op.getWindow()) {
          // key + window <= query: `window` or more positions back.
          Value reach = arith::AddIOp::create(
              b, loc, keyPosition,
              arith::ConstantIndexOp::create(b, loc, *op.getWindow()));
          Value gone = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ule,
                                             reach, queryPosition);
          score = arith::SelectOp::create(b, loc, gone, hidden, score);
        }
        return score;
      });
}

// exp(s - max) / sum, over the last dimension. Subtracting the maximum changes
// nothing over the reals and keeps exp from overflowing.
Value LowerAttention::emitSoftmax(LinalgEmitter &emit, OpBuilder &builder,
                                  Value scores) const {
  SmallVector<OpFoldResult> sizes = emit.sizes(scores);
  unsigned rank = sizes.size();
  AffineMap all = builder.getMultiDimIdentityMap(rank);
  AffineMap rows = emit.dims(rank, llvm::to_vector(llvm::seq(rank - 1)));
  Value largest = emit.reduce(
      sizes, rank - 1, -std::numeric_limits<double>::infinity(),
      {{scores, all}},
      [](OpBuilder &b, Location loc, Value acc, ValueRange v) -> Value {
        return arith::MaximumFOp::create(b, loc, acc, v[0]);
      });
  Value powers =
      emit.map(emit.getCompute(), sizes, {{scores, all}, {largest, rows}},
               [](OpBuilder &b, Location loc, ValueRange v) -> Value {
                 Value difference = arith::SubFOp::create(b, loc, v[0], v[1]);
                 return math::ExpOp::create(b, loc, difference);
               });
  Value sum = emit.reduce(
      sizes, rank - 1, /*init=*/0.0, {{powers, all}},
      [](OpBuilder &b, Location loc, Value acc, ValueRange v) -> Value {
        return arith::AddFOp::create(b, loc, acc, v[0]);
      });
  return emit.map(emit.getCompute(), sizes, {{powers, all}, {sum, rows}},
                  [](OpBuilder &b, Location loc, ValueRange v) -> Value {
                    return arith::DivFOp::create(b, loc, v[0], v[1]);
                  });
}

// result[..., token, head, group, element], of element type `type`.
Value LowerAttention::emitWeightedSum(LinalgEmitter &emit, OpBuilder &builder,
                                      Type type, Value probabilities,
                                      Source values) const {
  // Loops: batch, token, head, group, element, key.
  SmallVector<OpFoldResult> scoreSizes = emit.sizes(probabilities);
  unsigned batchRank = scoreSizes.size() - 4;
  SmallVector<unsigned> batch = llvm::to_vector(llvm::seq(batchRank));
  unsigned token = batchRank, head = token + 1, group = token + 2,
           element = token + 3, key = token + 4, loops = token + 5;
  SmallVector<OpFoldResult> sizes(scoreSizes.begin(),
                                  scoreSizes.begin() + batchRank);
  sizes.append({scoreSizes[batchRank + 2], scoreSizes[batchRank],
                scoreSizes[batchRank + 1], emit.sizes(values.tensor).back(),
                scoreSizes[batchRank + 3]});
  SmallVector<unsigned> scorePlace(batch);
  scorePlace.append({head, group, token, key});
  Value sum = emit.reduce(
      sizes, loops - 1, /*init=*/0.0,
      {{probabilities, emit.dims(loops, scorePlace)},
       values.read(emit, loops, batch, key, head, element)},
      [](OpBuilder &b, Location loc, Value acc, ValueRange v) -> Value {
        Value product = arith::MulFOp::create(b, loc, v[0], v[1]);
        return arith::AddFOp::create(b, loc, acc, product);
      });
  if (type == emit.getCompute())
    return sum;
  sizes.pop_back();
  return emit.map(type, sizes,
                  {{sum, builder.getMultiDimIdentityMap(sizes.size())}},
                  [](OpBuilder &, Location, ValueRange v) { return v[0]; });
}

LogicalResult
LowerAttention::matchAndRewrite(AttentionOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const {
  auto type = cast<RankedTensorType>(op.getType());
  if (op.getCache() && type.getRank() != 2)
    return rewriter.notifyMatchFailure(op, "a cache has no batch dimension");
  Location loc = op.getLoc();
  LinalgEmitter emit(rewriter, loc, getComputeType(type.getElementType()));
  int64_t heads = op.getKvHeads(), group = op.getHeads() / heads,
          size = op.getHeadSize();
  Value query =
      splitLast(rewriter, loc, adaptor.getQuery(), {heads, group, size});
  Source keys = {splitLast(rewriter, loc, adaptor.getKey(), {heads, size}),
                 false};
  Source values = {splitLast(rewriter, loc, adaptor.getValue(), {heads, size}),
                   false};
  if (op.getCache()) {
    Value cache = adaptor.getCache();
    int64_t layer = *op.getLayer();
    keys = throughCache(emit, rewriter, loc, keys.tensor, cache, layer, 0,
                        adaptor.getPosition());
    values = throughCache(emit, rewriter, loc, values.tensor, cache, layer, 1,
                          adaptor.getPosition());
  }

  Value scores = emitScores(emit, rewriter, op, adaptor, query, keys);
  Value probabilities = emitSoftmax(emit, rewriter, scores);
  Value sum = emitWeightedSum(emit, rewriter, type.getElementType(),
                              probabilities, values);
  // [..., tokens, kv_heads, group, size] to the query's shape.
  SmallVector<ReassociationIndices> groups;
  int64_t rank = type.getRank();
  for (int64_t dim : llvm::seq(rank - 1))
    groups.push_back({dim});
  groups.push_back({rank - 1, rank, rank + 1});
  rewriter.replaceOpWithNewOp<tensor::CollapseShapeOp>(op, type, sum, groups);
  return success();
}

void quantmlir::lm::populateLowerAttentionPatterns(
    RewritePatternSet &patterns, const TypeConverter &converter) {
  patterns.add<LowerAttention>(converter, patterns.getContext());
}
