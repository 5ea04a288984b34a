// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// How a tensor's element becomes a formula: see Matchers.h. One function per
// kind of operation that can be looked through; what is not listed here is
// opaque.

#include "Matchers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantmlir::lm;
using namespace quantmlir::lm::raise;

//===----------------------------------------------------------------------===//
// Nodes
//===----------------------------------------------------------------------===//

Expr *Reader::make(Expr::Kind kind) {
  Expr &expr = expressions.emplace_back();
  expr.kind = kind;
  return &expr;
}

const Expr *Reader::makeIndex(AffineExpr e) {
  Expr *expr = make(Expr::Kind::Index);
  expr->indices.push_back(simplify(e));
  return expr;
}

const Expr *Reader::makeNumber(double number) {
  Expr *expr = make(Expr::Kind::Number);
  expr->number = number;
  return expr;
}

const Expr *Reader::makeOp(Fn fn, ArrayRef<const Expr *> operands) {
  Expr *expr = make(Expr::Kind::Op);
  expr->fn = fn;
  expr->operands.assign(operands.begin(), operands.end());
  return expr;
}

const Expr *Reader::element(Value tensor, ArrayRef<AffineExpr> indices) {
  Expr *expr = make(Expr::Kind::Element);
  expr->tensor = tensor;
  for (AffineExpr index : indices)
    expr->indices.push_back(simplify(index));
  return expr;
}

const Expr *Reader::read(Value tensor) {
  SmallVector<AffineExpr> indices;
  int64_t rank = cast<RankedTensorType>(tensor.getType()).getRank();
  for (int64_t dim = 0; dim < rank; ++dim)
    indices.push_back(fresh(traceSize(tensor, dim)));
  return element(tensor, indices);
}

static const Expr *number(const APFloat &value,
                          function_ref<const Expr *(double)> make) {
  APFloat wide = value;
  bool lost;
  wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
  return make(wide.convertToDouble());
}

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

static std::optional<Fn> functionOf(Operation *op) {
  return TypeSwitch<Operation *, std::optional<Fn>>(op)
      .Case([](arith::AddFOp) { return Fn::Add; })
      .Case([](arith::SubFOp) { return Fn::Sub; })
      .Case([](arith::MulFOp) { return Fn::Mul; })
      .Case([](arith::DivFOp) { return Fn::Div; })
      .Case([](arith::NegFOp) { return Fn::Neg; })
      .Case<arith::MaximumFOp, arith::MaxNumFOp>([](auto) { return Fn::Max; })
      .Case<arith::MinimumFOp, arith::MinNumFOp>([](auto) { return Fn::Min; })
      .Case([](math::ExpOp) { return Fn::Exp; })
      .Case([](math::ErfOp) { return Fn::Erf; })
      .Case([](math::TanhOp) { return Fn::Tanh; })
      .Case([](math::SqrtOp) { return Fn::Sqrt; })
      .Case([](math::RsqrtOp) { return Fn::Rsqrt; })
      .Case<math::PowFOp, math::FPowIOp>([](auto) { return Fn::Pow; })
      .Case<arith::CmpFOp, arith::CmpIOp>([](auto) { return Fn::Compare; })
      .Case([](arith::SelectOp) { return Fn::Select; })
      .Case([](arith::AndIOp) { return Fn::And; })
      .Default([](Operation *) { return std::nullopt; });
}

/// `dim == 1 ? 0 : i` is `i` if `i` runs over that very dimension: with one
/// element it can be nothing but 0. torch-mlir writes broadcasts like this.
const Expr *Reader::scalarSelect(const Expr *condition, const Expr *a,
                                 const Expr *b) {
  if (condition->is(Fn::Compare) && condition->comparesIntegers &&
      condition->predicate == int64_t(arith::CmpIPredicate::eq) &&
      a->kind == Expr::Kind::Index && a->indices[0] == constant(0) &&
      b->kind == Expr::Kind::Index && isa<AffineDimExpr>(b->indices[0])) {
    const Expr *size = condition->operands[0], *one = condition->operands[1];
    if (size->kind == Expr::Kind::Index)
      std::swap(size, one);
    if (one->kind == Expr::Kind::Index && one->indices[0] == constant(1) &&
        size->kind == Expr::Kind::Opaque &&
        traceSize(size->scalar) == sizeOf(b->indices[0]))
      return b;
  }
  return nullptr;
}

