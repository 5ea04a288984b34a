// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Indices in one form.
//
// Splitting heads and merging them again composes to
//   (h * 32 + d) floordiv 32   and   (h floordiv 12) * 12 + h mod 12
// where h and d would do. What MLIR's own simplification lacks is how far the
// dims run (d is below 32), which the Reader knows. An index is taken apart
// into a sum of atoms (dims, quotients, remainders) with coefficients,
// simplified and put together in a fixed order, so that equal indices become
// the same object.

#include "Matchers.h"

using namespace mlir;
using namespace quantmlir::lm;
using namespace quantmlir::lm::raise;

namespace {
struct Term {
  AffineExpr atom;
  int64_t factor;
};
/// The sum of the terms and a constant.
struct Linear {
  SmallVector<Term, 4> terms;
  int64_t constant = 0;

  void add(AffineExpr atom, int64_t factor) {
    for (Term &term : terms)
      if (term.atom == atom) {
        term.factor += factor;
        return;
      }
    terms.push_back({atom, factor});
  }
  void add(const Linear &other, int64_t factor) {
    for (const Term &term : other.terms)
      add(term.atom, term.factor * factor);
    constant += other.constant * factor;
  }
};
} // namespace

/// Any order will do that does not depend on addresses.
static bool before(AffineExpr a, AffineExpr b) {
  if (a.getKind() != b.getKind())
    return a.getKind() < b.getKind();
  if (auto x = dyn_cast<AffineDimExpr>(a))
    return x.getPosition() < cast<AffineDimExpr>(b).getPosition();
  if (auto x = dyn_cast<AffineConstantExpr>(a))
    return x.getValue() < cast<AffineConstantExpr>(b).getValue();
  if (auto x = dyn_cast<AffineBinaryOpExpr>(a)) {
    auto y = cast<AffineBinaryOpExpr>(b);
    if (x.getLHS() != y.getLHS())
      return before(x.getLHS(), y.getLHS());
    return x.getRHS() != y.getRHS() && before(x.getRHS(), y.getRHS());
  }
  return false;
}

/// a·c·(e floordiv c) + a·(e mod c) = a·e
static void joinQuotientAndRemainder(Linear &sum) {
  for (Term &rest : sum.terms) {
    auto mod = dyn_cast<AffineBinaryOpExpr>(rest.atom);
    if (!mod || mod.getKind() != AffineExprKind::Mod || rest.factor == 0)
      continue;
    auto divisor = dyn_cast<AffineConstantExpr>(mod.getRHS());
    if (!divisor)
      continue;
    for (Term &quotient : sum.terms) {
      if (quotient.atom != mod.getLHS().floorDiv(divisor.getValue()) ||
          quotient.factor != rest.factor * divisor.getValue())
        continue;
      int64_t factor = rest.factor;
      quotient.factor = rest.factor = 0;
      sum.add(mod.getLHS(), factor);
      return joinQuotientAndRemainder(sum);
    }
  }
}

static AffineExpr assemble(Linear sum, MLIRContext *context) {
  joinQuotientAndRemainder(sum);
  llvm::sort(sum.terms, [](const Term &a, const Term &b) {
    return before(a.atom, b.atom);
  });
  AffineExpr result = getAffineConstantExpr(0, context);
  for (const Term &term : sum.terms)
    if (term.factor != 0)
      result = result + term.atom * term.factor;
  return result + sum.constant;
}

AffineExpr Reader::fresh(const Size &size) {
  sizes.push_back(size);
  if (size.constant == 1)
    return constant(0);
  return getAffineDimExpr(sizes.size() - 1, context);
}

Size Reader::sizeOf(AffineExpr dim) {
  if (auto known = dyn_cast<AffineDimExpr>(dim))
    return sizes[known.getPosition()];
  Size unit;
  unit.constant = 1;
  return unit;
}

