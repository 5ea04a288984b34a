// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention and the rotation of its queries and keys, as the products and sums
// that they are: raising makes lm.attention of them where that can say it, as
// it does of what exporters write node by node.

#include "Operators.h"
#include "Scalars.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

static constexpr double infinity = std::numeric_limits<double>::infinity();

static GraphValue part(Importer &g, GraphValue &x, int64_t axis, int64_t first,
                       int64_t count, int64_t step = 1) {
  Sizes offsets(x.rank(), g.size(0)), steps(x.rank(), g.size(1)),
      sizes = x.shape;
  offsets[axis] = g.size(first);
  sizes[axis] = g.size(count);
  steps[axis] = g.size(step);
  return g.slice(x, offsets, sizes, steps);
}

/// Where 16-bit floats are computed.
static DataType widened(DataType type) {
  return type == DataType::Double ? type : DataType::Float;
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

namespace {
/// The operator's inputs; heads are dimension 1, tokens dimension 2.
struct Operands {
  GraphValue query, key, value;
  bool merged = false; ///< they were [batch, tokens, heads * size]
};
} // namespace

/// [batch, tokens, heads * size] as [batch, heads, tokens, size].
static GraphValue splitHeads(Importer &g, GraphValue &x, int64_t heads) {
  int64_t width = staticSize(x.shape[2]);
  if (heads < 1 || width < 0 || width % heads) {
    g.fail("has rows of " + Twine(width) + " elements, which are no " +
           Twine(heads) + " heads");
    return x;
  }
  GraphValue split = g.reshape(
      x, {x.shape[0], x.shape[1], g.size(heads), g.size(width / heads)});
  return g.transpose(split, {0, 2, 1, 3});
}

static std::optional<Operands> readOperands(Importer &g) {
  Operands x{g.in(0), g.in(1), g.in(2)};
  int64_t rank = x.query.rank();
  for (GraphValue *each : {&x.query, &x.key, &x.value})
    if (!isFloat(each->type) || each->type != x.query.type ||
        each->rank() != rank || (rank != 3 && rank != 4)) {
      g.fail("has queries, keys and values of no supported type or rank");
      return std::nullopt;
    }
  for (GraphValue *each : {&x.query, &x.key, &x.value})
    *each = g.cast(*each, widened(each->type));
  if (rank == 4)
    return x;
  x.merged = true;
  int64_t heads = g.integer("q_num_heads", 0),
          keyHeads = g.integer("kv_num_heads", 0);
  x.query = splitHeads(g, x.query, heads);
  x.key = splitHeads(g, x.key, keyHeads);
  x.value = splitHeads(g, x.value, keyHeads);
  return g.failed() ? std::nullopt : std::optional(x);
}

/// The keys or values of each of `heads` queries: several share one's.
static GraphValue repeatHeads(Importer &g, GraphValue &x, OpFoldResult heads) {
  int64_t wanted = staticSize(heads), own = staticSize(x.shape[1]);
  if (wanted == own && own >= 0)
    return x;
  if (wanted < 1 || own < 1 || wanted % own) {
    g.fail("has " + Twine(wanted) + " heads of queries for " + Twine(own) +
           " of keys");
    return x;
  }
  GraphValue one = g.unsqueeze(x, {2});
  Sizes shape = one.shape;
  shape[2] = g.size(wanted / own);
  GraphValue many = g.expand(one, shape);
  return g.reshape(many, {x.shape[0], heads, x.shape[2], x.shape[3]});
}

/// A mask as what is added to scores of `keys` keys. What it is too short for
/// is hidden.
static GraphValue additiveMask(Importer &g, GraphValue mask, DataType type,
                               OpFoldResult keys) {
  if (isBool(mask.type))
    mask = g.map(type, {&mask},
                 [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
                   auto number = [&](double n) -> Value {
                     Type element = g.elementType(type);
                     return arith::ConstantOp::create(
                         b, loc, b.getFloatAttr(element, n));
                   };
                   return arith::SelectOp::create(b, loc, e[0], number(0),
                                                  number(-infinity));
                 });
  else if (isFloat(mask.type))
    mask = g.cast(mask, type);
  else
    g.fail("has a mask of " + dataTypeName(mask.type));
  if (mask.rank() < 1 || g.failed())
    return mask;
  int64_t known = staticSize(mask.shape.back()), wanted = staticSize(keys);
  if (known < 0 || wanted <= known || known == 1)
    return mask;
  Sizes rest = mask.shape;
  rest.back() = g.size(wanted - known);
  GraphValue hidden = g.fromSplat(type, g.constant(type, -infinity), rest);
  return g.concat({&mask, &hidden}, mask.rank() - 1);
}

/// Scores of keys behind the query's own place become minus infinity.
static GraphValue hideLater(Importer &g, GraphValue &scores,
                            std::optional<OpFoldResult> past) {
  Value before = past ? g.index(*past) : Value();
  GraphValue source = g.fromTensor(scores.type, g.tensor(scores), scores.shape);
  return g.map(scores.type, {&source},
               [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
                 Value token = linalg::IndexOp::create(b, loc, 2);
                 Value key = linalg::IndexOp::create(b, loc, 3);
                 if (before)
                   token = arith::AddIOp::create(b, loc, token, before);
                 Value later = arith::CmpIOp::create(
                     b, loc, arith::CmpIPredicate::sgt, key, token);
                 return Float(b, loc, e[0])
                     .constant(-infinity)
                     .select(later, Float(b, loc, e[0]));
               });
}

/// Scores of keys from number counts[batch] on become minus infinity.
static GraphValue hidePadding(Importer &g, GraphValue &scores,
                              GraphValue &counts) {
  if (counts.rank() != 1 || counts.type != DataType::Int64) {
    g.fail("has no list of lengths (nonpad_kv_seqlen)");
    return scores;
  }
  GraphValue source = g.fromTensor(scores.type, g.tensor(scores), scores.shape);
  GraphValue list = g.fromTensor(counts.type, g.tensor(counts), counts.shape);
  GraphValue lengths = g.unsqueeze(list, {1, 2, 3});
  return g.map(scores.type, {&source, &lengths},
               [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
                 Value key = linalg::IndexOp::create(b, loc, 3);
                 Value number =
                     arith::IndexCastOp::create(b, loc, b.getI64Type(), key);
                 Value hidden = arith::CmpIOp::create(
                     b, loc, arith::CmpIPredicate::sge, number, e[1]);
                 return Float(b, loc, e[0])
                     .constant(-infinity)
                     .select(hidden, Float(b, loc, e[0]));
               });
}

static void importAttention(Importer &g) {
  DataType type = g.in(0).type;
  std::optional<Operands> x = readOperands(g);
  if (!x)
    return;
  std::optional<OpFoldResult> past;
  if (g.has(4) != g.has(5))
    return g.fail("has past keys or values alone");
  if (g.has(4)) {
    for (unsigned i : {4, 5})
      if (g.in(i).rank() != 4 || g.in(i).type != type)
        return g.fail("has past keys and values of no valid type or rank");
    past = g.in(4).shape[2];
    GraphValue keys = g.cast(g.in(4), x->key.type),
               values = g.cast(g.in(5), x->key.type);
    x->key = g.concat({&keys, &x->key}, 2);
    x->value = g.concat({&values, &x->value}, 2);
  }
  double size = staticSize(x->query.shape[3]);
  double scale = g.number("scale", size > 0 ? 1 / std::sqrt(size) : 1);
  double cap = g.number("softcap", 0);
  int64_t mode = g.integer("qk_matmul_output_mode", 0);
  GraphValue keys = repeatHeads(g, x->key, x->query.shape[1]),
             values = repeatHeads(g, x->value, x->query.shape[1]);
  if (g.failed())
    return;
  keys = g.transpose(keys, {0, 1, 3, 2});
  GraphValue scores = matmul(g, x->query, keys);
  if (g.failed())
    return;
  scores = applyFloat(g, scores, [&](Float e) { return e * scale; });
  GraphValue shown = scores;
  if (g.has(3)) {
    GraphValue mask =
        additiveMask(g, g.in(3), scores.type, scores.shape.back());
    if (g.failed())
      return;
    scores = g.binary<arith::AddFOp>(scores, mask);
  }
  if (g.integer("is_causal", 0))
    scores = hideLater(g, scores, past);
  if (g.has(6))
    scores = hidePadding(g, scores, g.in(6));
  if (mode == 1)
    shown = scores;
  if (cap > 0)
    scores =
        applyFloat(g, scores, [&](Float e) { return tanh(e / cap) * cap; });
  if (mode == 2)
    shown = scores;
  GraphValue weights = softmax(g, scores, 3);
  if (mode == 3)
    shown = weights;
  GraphValue result = matmul(g, weights, values);
  if (g.failed())
    return;
  if (x->merged) {
    GraphValue turned = g.transpose(result, {0, 2, 1, 3});
    result = g.reshape(turned, {turned.shape[0], turned.shape[1],
                                g.mul(turned.shape[2], turned.shape[3])});
  }
  g.result(0, g.cast(result, type));
  g.result(1, g.cast(x->key, type));
  g.result(2, g.cast(x->value, type));
  g.result(3, g.cast(shown, type));
}

//===----------------------------------------------------------------------===//
// RotaryEmbedding
//===----------------------------------------------------------------------===//

/// Rows of a table of angles' sines or cosines, [batch, tokens, pairs]. They
/// are no embedding, which would be quantized.
static GraphValue anglesAt(Importer &g, GraphValue &table,
                           GraphValue &positions) {
  GraphValue plain = g.fromTensor(table.type, g.tensor(table), table.shape);
  return gather(g, plain, positions, 0);
}

/// The positions of a batch's tokens: a tensor of them, or the first one.
static GraphValue positionsOf(Importer &g, GraphValue &given,
                              OpFoldResult batch, OpFoldResult tokens) {
  if (given.rank() == 2)
    return given;
  GraphValue first = g.fromTensor(given.type, g.tensor(given), given.shape);
  Sizes one = {g.size(1), g.size(1)};
  GraphValue start = g.reshape(first, one);
  Sizes shape = {batch, tokens};
  GraphValue whole = g.expand(start, shape);
  GraphValue source = g.fromTensor(whole.type, g.tensor(whole), whole.shape);
  return g.map(DataType::Int64, {&source},
               [&](OpBuilder &b, Location loc, ValueRange e) -> Value {
                 Value token = linalg::IndexOp::create(b, loc, 1);
                 Value number =
                     arith::IndexCastOp::create(b, loc, b.getI64Type(), token);
                 return arith::AddIOp::create(b, loc, e[0], number);
               });
}

/// Pairs of x's last dimension, turned by angles that are the same for all
/// heads.
static GraphValue rotate(Importer &g, GraphValue &x, GraphValue &cosines,
                         GraphValue &sines, int64_t rotated) {
  int64_t last = x.rank() - 1, width = staticSize(x.shape[last]),
          half = rotated / 2;
  bool interleaved = g.integer("interleaved", 0) != 0;
  GraphValue a =
      interleaved ? part(g, x, last, 0, half, 2) : part(g, x, last, 0, half);
  GraphValue b =
      interleaved ? part(g, x, last, 1, half, 2) : part(g, x, last, half, half);
  GraphValue aCos = g.binary<arith::MulFOp>(a, cosines),
             aSin = g.binary<arith::MulFOp>(a, sines),
             bCos = g.binary<arith::MulFOp>(b, cosines),
             bSin = g.binary<arith::MulFOp>(b, sines);
  GraphValue real = g.binary<arith::SubFOp>(aCos, bSin),
             imaginary = g.binary<arith::AddFOp>(aSin, bCos);
  GraphValue turned;
  if (interleaved) {
    real = g.unsqueeze(real, {last + 1});
    imaginary = g.unsqueeze(imaginary, {last + 1});
    GraphValue pairs = g.concat({&real, &imaginary}, last + 1);
    Sizes shape = x.shape;
    shape[last] = g.size(rotated);
    turned = g.reshape(pairs, shape);
  } else {
    turned = g.concat({&real, &imaginary}, last);
  }
  if (rotated == width)
    return turned;
  GraphValue rest = part(g, x, last, rotated, width - rotated);
  return g.concat({&turned, &rest}, last);
}

/// ONNX's own has x, cosines, sines and maybe positions; com.microsoft's has
/// the positions second.
static void importRotaryEmbedding(Importer &g) {
  bool isOwn = g.domain() == onnxDomain;
  GraphValue &x = g.in(0);
  GraphValue cosines = g.in(isOwn ? 1 : 2), sines = g.in(isOwn ? 2 : 3);
  GraphValue *positions = !isOwn ? &g.in(1) : g.has(3) ? &g.in(3) : nullptr;
  if (!isFloat(x.type) || cosines.type != x.type || sines.type != x.type)
    return g.fail("is not supported for " + dataTypeName(x.type));
  if (x.rank() != 3 && x.rank() != 4)
    return g.fail("has an input of rank " + Twine(x.rank()));
  if (g.number("scale", 1) != 1 || g.integer("is_packed_batching", 0))
    return g.fail("has a scale or packed batches, which is not supported");
  int64_t half = cosines.rank() ? staticSize(cosines.shape.back()) : -1;
  int64_t rotated = g.integer("rotary_embedding_dim", 0);
  int64_t heads = g.integer("num_heads", 0);
  bool merged = x.rank() == 3;
  int64_t width = staticSize(x.shape.back()), size = width;
  if (merged && width > 0) {
    // Without a number, heads are as wide as the angles say.
    if (heads == 0 && !isOwn && half > 0)
      heads = width / (2 * half);
    size = heads > 0 && width % heads == 0 ? width / heads : -1;
  }
  rotated = rotated == 0 ? size : rotated;
  if (size < 1 || rotated < 2 || rotated > size || half != rotated / 2 ||
      rotated % 2)
    return g.fail("has no heads whose pairs have an angle each");

  OpFoldResult batch = x.shape[0], tokens = x.shape[merged ? 1 : 2];
  if (positions) {
    bool fits =
        cosines.rank() == 2 && sines.rank() == 2 &&
        (positions->rank() == 2 || (!isOwn && positions->rank() == 1)) &&
        positions->type == DataType::Int64;
    if (!fits)
      return g.fail("has no valid positions or tables of angles");
    GraphValue places = positionsOf(g, *positions, batch, tokens);
    cosines = anglesAt(g, cosines, places);
    sines = anglesAt(g, sines, places);
  }
  if (g.failed() || cosines.rank() != 3 || sines.rank() != 3)
    return g.fail("has no angles for each token of the batch");
  GraphValue input = x;
  if (merged)
    input =
        g.reshape(input, {batch, tokens, g.size(width / size), g.size(size)});
  int64_t headAxis = merged ? 2 : 1;
  cosines = g.unsqueeze(cosines, {headAxis});
  sines = g.unsqueeze(sines, {headAxis});
  GraphValue result = rotate(g, input, cosines, sines, rotated);
  g.result(g.reshape(result, x.shape));
}

ArrayRef<Operator> onnx::attentionOperators() {
  static constexpr Operator table[] = {
      {"Attention", 3, 7, importAttention},
      {"RotaryEmbedding", 3, 4, importRotaryEmbedding},
      {"RotaryEmbedding", 4, 4, importRotaryEmbedding, microsoftDomain},
  };
  return table;
}