const Expr *Reader::scalarOp(linalg::LinalgOp op, Value value,
                             ArrayRef<AffineExpr> loops) {
  Operation *def = value.getDefiningOp();
  auto operand = [&](unsigned i) {
    return scalar(op, def->getOperand(i), loops);
  };
  auto opaque = [&]() -> const Expr * {
    Expr *expr = make(Expr::Kind::Opaque);
    expr->scalar = value;
    return expr;
  };

  APFloat real(0.0);
  APInt integer;
  if (matchPattern(value, m_ConstantFloat(&real)))
    return number(real, [&](double x) { return makeNumber(x); });
  if (matchPattern(value, m_ConstantInt(&integer))) {
    if (integer.getBitWidth() == 1)
      return makeNumber(integer.isZero() ? 0 : 1);
    return makeIndex(constant(integer.getSExtValue()));
  }
  if (auto index = dyn_cast<linalg::IndexOp>(def))
    if (op && index->getParentOp() == op)
      return makeIndex(loops[index.getDim()]);
  // No index and no id is so large that 32 bits would cut it off.
  bool cuts = isa<arith::TruncIOp>(def) && value.getType().isInteger() &&
              value.getType().getIntOrFloatBitWidth() < 32;
  if (isa<arith::ExtFOp, arith::TruncFOp, arith::IndexCastOp, arith::ExtSIOp,
          arith::TruncIOp>(def) &&
      !cuts && !def->getOperand(0).getType().isInteger(1) &&
      !value.getType().isInteger(1))
    return operand(0);
  // A truth value that is kept as a byte.
  if (isa<arith::ExtUIOp>(def) && def->getOperand(0).getType().isInteger(1))
    return operand(0);
  if (isa<arith::AddIOp, arith::SubIOp, arith::MulIOp>(def) &&
      !value.getType().isInteger(1)) {
    const Expr *a = operand(0), *b = operand(1);
    if (a->kind != Expr::Kind::Index || b->kind != Expr::Kind::Index) {
      // The operands may be elements that only turn out to be indices.
      a = this->value(a), b = this->value(b);
      if (a->kind != Expr::Kind::Index || b->kind != Expr::Kind::Index)
        return opaque();
    }
    AffineExpr x = a->indices[0], y = b->indices[0];
    if (isa<arith::AddIOp>(def))
      return makeIndex(x + y);
    if (isa<arith::SubIOp>(def))
      return makeIndex(x - y);
    if (isa<AffineConstantExpr>(x) || isa<AffineConstantExpr>(y))
      return makeIndex(x * y);
    return opaque();
  }
  if (auto extract = dyn_cast<tensor::ExtractOp>(def)) {
    SmallVector<AffineExpr> indices;
    for (auto [dim, index] : llvm::enumerate(extract.getIndices())) {
      const Expr *at = this->value(scalar(op, index, loops));
      if (at->kind != Expr::Kind::Index)
        return opaque();
      // The tensor may be larger than what is read of it. If both sizes are
      // dynamic nobody else would notice.
      Size whole = traceSize(extract.getTensor(), dim);
      if (!whole.isStatic() && !(sizeOf(at->indices[0]) == whole))
        return opaque();
      indices.push_back(at->indices[0]);
    }
    return element(extract.getTensor(), indices);
  }
  std::optional<Fn> fn = functionOf(def);
  if (!fn)
    return opaque();
  SmallVector<const Expr *> operands;
  for (unsigned i = 0; i < def->getNumOperands(); ++i)
    operands.push_back(operand(i));
  if (*fn == Fn::Select)
    if (const Expr *chosen =
            scalarSelect(operands[0], operands[1], operands[2]))
      return chosen;
  // The exponent of an integer power is a number like any other.
  if (*fn == Fn::Pow && operands[1]->kind == Expr::Kind::Index)
    if (auto power = dyn_cast<AffineConstantExpr>(operands[1]->indices[0]))
      operands[1] = makeNumber(double(power.getValue()));
  Expr *expr = make(Expr::Kind::Op);
  expr->fn = *fn;
  expr->operands.assign(operands.begin(), operands.end());
  if (auto compare = dyn_cast<arith::CmpFOp>(def))
    expr->predicate = int64_t(compare.getPredicate());
  if (auto compare = dyn_cast<arith::CmpIOp>(def)) {
    expr->predicate = int64_t(compare.getPredicate());
    expr->comparesIntegers = true;
  }
  return expr;
}

