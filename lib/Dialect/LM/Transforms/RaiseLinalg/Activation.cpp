// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// x/2·(1 + erf(x/√2)), x·0.5·(erf(x·0.7071) + 1), x·Φ(x): frameworks have many
// ways to write one function, in one operation or in eight. So an activation is
// not recognised by how it is written but by what it is: if a result depends on
// one element x and nothing else, its formula is evaluated at some eighty
// places and compared with the activations we know.
//
// That is no proof for any function, but the formulas are short and made of
// analytic functions and of branches at zero only, and such a formula that
// agrees with another to six digits from -600 to 600 is that other one, but for
// constants that were rounded to f32. A gelu with 1.41 for √2 differs by 5e-4.

#include "Matchers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"
#include <cmath>

using namespace mlir;
using namespace quantmlir::lm;
using namespace quantmlir::lm::raise;

namespace {
struct Known {
  ActivationKind kind;
  double (*function)(double);
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double tanhGelu(double x, double root) {
  return x / 2 * (1 + std::tanh(root * (x + 0.044715 * x * x * x)));
}

const Known kKnown[] = {
    {ActivationKind::Silu, [](double x) { return x * sigmoid(x); }},
    {ActivationKind::Gelu,
     [](double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0))); }},
    {ActivationKind::GeluTanh,
     [](double x) { return tanhGelu(x, 0.79788456080286536); }},
    // torch-mlir writes 0.797724 for √(2/π).
    {ActivationKind::GeluTanh, [](double x) { return tanhGelu(x, 0.797724); }},
    {ActivationKind::Relu, [](double x) { return x > 0 ? x : 0; }},
    {ActivationKind::Tanh, [](double x) { return std::tanh(x); }},
    {ActivationKind::Sigmoid, sigmoid},
};

/// Formulas longer than this are not activations.
constexpr unsigned kLongest = 40;

/// A formula in one variable.
class Function {
public:
  Function(Reader &reader, const Expr *variable)
      : reader(reader), variable(variable) {}

  /// Whether `e` depends on the variable and on nothing else, in a form that
  /// can be evaluated; fills in `program`.
  bool compile(const Expr *e) { return add(e) >= 0; }
  /// Whether it does anything but hand the variable on.
  bool isTrivial() const { return program.size() < 2; }

  double operator()(double x) const {
    SmallVector<double, 32> values;
    for (const Step &step : program)
      values.push_back(evaluate(step, values, x));
    return values.back();
  }

private:
  struct Step {
    enum { Variable, Number, Apply } kind;
    double number = 0;
    Fn fn = Fn::Add;
    int64_t predicate = 0;
    SmallVector<int, 3> from;
  };

  int push(Step step) {
    program.push_back(std::move(step));
    return program.size() - 1;
  }

  int add(const Expr *e, unsigned depth = 0) {
    if (program.size() > kLongest || depth > kLongest)
      return -1;
    if (e->isElement()) {
      for (const Expr *view : reader.views(e))
        if (view->tensor == variable->tensor &&
            view->indices == variable->indices)
          return push({Step::Variable});
      e = reader.value(e);
    }
    if (e->kind == Expr::Kind::Number)
      return push({Step::Number, e->number});
    if (e->kind != Expr::Kind::Op)
      return -1;
    // Branches elsewhere than at zero could hide between two places that are
    // looked at.
    bool branches = e->is(Fn::Max) || e->is(Fn::Min) || e->is(Fn::Compare);
    if (branches && matchNumber(reader, e->operands[0]) != 0.0 &&
        matchNumber(reader, e->operands[1]) != 0.0)
      return -1;
    if ((e->is(Fn::Compare) && e->comparesIntegers) || e->is(Fn::And))
      return -1;
    Step step{Step::Apply, 0, e->fn, e->predicate, {}};
    for (const Expr *operand : e->operands) {
      int from = add(operand, depth + 1);
      if (from < 0)
        return -1;
      step.from.push_back(from);
    }
    return push(std::move(step));
  }

  static bool compare(double a, double b, int64_t predicate) {
    bool unordered = std::isnan(a) || std::isnan(b);
    switch (arith::CmpFPredicate(predicate)) {
    case arith::CmpFPredicate::OGT:
      return a > b;
    case arith::CmpFPredicate::UGT:
      return unordered || a > b;
    case arith::CmpFPredicate::OGE:
      return a >= b;
    case arith::CmpFPredicate::UGE:
      return unordered || a >= b;
    case arith::CmpFPredicate::OLT:
      return a < b;
    case arith::CmpFPredicate::ULT:
      return unordered || a < b;
    case arith::CmpFPredicate::OLE:
      return a <= b;
    case arith::CmpFPredicate::ULE:
      return unordered || a <= b;
    case arith::CmpFPredicate::OEQ:
      return a == b;
    case arith::CmpFPredicate::UNE:
      return unordered || a != b;
    case arith::CmpFPredicate::UNO:
      return unordered;
    case arith::CmpFPredicate::ORD:
      return !unordered;
    default:
      return false;
    }
  }

