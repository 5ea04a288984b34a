// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operators on shapes: asking for them and changing them. What decides a shape
// has to be known when the model is imported: a constant, or computed from the
// sizes of inputs.

#include "Operators.h"
#include "Scalars.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

static void importShape(Importer &g) {
  const Sizes &shape = g.in(0).shape;
  int64_t rank = shape.size();
  auto bound = [&](StringRef name, int64_t otherwise) {
    int64_t value = g.integer(name, otherwise);
    return std::clamp<int64_t>(value < 0 ? value + rank : value, 0, rank);
  };
  int64_t start = bound("start", 0), end = bound("end", rank);
  SmallVector<Value> elements;
  for (int64_t dim = start; dim < end; ++dim)
    elements.push_back(g.fromSize(shape[dim], DataType::Int64));
  g.result(g.fromElements(DataType::Int64, int64_t(elements.size()), elements));
}

static void importSize(Importer &g) {
  OpFoldResult count = g.product(g.in(0).shape);
  g.result(g.fromElements(DataType::Int64, {},
                          {g.fromSize(count, DataType::Int64)}));
}

static void importReshape(Importer &g) {
  GraphValue &x = g.in(0);
  Sizes shape = g.readSizes(g.in(1));
  if (g.failed())
    return;
  std::optional<size_t> open;
  for (auto [dim, size] : llvm::enumerate(shape)) {
    if (!isa<Attribute>(size))
      continue;
    int64_t number = staticSize(size);
    if (number == 0 && g.integer("allowzero", 0) == 0) {
      if (dim >= x.shape.size())
        return g.fail("copies a dimension that is not there");
      size = x.shape[dim];
    } else if (number == -1 && !open) {
      open = dim;
    } else if (number < 0) {
      return g.fail("has no valid shape");
    }
  }
  if (open) {
    // What is on both sides need not be divided.
    Sizes above = x.shape, below = shape;
    below.erase(below.begin() + *open);
    for (auto *size = below.begin(); size != below.end();) {
      auto *same = llvm::find(above, *size);
      if (same == above.end()) {
        ++size;
        continue;
      }
      above.erase(same);
      size = below.erase(size);
    }
    OpFoldResult divisor = g.product(below), whole = g.product(above);
    int64_t number = staticSize(divisor);
    if (number == 0 || (number > 0 && staticSize(whole) >= 0 &&
                        staticSize(whole) % number != 0))
      return g.fail("has a shape that does not divide the elements");
    shape[*open] = number == 1 ? whole : g.div(whole, divisor);
  }
  g.result(g.reshape(x, shape));
}

static void importFlatten(Importer &g) {
  GraphValue &x = g.in(0);
  int64_t axis = g.integer("axis", 1);
  axis = axis < 0 ? axis + x.rank() : axis;
  if (axis < 0 || axis > x.rank())
    return g.fail("has no such axis");
  ArrayRef<OpFoldResult> shape = x.shape;
  g.result(g.reshape(x, {g.product(shape.take_front(axis)),
                         g.product(shape.drop_front(axis))}));
}

static void importSqueeze(Importer &g) {
  GraphValue &x = g.in(0);
  auto axes = g.axes("axes", 1, x.rank());
  if (!axes)
    return;
  if (!g.has(1) && !g.integers("axes"))
    for (auto [dim, size] : llvm::enumerate(x.shape))
      if (staticSize(size) == 1)
        axes->push_back(dim);
  g.result(g.squeeze(x, *axes));
}

static void importUnsqueeze(Importer &g) {
  GraphValue &x = g.in(0);
  auto given = g.constants(g.in(1));
  if (!given)
    return g.fail("has axes that are computed");
  auto axes = g.axes("", 1, x.rank() + given->size());
  if (axes)
    g.result(g.unsqueeze(x, *axes));
}

static void importTranspose(Importer &g) {
  GraphValue &x = g.in(0);
  SmallVector<int64_t> permutation;
  if (auto given = g.integers("perm")) {
    permutation.assign(given->begin(), given->end());
  } else {
    for (int64_t dim = x.rank() - 1; dim >= 0; --dim)
      permutation.push_back(dim);
  }
  SmallVector<int64_t> sorted = permutation;
  llvm::sort(sorted);
  if (g.failed() ||
      !llvm::equal(sorted, llvm::seq<int64_t>(0, int64_t(x.rank()))))
    return g.fail("has no valid permutation");
  g.result(g.transpose(x, permutation));
}

static void importConcat(Importer &g) {
  GraphValue &first = g.in(0);
  auto axis = g.axis(g.integer("axis", 0), first.rank());
  if (axis)
    g.result(g.concat(g.all(), *axis));
}