std::optional<std::pair<int64_t, int64_t>> Reader::bounds(AffineExpr e) {
  if (auto number = dyn_cast<AffineConstantExpr>(e))
    return std::pair(number.getValue(), number.getValue());
  if (isa<AffineDimExpr>(e)) {
    Size size = sizeOf(e);
    if (!size.isStatic())
      return std::nullopt;
    return std::pair<int64_t, int64_t>(0, size.constant - 1);
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(e);
  if (!binary)
    return std::nullopt;
  auto right = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (e.getKind() == AffineExprKind::Mod && right)
    return std::pair<int64_t, int64_t>(0, right.getValue() - 1);
  auto left = bounds(binary.getLHS());
  if (!left)
    return std::nullopt;
  if (e.getKind() == AffineExprKind::Add) {
    auto other = bounds(binary.getRHS());
    if (!other)
      return std::nullopt;
    return std::pair(left->first + other->first, left->second + other->second);
  }
  if (!right || right.getValue() <= 0)
    return std::nullopt;
  int64_t by = right.getValue();
  if (e.getKind() == AffineExprKind::Mul)
    return std::pair(left->first * by, left->second * by);
  if (e.getKind() == AffineExprKind::FloorDiv && left->first >= 0)
    return std::pair(left->first / by, left->second / by);
  return std::nullopt;
}

AffineExpr Reader::simplify(AffineExpr e) {
  // Takes a simplified index apart.
  auto split = [&](AffineExpr whole) {
    Linear sum;
    SmallVector<std::pair<AffineExpr, int64_t>> work = {{whole, 1}};
    while (!work.empty()) {
      auto [part, factor] = work.pop_back_val();
      auto binary = dyn_cast<AffineBinaryOpExpr>(part);
      auto right = binary ? dyn_cast<AffineConstantExpr>(binary.getRHS())
                          : AffineConstantExpr();
      if (auto number = dyn_cast<AffineConstantExpr>(part)) {
        sum.constant += factor * number.getValue();
      } else if (part.getKind() == AffineExprKind::Add) {
        work.push_back({binary.getRHS(), factor});
        work.push_back({binary.getLHS(), factor});
      } else if (part.getKind() == AffineExprKind::Mul && right) {
        work.push_back({binary.getLHS(), factor * right.getValue()});
      } else {
        sum.add(part, factor);
      }
    }
    return sum;
  };

  if (isa<AffineDimExpr>(e))
    return sizeOf(e).constant == 1 ? constant(0) : e;
  auto binary = dyn_cast<AffineBinaryOpExpr>(e);
  if (!binary)
    return e;
  AffineExpr left = simplify(binary.getLHS()),
             right = simplify(binary.getRHS());
  if (e.getKind() == AffineExprKind::Add) {
    Linear sum = split(left);
    sum.add(split(right), 1);
    return assemble(std::move(sum), context);
  }
  auto number = dyn_cast<AffineConstantExpr>(right);
  if (e.getKind() == AffineExprKind::Mul) {
    if (!number)
      return left * right;
    Linear sum;
    sum.add(split(left), number.getValue());
    return assemble(std::move(sum), context);
  }
  if (!number || number.getValue() <= 0 ||
      e.getKind() == AffineExprKind::CeilDiv)
    return getAffineBinaryOpExpr(e.getKind(), left, right);

  // (c·outer + inner) divided by c, with inner known to lie within [0, c).
  int64_t by = number.getValue();
  Linear outer, inner;
  Linear whole = split(left);
  for (const Term &term : whole.terms) {
    if (term.factor % by == 0)
      outer.add(term.atom, term.factor / by);
    else
      inner.add(term.atom, term.factor);
  }
  inner.constant = whole.constant;
  AffineExpr rest = assemble(inner, context);
  auto range = bounds(rest);
  bool within = range && range->first >= 0 && range->second < by;
  if (e.getKind() == AffineExprKind::Mod)
    return within ? rest : rest % by;
  if (!within)
    outer.add(rest.floorDiv(by), 1);
  return assemble(std::move(outer), context);
}

bool raise::dependsOn(AffineExpr e, AffineExpr dim) {
  auto known = dyn_cast<AffineDimExpr>(dim);
  return known && e.isFunctionOfDim(known.getPosition());
}
