// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operators that choose elements by indices in a tensor. A negative index is
// counted from the end, but not in a lookup of a weight's rows, which is an
// embedding.

#include "Operators.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

static bool requireIndices(Importer &g, GraphValue &indices) {
  if (indices.type == DataType::Int64 || indices.type == DataType::Int32)
    return true;
  g.fail("has indices of the type " + dataTypeName(indices.type));
  return false;
}

/// An index from an element of a tensor of indices.
static Value toIndex(OpBuilder &b, Location loc, Value element, Value size) {
  Value index = arith::IndexCastOp::create(b, loc, b.getIndexType(), element);
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value negative =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, index, zero);
  Value moved = arith::AddIOp::create(b, loc, index, size);
  return arith::SelectOp::create(b, loc, negative, moved, index);
}

/// Constant indices into a dimension of a static size are checked. None if
/// they are not constant.
static std::optional<SmallVector<int64_t>>
checkIndices(Importer &g, GraphValue &indices, OpFoldResult size) {
  auto known = g.constants(indices);
  int64_t whole = staticSize(size);
  if (!known || whole < 0)
    return std::nullopt;
  for (int64_t &index : *known) {
    index = index < 0 ? index + whole : index;
    if (index < 0 || index >= whole)
      g.fail("has an index outside of " + Twine(whole) + " elements");
  }
  return known;
}

static Sizes gatheredShape(const GraphValue &data, const GraphValue &indices,
                           int64_t axis) {
  Sizes shape(ArrayRef(data.shape).take_front(axis));
  shape.append(indices.shape);
  shape.append(data.shape.begin() + axis + 1, data.shape.end());
  return shape;
}

GraphValue onnx::gather(Importer &g, GraphValue &data, GraphValue &indices,
                        int64_t axis) {
  Value source = g.tensor(data), places = g.tensor(indices),
        size = g.index(data.shape[axis]);
  return g.generate(data.type, gatheredShape(data, indices, axis),
                    [&](OpBuilder &b, Location loc, ValueRange at) {
                      Value place = tensor::ExtractOp::create(
                          b, loc, places, at.slice(axis, indices.rank()));
                      SmallVector<Value> from(at.take_front(axis));
                      from.push_back(toIndex(b, loc, place, size));
                      llvm::append_range(from,
                                         at.drop_front(axis + indices.rank()));
                      return tensor::ExtractOp::create(b, loc, source, from);
                    });
}

static void importGather(Importer &g) {
  GraphValue &data = g.in(0), &indices = g.in(1);
  auto axis = g.axis(g.integer("axis", 0), data.rank());
  if (!axis || !requireIndices(g, indices))
    return;
  auto chosen = checkIndices(g, indices, data.shape[*axis]);
  if (g.failed())
    return;
  Sizes shape = gatheredShape(data, indices, *axis);

  if (data.rank() == 1 && chosen && !data.tensor)
    if (auto list = g.elements(data)) {
      SmallVector<Value> elements;
      for (int64_t index : *chosen)
        elements.push_back((*list)[index]);
      return g.result(g.fromElements(data.type, *staticShape(shape), elements));
    }
  // One row, or whatever it is, for all.
  if (chosen && indices.rank() <= 1 && chosen->size() == 1) {
    Sizes offsets(data.rank(), g.size(0)), ones(data.rank(), g.size(1)),
        sizes = data.shape;
    offsets[*axis] = g.size(chosen->front());
    sizes[*axis] = g.size(1);
    GraphValue row = g.slice(data, offsets, sizes, ones);
    return g.result(g.reshape(row, shape));
  }
  if (*axis == 0 && g.isWeight(data) && indices.rank() > 0) {
    Value table = g.weight(data, /*transposed=*/false);
    Value rows = lm::EmbeddingOp::create(g.b, g.tensorType(data.type, shape),
                                         g.tensor(indices), table);
    return g.result(g.fromTensor(data.type, rows, shape));
  }
  g.result(gather(g, data, indices, *axis));
}