static void importSplit(Importer &g) {
  GraphValue &x = g.in(0);
  auto axis = g.axis(g.integer("axis", 0), x.rank());
  if (!axis)
    return;
  Sizes parts;
  int64_t whole = staticSize(x.shape[*axis]);
  if (g.has(1)) {
    parts = g.readSizes(g.in(1));
  } else {
    int64_t count = g.integer("num_outputs", g.numOutputs());
    if (count < 1 || whole < 0 || count > int64_t(g.numOutputs()))
      return g.fail("splits what has no static size");
    int64_t each = llvm::divideCeil(uint64_t(whole), uint64_t(count));
    for (int64_t i = 0; i < count; ++i)
      parts.push_back(g.size(std::clamp<int64_t>(whole - i * each, 0, each)));
  }
  auto known = staticShape(parts);
  if (g.failed() || parts.size() != g.numOutputs() ||
      (known && whole >= 0 &&
       (llvm::sum_of(*known) != whole ||
        llvm::any_of(*known, [](int64_t size) { return size < 0; }))))
    return g.fail("has parts that do not add up");
  Sizes offsets(x.rank(), g.size(0)), ones(x.rank(), g.size(1)),
      shape = x.shape;
  for (auto [index, part] : llvm::enumerate(parts)) {
    shape[*axis] = part;
    g.result(index, g.slice(x, offsets, shape, ones));
    offsets[*axis] = g.add(offsets[*axis], part);
  }
}

/// A bound of a slice: counted from the end if negative, and inside. A bound
/// that is a size is taken to be inside.
static OpFoldResult clampBound(Importer &g, OpFoldResult bound,
                               OpFoldResult size, bool forward) {
  int64_t number = staticSize(bound), whole = staticSize(size);
  if (!isa<Attribute>(bound))
    return bound;
  if (whole >= 0) {
    number = number < 0 ? std::max(number, -whole - 1) + whole : number;
    return forward ? g.size(std::clamp<int64_t>(number, 0, whole))
                   : g.size(std::clamp<int64_t>(number, -1, whole - 1));
  }
  // More than any tensor has: "to the end".
  constexpr int64_t end = std::numeric_limits<int32_t>::max();
  if (number >= end)
    return forward ? size : g.sub(size, g.size(1));
  if (number <= -end)
    return g.size(forward ? 0 : -1);
  return number < 0 ? g.add(size, bound) : bound;
}

static void importSlice(Importer &g) {
  GraphValue &x = g.in(0);
  Sizes starts = g.readSizes(g.in(1)), ends = g.readSizes(g.in(2));
  SmallVector<int64_t> axes, steps(starts.size(), 1);
  if (g.has(3)) {
    auto given = g.constants(g.in(3));
    if (!given)
      return g.fail("has axes that are computed");
    axes = *given;
  } else {
    axes = llvm::to_vector(llvm::seq<int64_t>(0, starts.size()));
  }
  if (g.has(4)) {
    auto given = g.constants(g.in(4));
    if (!given)
      return g.fail("has steps that are computed");
    steps = *given;
  }
  if (g.failed())
    return;
  if (starts.size() != ends.size() || axes.size() != ends.size() ||
      steps.size() != ends.size())
    return g.fail("has lists of different lengths");
  Sizes offsets(x.rank(), g.size(0)), strides(x.rank(), g.size(1)),
      shape = x.shape;
  for (auto [start, end, given, step] : llvm::zip(starts, ends, axes, steps)) {
    auto axis = g.axis(given, x.rank());
    if (!axis)
      return;
    if (step == 0 || std::abs(step) > std::numeric_limits<int32_t>::max())
      return g.fail("has no valid step");
    OpFoldResult whole = x.shape[*axis];
    OpFoldResult first = clampBound(g, start, whole, step > 0),
                 last = clampBound(g, end, whole, step > 0);
    OpFoldResult count = step > 0 ? g.sub(last, first) : g.sub(first, last);
    int64_t stride = std::abs(step);
    if (stride != 1)
      count = g.div(g.add(count, g.size(stride - 1)), g.size(stride));
    if (isa<Attribute>(count))
      count = g.size(std::max<int64_t>(staticSize(count), 0));
    offsets[*axis] = first;
    strides[*axis] = g.size(step);
    shape[*axis] = count;
  }
  g.result(g.slice(x, offsets, shape, strides));
}

static void importExpand(Importer &g) {
  Sizes wanted = g.readSizes(g.in(1));
  if (g.failed())
    return;
  if (auto shape = g.broadcast(g.in(0).shape, wanted))
    g.result(g.expand(g.in(0), *shape));
}

