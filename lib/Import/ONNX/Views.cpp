// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The same elements in another shape or order.

#include "Importer.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

namespace {
/// A product of sizes that can be compared with others.
struct Product {
  int64_t number = 1;
  SmallVector<Value> factors;

  void add(OpFoldResult size) {
    if (isa<Attribute>(size)) {
      number = int64_t(llvm::SaturatingMultiply(uint64_t(number),
                                                uint64_t(staticSize(size))));
      return;
    }
    // A product that was computed before is its factors.
    SmallVector<Value> open = {llvm::cast<Value>(size)};
    while (!open.empty()) {
      Value value = open.pop_back_val();
      APInt constant;
      if (auto mul = value.getDefiningOp<arith::MulIOp>())
        open.append({mul.getLhs(), mul.getRhs()});
      else if (matchPattern(value, m_ConstantInt(&constant)))
        number *= constant.getSExtValue();
      else
        factors.push_back(value);
    }
    llvm::sort(factors, [](Value a, Value b) {
      return a.getAsOpaquePointer() < b.getAsOpaquePointer();
    });
  }
  bool operator==(const Product &other) const {
    return number == other.number && factors == other.factors;
  }
};

/// Dimensions of two shapes that hold the same elements.
struct Group {
  unsigned from, to; ///< how many
};
} // namespace

/// Splits two shapes into the smallest groups that correspond. Leftovers of 1
/// go to the last group. One group of everything if there is no better way.
static SmallVector<Group> findGroups(const Sizes &from, const Sizes &to) {
  SmallVector<Group> groups;
  unsigned i = 0, j = 0;
  auto productOf = [](const Sizes &sizes, unsigned first, unsigned count) {
    Product product;
    for (unsigned k = first; k < first + count; ++k)
      product.add(sizes[k]);
    return product;
  };
  auto next = [&]() -> std::optional<Group> {
    for (unsigned total = 2; total <= from.size() - i + to.size() - j; ++total)
      for (unsigned m = 1; m < total; ++m)
        if (m <= from.size() - i && total - m <= to.size() - j &&
            productOf(from, i, m) == productOf(to, j, total - m))
          return Group{m, total - m};
    return std::nullopt;
  };
  while (i < from.size() && j < to.size()) {
    std::optional<Group> group = next();
    if (!group)
      break;
    groups.push_back(*group);
    i += group->from;
    j += group->to;
  }
  bool onesLeft =
      productOf(from, i, from.size() - i) == productOf(to, j, to.size() - j) &&
      (i == from.size() || j == to.size());
  if (onesLeft && !groups.empty()) {
    groups.back().from += from.size() - i;
    groups.back().to += to.size() - j;
    return groups;
  }
  if (from.empty() || to.empty())
    return {};
  return {{unsigned(from.size()), unsigned(to.size())}};
}

/// The static type of a group: dynamic if a part is.
static int64_t groupSize(ArrayRef<int64_t> shape) {
  int64_t size = 1;
  for (int64_t each : shape) {
    if (ShapedType::isDynamic(each))
      return ShapedType::kDynamic;
    size *= each;
  }
  return size;
}

GraphValue Importer::reshape(GraphValue &value, Sizes shape) {
  if (value.shape == shape)
    return value;
  if (value.splat)
    return fromSplat(value.type, value.splat, shape);
  auto known = staticShape(value.shape), wanted = staticShape(shape);
  if (known && wanted &&
      llvm::product_of(*known) != llvm::product_of(*wanted)) {
    fail("a shape of " + llvm::Twine(llvm::product_of(*known)) +
         " elements cannot become one of " +
         llvm::Twine(llvm::product_of(*wanted)));
    return value;
  }
  if (wanted && !value.tensor)
    if (auto list = elements(value))
      return fromElements(value.type, *wanted, *list);

  SmallVector<Group> groups = findGroups(value.shape, shape);
  Value source = tensor(value);
  RankedTensorType type = tensorType(value.type, value.shape),
                   target = tensorType(value.type, shape);
  if (source.getType() != type)
    source = tensor::CastOp::create(b, type, source);
  SmallVector<int64_t> collapsed, middle;
  SmallVector<ReassociationIndices> into, outOf;
  unsigned i = 0, j = 0;
  for (Group group : groups) {
    collapsed.push_back(groupSize(type.getShape().slice(i, group.from)));
    middle.push_back(groupSize(target.getShape().slice(j, group.to)));
    into.push_back(llvm::to_vector(llvm::seq<int64_t>(i, i + group.from)));
    outOf.push_back(llvm::to_vector(llvm::seq<int64_t>(j, j + group.to)));
    i += group.from;
    j += group.to;
  }
  auto collapsedType = type.clone(collapsed), middleType = type.clone(middle);
  if (collapsedType.getRank() != type.getRank())
    source = tensor::CollapseShapeOp::create(b, collapsedType, source, into);
  if (middleType != collapsedType)
    source = tensor::CastOp::create(b, middleType, source);
  if (middleType.getRank() != target.getRank())
    source = tensor::ExpandShapeOp::create(b, target, source, outOf, shape);
  return fromTensor(value.type, source, shape);
}