const Expr *Reader::scalar(linalg::LinalgOp op, Value value,
                           ArrayRef<AffineExpr> loops) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    if (op && argument.getOwner() == op.getBlock()) {
      OpOperand *operand = op.getMatchingOpOperand(argument);
      if (!isa<RankedTensorType>(operand->get().getType()))
        return scalar(linalg::LinalgOp(), operand->get(), {});
      SmallVector<AffineExpr> indices;
      for (AffineExpr e : op.getMatchingIndexingMap(operand).getResults())
        indices.push_back(e.replaceDims(loops));
      return element(operand->get(), indices);
    }
    Expr *expr = make(Expr::Kind::Opaque);
    expr->scalar = value;
    return expr;
  }
  return scalarOp(op, value, loops);
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

/// Where a loop's size can be read off.
static Size loopSize(linalg::LinalgOp op, unsigned loop) {
  Size found;
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<RankedTensorType>(operand.get().getType()))
      continue;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (auto [dim, e] : llvm::enumerate(map.getResults())) {
      if (e != getAffineDimExpr(loop, op->getContext()))
        continue;
      Size size = traceSize(operand.get(), dim);
      if (size.isStatic() || !found.value)
        found = size;
      if (size.isStatic())
        return found;
    }
  }
  return found;
}

const Expr *Reader::stepLinalg(OpResult result, ArrayRef<AffineExpr> indices) {
  auto op = cast<linalg::LinalgOp>(result.getOwner());
  if (!op.hasPureTensorSemantics())
    return nullptr;
  unsigned number = result.getResultNumber();
  OpOperand *init = op.getDpsInitOperand(number);
  AffineMap map = op.getMatchingIndexingMap(init);
  Value yielded = op.getBlock()->getTerminator()->getOperand(number);

  // The body is read in dims of its own, since only those have sizes that
  // `dim == 1 ? 0 : i` can be compared with; then the parallel ones are
  // replaced.
  if (!map.isProjectedPermutation(/*allowZeroInResults=*/true))
    return nullptr;
  SmallVector<AffineExpr> loops;
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop)
    loops.push_back(fresh(loopSize(op, loop)));
  SmallVector<std::pair<AffineExpr, AffineExpr>> outside;
  for (auto [e, index] : llvm::zip(map.getResults(), indices))
    if (auto loop = dyn_cast<AffineDimExpr>(e))
      outside.push_back({loops[loop.getPosition()], index});
  for (auto [loop, iterator] : llvm::enumerate(op.getIteratorTypesArray()))
    if (iterator == utils::IteratorType::parallel &&
        isa<AffineDimExpr>(loops[loop]) && !map.isFunctionOfDim(loop))
      return nullptr;
  auto replaceOutside = [&](const Expr *e) {
    for (auto [inside, index] : outside)
      if (isa<AffineDimExpr>(inside))
        e = substitute(e, inside, index);
    return e;
  };

  if (op.getNumReductionLoops() == 0)
    return replaceOutside(scalar(op, yielded, loops));

  // out = combine(out, term)
  Operation *combine = yielded.getDefiningOp();
  BlockArgument accumulator = op.getMatchingBlockArgument(init);
  if (!combine || combine->getNumOperands() != 2 ||
      combine->getBlock() != op.getBlock())
    return nullptr;
  std::optional<Fn> fn = functionOf(combine);
  if (!fn || (*fn != Fn::Add && *fn != Fn::Max && *fn != Fn::And))
    return nullptr;
  Value term = combine->getOperand(0);
  if (term == accumulator)
    term = combine->getOperand(1);
  else if (combine->getOperand(1) != accumulator)
    return nullptr;
  Expr *expr = make(Expr::Kind::Reduction);
  expr->fn = *fn;
  for (auto [loop, iterator] : llvm::enumerate(op.getIteratorTypesArray()))
    if (iterator == utils::IteratorType::reduction)
      expr->dims.push_back(loops[loop]);
  expr->operands.push_back(replaceOutside(scalar(op, term, loops)));
  expr->operands.push_back(element(init->get(), indices));
  return expr;
}