static void importTile(Importer &g) {
  GraphValue &x = g.in(0);
  Sizes repeats = g.readSizes(g.in(1)), shape;
  if (g.failed())
    return;
  if (int64_t(repeats.size()) != x.rank())
    return g.fail("has a number of repeats that is not the rank");
  for (auto [size, repeat] : llvm::zip(x.shape, repeats))
    shape.push_back(g.mul(size, repeat));
  if (x.splat)
    return g.result(g.fromSplat(x.type, x.splat, shape));
  Value source = g.tensor(x);
  SmallVector<Value> sizes;
  for (OpFoldResult size : x.shape)
    sizes.push_back(g.index(size));
  g.result(
      g.generate(x.type, shape, [&](OpBuilder &b, Location loc, ValueRange at) {
        SmallVector<Value> from;
        for (auto [i, size] : llvm::zip(at, sizes))
          from.push_back(arith::RemUIOp::create(b, loc, i, size));
        return tensor::ExtractOp::create(b, loc, source, from);
      }));
}

//===----------------------------------------------------------------------===//
// Pad
//===----------------------------------------------------------------------===//

/// The index in a dimension of `size` elements that padding repeats at `i`,
/// counted from the first element.
static Value sourceIndex(OpBuilder &b, Location loc, StringRef mode, Value i,
                         Value size) {
  auto number = [&](int64_t n) -> Value {
    return arith::ConstantIndexOp::create(b, loc, n);
  };
  auto floorMod = [&](Value n, Value by) -> Value {
    Value rest = arith::RemSIOp::create(b, loc, n, by);
    Value up = arith::AddIOp::create(b, loc, rest, by);
    return arith::RemSIOp::create(b, loc, up, by);
  };
  Value last = arith::SubIOp::create(b, loc, size, number(1));
  if (mode == "edge") {
    Value low = arith::MaxSIOp::create(b, loc, i, number(0));
    return arith::MinSIOp::create(b, loc, low, last);
  }
  if (mode == "wrap")
    return floorMod(i, size);
  // There and back again, without the ends twice.
  Value period = arith::MulIOp::create(b, loc, last, number(2));
  period = arith::MaxSIOp::create(b, loc, period, number(1));
  Value there = floorMod(i, period);
  Value back = arith::SubIOp::create(b, loc, period, there);
  return arith::MinSIOp::create(b, loc, there, back);
}

static void importPad(Importer &g) {
  GraphValue &x = g.in(0);
  if (isBool(x.type))
    return g.fail("is not supported for bool");
  StringRef mode = g.string("mode", "constant");
  if (mode != "constant" && mode != "edge" && mode != "reflect" &&
      mode != "wrap")
    return g.fail("has an unknown mode");
  auto pads = g.constants(g.in(1));
  if (!pads)
    return g.fail("has pads that are computed");
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, x.rank()));
  if (g.has(3)) {
    auto given = g.constants(g.in(3));
    if (!given)
      return g.fail("has axes that are computed");
    axes = *given;
  }
  if (pads->size() != 2 * axes.size() ||
      llvm::any_of(*pads, [](int64_t pad) { return std::abs(pad) >> 31; }))
    return g.fail("has no valid pads");
  SmallVector<int64_t> low(x.rank(), 0), high(x.rank(), 0);
  for (auto [index, given] : llvm::enumerate(axes)) {
    auto axis = g.axis(given, x.rank());
    if (!axis)
      return;
    low[*axis] = (*pads)[index];
    high[*axis] = (*pads)[index + axes.size()];
  }
  Sizes shape;
  SmallVector<Value> sizes, offsets;
  for (int64_t dim = 0; dim < x.rank(); ++dim) {
    shape.push_back(g.add(x.shape[dim], g.size(low[dim] + high[dim])));
    sizes.push_back(g.index(x.shape[dim]));
    offsets.push_back(g.index(g.size(low[dim])));
  }
  Value source = g.tensor(x), filler;
  if (mode == "constant") {
    filler = g.constant(x.type, 0);
    if (g.has(2)) {
      auto known = g.elements(g.in(2));
      Value list = known ? Value() : g.tensor(g.in(2));
      if (g.in(2).type != x.type || (known && known->size() != 1) ||
          (list && g.in(2).rank() != 0))
        return g.fail("has no valid constant");
      filler = known ? known->front()
                     : tensor::ExtractOp::create(g.b, list).getResult();
    }
  }
  Value zero = g.index(g.size(0));
  g.result(g.generate(
      x.type, shape, [&](OpBuilder &b, Location loc, ValueRange at) -> Value {
        SmallVector<Value> from;
        Value inside;
        for (auto [i, offset, size] : llvm::zip(at, offsets, sizes)) {
          Value moved = arith::SubIOp::create(b, loc, i, offset);
          if (!filler) {
            from.push_back(sourceIndex(b, loc, mode, moved, size));
            continue;
          }
          // Unsigned, what is before the first element is beyond the last.
          Value here = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult,
                                             moved, size);
          inside = inside ? arith::AndIOp::create(b, loc, inside, here) : here;
          from.push_back(arith::SelectOp::create(b, loc, here, moved, zero));
        }
        Value element = tensor::ExtractOp::create(b, loc, source, from);
        return inside ? arith::SelectOp::create(b, loc, inside, element, filler)
                      : element;
      }));
}

