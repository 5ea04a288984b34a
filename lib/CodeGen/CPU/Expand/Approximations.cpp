// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// exp and erf, which most of an attention's softmax and of an activation
// function is, as polynomials without branches, divisions and tables: a dozen
// instructions for a register of numbers. Coefficients are minimax fits, least
// squares reweighted until all peaks of the error are alike.

#include "Approximations.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"
#include <limits>

using namespace mlir;
using namespace quantmlir::cpu;

namespace {

/// f32 arithmetic on a number or a vector of them.
class FloatBuilder {
public:
  FloatBuilder(OpBuilder &builder, Location loc, Type type)
      : b(loc, builder), type(type) {}

  Value constant(double value) {
    return splat(b.getF32FloatAttr(float(value)), type);
  }
  Value fma(Value x, Value y, Value z) {
    return math::FmaOp::create(b, x, y, z);
  }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value isLess(Value x, Value y) {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, y);
  }
  Value select(Value condition, Value x, Value y) {
    return arith::SelectOp::create(b, condition, x, y);
  }
  /// coefficients[i] * x^i, summed.
  Value polynomial(ArrayRef<double> coefficients, Value x) {
    Value result = constant(coefficients.back());
    for (double coefficient : llvm::reverse(coefficients.drop_back()))
      result = fma(result, x, constant(coefficient));
    return result;
  }
  /// x * 2^n, for `n` in the lowest bits of `shifted` and no result beyond the
  /// normal numbers.
  Value scale(Value x, Value shifted) {
    Type integer = b.getI32Type();
    if (auto vector = dyn_cast<VectorType>(type))
      integer = vector.clone(integer);
    Value exponent =
        arith::ShLIOp::create(b, arith::BitcastOp::create(b, integer, shifted),
                              splat(b.getI32IntegerAttr(23), integer));
    Value bits = arith::AddIOp::create(
        b, arith::BitcastOp::create(b, integer, x), exponent);
    return arith::BitcastOp::create(b, type, bits);
  }

private:
  Value splat(TypedAttr number, Type of) {
    if (auto vector = dyn_cast<VectorType>(of))
      number = DenseElementsAttr::get(vector, Attribute(number));
    return arith::ConstantOp::create(b, number);
  }

  ImplicitLocOpBuilder b;
  Type type;
};

/// exp(x) = 2^n exp(r), with n the integer nearest to x / ln 2. At most
/// 4e-7 beside the result, relatively; below 2^-125.9 it is 0. A NaN stays one.
struct ApproximateExp : OpRewritePattern<math::ExpOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::ExpOp op,
                                PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return rewriter.notifyMatchFailure(op, "is not of f32");
    FloatBuilder b(rewriter, op.getLoc(), op.getType());
    Value x = op.getOperand();
    // Where 1 is the last bit of a float, adding rounds to integers, which
    // stand in the lowest bits.
    Value magic = b.constant(0x1.8p23);
    Value shifted = b.fma(x, b.constant(1.44269504088896341), magic);
    Value n = b.sub(shifted, magic);
    Value r = b.fma(n, b.constant(-0.69314718055994531), x);
    // Of |r| up to ln 2 / 2, relative error 9.2e-8.
    Value power = b.polynomial(
        {1, 0.999999702, 0.499991506, 0.166676372, 0.0418979749, 0.00829030573},
        r);
    Value result = b.scale(power, shifted);
    result = b.select(b.isLess(x, b.constant(-87.3)), b.constant(0), result);
    if (!bitEnumContainsAll(op.getFastmath(), arith::FastMathFlags::ninf))
      result =
          b.select(b.isLess(b.constant(88.7228), x),
                   b.constant(std::numeric_limits<double>::infinity()), result);
    rewriter.replaceOp(op, result);
    return success();
  }
};

/// erf(x) = x P(x^2) up to |x| = 3.75, and beyond what it is there. At most
/// 3.3e-7 beside the result.
struct ApproximateErf : OpRewritePattern<math::ErfOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::ErfOp op,
                                PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return rewriter.notifyMatchFailure(op, "is not of f32");
    FloatBuilder b(rewriter, op.getLoc(), op.getType());
    constexpr double limit = 3.75;
    // In this order a NaN stays one.
    Value x = op.getOperand(), most = b.constant(limit),
          least = b.constant(-limit);
    x = b.select(b.isLess(most, x), most, x);
    x = b.select(b.isLess(x, least), least, x);
    // In powers of a number from -1 to 1 the coefficients are small, and so is
    // what rounding does.
    Value centred =
        b.fma(b.mul(x, x), b.constant(2 / (limit * limit)), b.constant(-1));
    Value ratio = b.polynomial(
        {0.377056986, -0.188029483, 0.139262363, -0.111958213, 0.0908526778,
         -0.0714419857, 0.0528810993, -0.037972074, 0.0272542275, -0.0155167347,
         0.00545389764, -0.00407461403, 0.0047608763, -0.00186244422},
        centred);
    rewriter.replaceOp(op, b.mul(x, ratio));
    return success();
  }
};

} // namespace

void quantmlir::cpu::populateApproximations(RewritePatternSet &patterns) {
  patterns.add<ApproximateExp, ApproximateErf>(patterns.getContext(),
                                               /*benefit=*/2);
}