  static double evaluate(const Step &step, ArrayRef<double> values, double x) {
    auto arg = [&](unsigned i) { return values[step.from[i]]; };
    if (step.kind == Step::Variable)
      return x;
    if (step.kind == Step::Number)
      return step.number;
    switch (step.fn) {
    case Fn::Add:
      return arg(0) + arg(1);
    case Fn::Sub:
      return arg(0) - arg(1);
    case Fn::Mul:
      return arg(0) * arg(1);
    case Fn::Div:
      return arg(0) / arg(1);
    case Fn::Neg:
      return -arg(0);
    case Fn::Max:
      return std::max(arg(0), arg(1));
    case Fn::Min:
      return std::min(arg(0), arg(1));
    case Fn::Exp:
      return std::exp(arg(0));
    case Fn::Erf:
      return std::erf(arg(0));
    case Fn::Tanh:
      return std::tanh(arg(0));
    case Fn::Sqrt:
      return std::sqrt(arg(0));
    case Fn::Rsqrt:
      return 1 / std::sqrt(arg(0));
    case Fn::Pow:
      return std::pow(arg(0), arg(1));
    case Fn::Compare:
      return compare(arg(0), arg(1), step.predicate);
    case Fn::Select:
      return arg(0) != 0 ? arg(1) : arg(2);
    case Fn::And:
      break;
    }
    return std::nan("");
  }

  Reader &reader;
  const Expr *variable;
  std::vector<Step> program;
};

/// The activation that `function` is.
std::optional<ActivationKind> recognise(const Function &function) {
  SmallVector<double> places = {0};
  // Close enough to see each bend, with no pattern that a period could meet.
  for (double x = 0.013; x < 9; x += 0.271)
    places.append({x, -x});
  // Not further than exp is finite: exp(x) / (1 + exp(x)) is a sigmoid as well.
  for (double x : {12.5, 30.0, 81.0, 234.5, 600.0})
    places.append({x, -x});
  for (const Known &known : kKnown)
    if (llvm::all_of(places, [&](double x) {
          double expected = known.function(x);
          return std::abs(function(x) - expected) <=
                 1e-6 * std::max(1.0, std::abs(expected));
        }))
      return known.kind;
  return std::nullopt;
}

/// The tensors that `e` is computed from element by element, nearest first:
/// those that may be the variable.
void collectVariables(Reader &reader, const Expr *e, const Expr *root,
                      SmallVectorImpl<const Expr *> &variables,
                      unsigned &budget) {
  if (budget == 0)
    return;
  --budget;
  for (const Expr *view : reader.views(e))
    if (view != root && view->type() == root->type() &&
        view->indices == root->indices &&
        llvm::none_of(variables, [&](const Expr *other) {
          return other->tensor == view->tensor;
        }))
      variables.push_back(view);
  e = reader.value(e);
  if (e->kind == Expr::Kind::Op)
    for (const Expr *operand : e->operands)
      collectVariables(reader, operand, root, variables, budget);
}

struct RaiseActivation : OpInterfaceRewritePattern<linalg::LinalgOp> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;

  LogicalResult matchAndRewrite(linalg::LinalgOp op,
                                PatternRewriter &rewriter) const override {
    if (!isElementwise(op))
      return rewriter.notifyMatchFailure(
          op, "computes no float tensor element by element");
    Reader reader(op->getContext());
    const Expr *root = reader.read(op->getResult(0));
    if (reader.value(root)->kind != Expr::Kind::Op)
      return rewriter.notifyMatchFailure(op, "only moves numbers");
    SmallVector<const Expr *> variables;
    unsigned budget = kLongest;
    collectVariables(reader, root, root, variables, budget);
    for (const Expr *variable : variables) {
      Function function(reader, variable);
      if (!function.compile(root) || function.isTrivial())
        continue;
      if (std::optional<ActivationKind> kind = recognise(function)) {
        rewriter.replaceOpWithNewOp<ActivationOp>(op, root->tensor.getType(),
                                                  *kind, variable->tensor);
        return success();
      }
    }
    return rewriter.notifyMatchFailure(
        op, "is none of the known functions of one tensor");
  }
};
} // namespace

void raise::populateActivation(RewritePatternSet &patterns) {
  patterns.add<RaiseActivation>(patterns.getContext());
}