GraphValue onnx::gatherElements(Importer &g, GraphValue &data,
                                GraphValue &indices, int64_t axis) {
  Value source = g.tensor(data), places = g.tensor(indices),
        size = g.index(data.shape[axis]);
  return g.generate(
      data.type, indices.shape, [&](OpBuilder &b, Location loc, ValueRange at) {
        Value place = tensor::ExtractOp::create(b, loc, places, at);
        SmallVector<Value> from(at);
        from[axis] = toIndex(b, loc, place, size);
        return tensor::ExtractOp::create(b, loc, source, from);
      });
}

static void importGatherElements(Importer &g) {
  GraphValue &data = g.in(0), &indices = g.in(1);
  auto axis = g.axis(g.integer("axis", 0), data.rank());
  if (!axis || !requireIndices(g, indices))
    return;
  if (indices.rank() != data.rank())
    return g.fail("has indices of another rank");
  checkIndices(g, indices, data.shape[*axis]);
  if (g.failed())
    return;
  g.result(gatherElements(g, data, indices, *axis));
}

static void importGatherND(Importer &g) {
  GraphValue &data = g.in(0), &indices = g.in(1);
  int64_t batch = g.integer("batch_dims", 0);
  if (!requireIndices(g, indices))
    return;
  int64_t depth = indices.rank() ? staticSize(indices.shape.back()) : -1;
  if (depth < 1 || batch < 0 || batch >= indices.rank() ||
      batch + depth > data.rank())
    return g.fail("has indices of no valid shape");
  Sizes shape(ArrayRef(indices.shape).drop_back());
  unsigned outer = shape.size();
  shape.append(data.shape.begin() + batch + depth, data.shape.end());
  Value source = g.tensor(data), places = g.tensor(indices);
  SmallVector<Value> sizes, numbers;
  for (int64_t i = 0; i < depth; ++i) {
    sizes.push_back(g.index(data.shape[batch + i]));
    numbers.push_back(g.index(g.size(i)));
  }
  g.result(g.generate(
      data.type, shape, [&](OpBuilder &b, Location loc, ValueRange at) {
        SmallVector<Value> from(at.take_front(batch));
        for (auto [number, size] : llvm::zip(numbers, sizes)) {
          SmallVector<Value> where(at.take_front(outer));
          where.push_back(number);
          Value place = tensor::ExtractOp::create(b, loc, places, where);
          from.push_back(toIndex(b, loc, place, size));
        }
        llvm::append_range(from, at.drop_front(outer));
        return tensor::ExtractOp::create(b, loc, source, from);
      }));
}

static void importOneHot(Importer &g) {
  GraphValue &indices = g.in(0), &values = g.in(2);
  auto depth = g.constantNumber(g.in(1));
  auto axis = g.axis(g.integer("axis", -1), indices.rank() + 1);
  if (!axis)
    return;
  if (!depth || !(*depth >= 1 && *depth < 1 << 30) || values.rank() != 1 ||
      staticSize(values.shape[0]) != 2)
    return g.fail("needs a constant depth and two values");
  GraphValue places = g.cast(indices, DataType::Int64);
  Sizes shape = indices.shape;
  shape.insert(shape.begin() + *axis, g.size(int64_t(*depth)));
  Value list = g.tensor(values), where = g.tensor(places),
        size = g.index(shape[*axis]);
  Value zero = g.index(g.size(0)), one = g.index(g.size(1));
  g.result(g.generate(
      values.type, shape, [&](OpBuilder &b, Location loc, ValueRange at) {
        SmallVector<Value> outer(at);
        outer.erase(outer.begin() + *axis);
        Value place = tensor::ExtractOp::create(b, loc, where, outer);
        Value hit =
            arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                  toIndex(b, loc, place, size), at[*axis]);
        Value which = arith::SelectOp::create(b, loc, hit, one, zero);
        return tensor::ExtractOp::create(b, loc, list, which);
      }));
}

ArrayRef<Operator> onnx::indexingOperators() {
  static constexpr Operator table[] = {
      {"Gather", 2, 2, importGather},
      {"GatherElements", 2, 2, importGatherElements},
      {"GatherND", 2, 2, importGatherND},
      {"OneHot", 3, 3, importOneHot},
  };
  return table;
}