GraphValue Importer::transpose(GraphValue &value,
                               ArrayRef<int64_t> permutation) {
  Sizes shape;
  bool isIdentity = true;
  for (auto [dim, from] : llvm::enumerate(permutation)) {
    shape.push_back(value.shape[from]);
    isIdentity &= int64_t(dim) == from;
  }
  if (isIdentity)
    return value;
  if (value.splat)
    return fromSplat(value.type, value.splat, shape);
  // A weight is read in the order in which it is wanted.
  if (isWeight(value)) {
    GraphValue result = value;
    result.shape = shape;
    result.tensor = Value();
    result.elements.reset();
    result.transposed = !value.transposed;
    return result;
  }
  RankedTensorType type = tensorType(value.type, shape);
  Value empty = tensor::EmptyOp::create(b, shape, type.getElementType());
  return fromTensor(
      value.type,
      linalg::TransposeOp::create(b, tensor(value), empty, permutation)
          ->getResult(0),
      shape);
}

GraphValue Importer::slice(GraphValue &value, const Sizes &offsets,
                           const Sizes &sizes, const Sizes &steps) {
  if (value.splat)
    return fromSplat(value.type, value.splat, sizes);
  auto first = staticShape(offsets), count = staticShape(sizes),
       step = staticShape(steps);
  if (value.rank() == 1 && !value.tensor && first && count && step)
    if (auto list = elements(value)) {
      SmallVector<Value> chosen;
      for (int64_t i = 0; i < count->front(); ++i)
        chosen.push_back((*list)[first->front() + i * step->front()]);
      return fromElements(value.type, *count, chosen);
    }
  RankedTensorType type = tensorType(value.type, sizes);
  // Nothing has no place: its offset may be one past the end.
  if (llvm::is_contained(type.getShape(), 0))
    return fromTensor(value.type,
                      tensor::EmptyOp::create(b, sizes, type.getElementType()),
                      sizes);
  Value source = tensor(value);
  bool forward = step && llvm::all_of(*step, [](int64_t s) { return s > 0; });
  if (forward)
    return fromTensor(
        value.type,
        tensor::ExtractSliceOp::create(b, type, source, offsets, sizes, steps),
        sizes);
  SmallVector<Value> starts, strides;
  for (auto [offset, stride] : llvm::zip(offsets, steps)) {
    starts.push_back(index(offset));
    strides.push_back(index(stride));
  }
  return generate(
      value.type, sizes, [&](OpBuilder &at, Location loc, ValueRange indices) {
        SmallVector<Value> from;
        for (auto [i, start, stride] : llvm::zip(indices, starts, strides)) {
          Value moved = arith::MulIOp::create(at, loc, i, stride);
          from.push_back(arith::AddIOp::create(at, loc, start, moved));
        }
        return tensor::ExtractOp::create(at, loc, source, from);
      });
}

GraphValue Importer::concat(ArrayRef<GraphValue *> values, int64_t axis) {
  GraphValue &first = *values.front();
  Sizes shape = first.shape;
  for (GraphValue *value : values.drop_front()) {
    if (value->type != first.type || value->rank() != first.rank()) {
      fail("joins tensors of different types or ranks");
      return first;
    }
    shape[axis] = add(shape[axis], value->shape[axis]);
  }
  if (first.rank() == 1) {
    SmallVector<Value> joined;
    auto appends = [&](GraphValue *value) {
      auto list = value->tensor ? std::nullopt : elements(*value);
      if (list)
        joined.append(*list);
      return bool(list);
    };
    if (llvm::all_of(values, appends))
      return fromElements(first.type, int64_t(joined.size()), joined);
  }
  Value result = tensor::EmptyOp::create(b, shape, elementType(first.type));
  Sizes offsets(shape.size(), size(0)), ones(shape.size(), size(1));
  for (GraphValue *value : values) {
    // The sizes of other dimensions are the first one's.
    for (auto [dim, whole] : llvm::enumerate(shape))
      if (int64_t(dim) != axis && staticSize(whole) >= 0 &&
          staticSize(value->shape[dim]) >= 0 &&
          staticSize(whole) != staticSize(value->shape[dim])) {
        fail("joins tensors of different sizes");
        return first;
      }
    if (staticSize(value->shape[axis]) == 0)
      continue;
    result = tensor::InsertSliceOp::create(b, tensor(*value), result, offsets,
                                           value->shape, ones);
    offsets[axis] = add(offsets[axis], value->shape[axis]);
  }
  return fromTensor(first.type, result, shape);
}

GraphValue Importer::squeeze(GraphValue &value, ArrayRef<int64_t> axes) {
  Sizes shape;
  for (auto [dim, size] : llvm::enumerate(value.shape))
    if (!llvm::is_contained(axes, int64_t(dim)))
      shape.push_back(size);
  return reshape(value, shape);
}

GraphValue Importer::unsqueeze(GraphValue &value, ArrayRef<int64_t> axes) {
  Sizes shape;
  size_t next = 0;
  for (int64_t dim = 0, end = value.rank() + axes.size(); dim < end; ++dim)
    shape.push_back(llvm::is_contained(axes, dim) ? size(1)
                                                  : value.shape[next++]);
  return reshape(value, shape);
}

GraphValue Importer::expand(GraphValue &value, const Sizes &shape) {
  if (value.shape == shape)
    return value;
  return mapTo(value.type, shape, {&value},
               [](OpBuilder &, Location, ValueRange e) { return e[0]; });
}

GraphValue Importer::asNumbers(GraphValue &value) {
  if (!isBool(value.type))
    return value;
  return fromTensor(DataType::UInt8, tensor(value), value.shape);
}