static void importTrilu(Importer &g) {
  GraphValue &x = g.in(0);
  auto k = g.has(1) ? g.constants(g.in(1)) : SmallVector<int64_t>{0};
  if (x.rank() < 2 || !k || k->size() != 1)
    return g.fail("is no matrix, or has a diagonal that is computed");
  bool upper = g.integer("upper", 1) != 0;
  GraphValue numbers = g.asNumbers(x);
  Value source = g.tensor(numbers), offset = g.index(g.size(k->front())),
        zero = g.constant(numbers.type, 0);
  g.result(g.generate(
      x.type, x.shape, [&](OpBuilder &b, Location loc, ValueRange at) -> Value {
        Value diagonal =
            arith::AddIOp::create(b, loc, at[at.size() - 2], offset);
        Value stays = arith::CmpIOp::create(b, loc,
                                            upper ? arith::CmpIPredicate::sge
                                                  : arith::CmpIPredicate::sle,
                                            at.back(), diagonal);
        Value element = tensor::ExtractOp::create(b, loc, source, at);
        return arith::SelectOp::create(b, loc, stays, element, zero);
      }));
}

/// DepthToSpace and SpaceToDepth.
static void importDepth(Importer &g) {
  GraphValue &x = g.in(0);
  int64_t block = g.integer("blocksize", 0);
  auto shape = staticShape(x.shape);
  if (x.rank() != 4 || !shape || block < 1 || block > 1 << 15)
    return g.fail("needs a static [N, C, H, W] and a block size");
  int64_t n = (*shape)[0], c = (*shape)[1], h = (*shape)[2], w = (*shape)[3];
  int64_t area = block * block;
  if (g.op() == "SpaceToDepth") {
    if (h % block || w % block)
      return g.fail("has a size that is no multiple of the block");
    GraphValue split =
        g.reshape(x, g.sizes({n, c, h / block, block, w / block, block}));
    GraphValue moved = g.transpose(split, {0, 3, 5, 1, 2, 4});
    return g.result(
        g.reshape(moved, g.sizes({n, c * area, h / block, w / block})));
  }
  if (c % area)
    return g.fail("has a depth that is no multiple of the block");
  bool byColumns = g.string("mode", "DCR") == "CRD";
  GraphValue split =
      g.reshape(x, byColumns ? g.sizes({n, c / area, block, block, h, w})
                             : g.sizes({n, block, block, c / area, h, w}));
  SmallVector<int64_t> order = byColumns
                                   ? SmallVector<int64_t>{0, 1, 4, 2, 5, 3}
                                   : SmallVector<int64_t>{0, 3, 4, 1, 5, 2};
  GraphValue moved = g.transpose(split, order);
  g.result(g.reshape(moved, g.sizes({n, c / area, h * block, w * block})));
}

ArrayRef<Operator> onnx::shapeOperators() {
  static constexpr Operator table[] = {
      {"Shape", 1, 1, importShape},
      {"Size", 1, 1, importSize},
      {"Reshape", 2, 2, importReshape},
      {"Flatten", 1, 1, importFlatten},
      {"Squeeze", 1, 2, importSqueeze},
      {"Unsqueeze", 2, 2, importUnsqueeze},
      {"Transpose", 1, 1, importTranspose},
      {"Concat", 1, anyNumber, importConcat},
      {"Split", 1, 2, importSplit},
      {"Slice", 3, 5, importSlice},
      {"Expand", 2, 2, importExpand},
      {"Tile", 2, 2, importTile},
      {"Pad", 2, 4, importPad},
      {"Trilu", 1, 2, importTrilu},
      {"DepthToSpace", 1, 1, importDepth},
      {"SpaceToDepth", 1, 1, importDepth},
  };
  return table;
}