const Expr *Reader::step(const Expr *e) {
  Operation *op = e->tensor.getDefiningOp();
  if (!op)
    return nullptr;
  ArrayRef<AffineExpr> at = e->indices;
  if (isa<linalg::LinalgOp>(op))
    return stepLinalg(cast<OpResult>(e->tensor), at);
  if (auto cast = dyn_cast<tensor::CastOp>(op))
    return isa<RankedTensorType>(cast.getSource().getType())
               ? element(cast.getSource(), at)
               : nullptr;
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
    // A row-major position within the group; the outermost size is not needed.
    SmallVector<AffineExpr> indices;
    for (const auto &group : expand.getReassociationIndices()) {
      AffineExpr position = constant(0);
      for (int64_t dim : group) {
        int64_t size = e->type().getDimSize(dim);
        if (ShapedType::isDynamic(size) && position != constant(0))
          return nullptr;
        position =
            (ShapedType::isDynamic(size) ? constant(0) : position * size) +
            at[dim];
      }
      indices.push_back(position);
    }
    return element(expand.getSrc(), indices);
  }
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    SmallVector<AffineExpr> indices(collapse.getSrcType().getRank());
    for (auto [index, group] :
         llvm::zip(at, collapse.getReassociationIndices())) {
      AffineExpr rest = index;
      for (auto [i, dim] : llvm::enumerate(llvm::reverse(group))) {
        int64_t size = collapse.getSrcType().getDimSize(dim);
        bool outermost = i + 1 == group.size();
        if (outermost) {
          indices[dim] = rest;
        } else if (ShapedType::isDynamic(size)) {
          // Fine if all that is further out has size 1.
          for (int64_t outer : group)
            if (outer < dim && collapse.getSrcType().getDimSize(outer) != 1)
              return nullptr;
          indices[dim] = rest;
          rest = constant(0);
        } else {
          indices[dim] = rest % size;
          rest = rest.floorDiv(size);
        }
      }
    }
    return element(collapse.getSrc(), indices);
  }
  if (auto softmax = dyn_cast<linalg::SoftmaxOp>(op)) {
    if (!softmax.hasPureTensorSemantics())
      return nullptr;
    uint64_t dim = softmax.getDimension();
    AffineExpr other = fresh(traceSize(e->tensor, dim));
    SmallVector<AffineExpr> others(at);
    others[dim] = other;
    Expr *sum = make(Expr::Kind::Reduction);
    sum->fn = Fn::Add;
    sum->dims.push_back(other);
    sum->operands = {makeOp(Fn::Exp, element(softmax.getInput(), others)),
                     makeNumber(0)};
    return makeOp(Fn::Div,
                  {makeOp(Fn::Exp, element(softmax.getInput(), at)), sum});
  }
  if (auto constantOp = dyn_cast<arith::ConstantOp>(op)) {
    auto splat = dyn_cast<SplatElementsAttr>(constantOp.getValue());
    if (!splat)
      return nullptr;
    if (isa<FloatType>(splat.getElementType()))
      return number(splat.getSplatValue<APFloat>(),
                    [&](double x) { return makeNumber(x); });
    if (!isa<IntegerType, IndexType>(splat.getElementType()))
      return nullptr;
    APInt value = splat.getSplatValue<APInt>();
    if (value.getBitWidth() == 1)
      return makeNumber(value.isZero() ? 0 : 1);
    return makeIndex(constant(value.getSExtValue()));
  }
  // arith and math on whole tensors.
  if (OpTrait::hasElementwiseMappableTraits(op)) {
    if (isa<arith::ExtFOp, arith::TruncFOp>(op))
      return element(op->getOperand(0), at);
    std::optional<Fn> fn = functionOf(op);
    if (!fn || *fn == Fn::Compare || *fn == Fn::Select)
      return nullptr;
    SmallVector<const Expr *> operands;
    for (Value operand : op->getOperands()) {
      if (!isa<RankedTensorType>(operand.getType()))
        return nullptr;
      operands.push_back(element(operand, at));
    }
    return makeOp(*fn, operands);
  }
  return nullptr;
}

SmallVector<const Expr *> Reader::views(const Expr *e) {
  SmallVector<const Expr *> elements;
  while (e && e->isElement()) {
    elements.push_back(e);
    e = step(e);
  }
  return elements;
}

const Expr *Reader::source(const Expr *e) {
  return e->isElement() ? views(e).back() : e;
}

const Expr *Reader::value(const Expr *e) {
  while (e->isElement()) {
    const Expr *next = step(e);
    if (!next)
      return e;
    e = next;
  }
  return e;
}

const Expr *Reader::substitute(const Expr *e, AffineExpr dim, AffineExpr by) {
  if (dim == by || !isa<AffineDimExpr>(dim) || e->kind == Expr::Kind::Number ||
      e->kind == Expr::Kind::Opaque)
    return e;
  Expr *copy = make(e->kind);
  *copy = *e;
  DenseMap<AffineExpr, AffineExpr> map = {{dim, by}};
  for (AffineExpr &index : copy->indices)
    index = simplify(index.replace(map));
  for (const Expr *&operand : copy->operands)
    operand = substitute(operand, dim, by);
  return copy;
}

bool Reader::same(const Expr *a, const Expr *b, unsigned depth) {
  if (a == b)
    return true;
  a = source(a), b = source(b);
  auto sameNode = [](const Expr *a, const Expr *b) {
    return a->kind == b->kind && a->tensor == b->tensor &&
           a->scalar == b->scalar && a->indices == b->indices &&
           a->number == b->number && a->operands.size() == b->operands.size();
  };
  if (a->isElement() && b->isElement() && sameNode(a, b))
    return true;
  if (depth == 0)
    return false;
  a = value(a), b = value(b);
  if (!sameNode(a, b))
    return false;
  if (a->kind == Expr::Kind::Op || a->kind == Expr::Kind::Reduction)
    if (a->fn != b->fn || a->predicate != b->predicate)
      return false;
  if (a->dims.size() != b->dims.size())
    return false;
  for (auto [x, y] : llvm::zip(a->operands, b->operands)) {
    const Expr *renamed = y;
    for (auto [to, from] : llvm::zip(a->dims, b->dims)) {
      if (!(sizeOf(to) == sizeOf(from)))
        return false;
      renamed = substitute(renamed, from, to);
    }
    if (!same(x, renamed, depth - 1))
      return false;
  }
  return true;
}
