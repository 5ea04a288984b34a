// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_LM_TRANSFORMS_RAISELINALG_MATCHERS_H
#define QUANT_MLIR_DIALECT_LM_TRANSFORMS_RAISELINALG_MATCHERS_H

// What does one element of a tensor hold, as a formula?
//
// The same layer norm can be written as fifteen linalg operations or as three,
// with sizes kept as [.., 1] or dropped, transposed here or there, in f32 or by
// way of f64. So the patterns of this folder do not look at operations. They
// ask a Reader for the element of a result at symbolic indices and walk the
// formula that it computes, which the Reader unfolds step by step:
//
//   %t = linalg.transpose %w [1, 0]            t[d0, d1]
//   %m = linalg.matmul(%x, %t)                 m[d0, d1] = sum(d2) x[d0, d2] *
//   t[d2, d1] element t[d2, d1], one step further:       w[d1, d2]
//
// Copies, transpositions, broadcasts and reshapes only change the indices: they
// are called views here. Conversions between float types are not seen at all,
// since the patterns promise equality over the reals only.

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/PatternMatch.h"
#include <deque>
#include <optional>

namespace quantmlir::lm::raise {

/// The size of a dimension, traced to where it comes from, so that sizes that
/// were computed in two places compare equal.
struct Size {
  /// The size if it is static, else kDynamic.
  int64_t constant = mlir::ShapedType::kDynamic;
  /// A tensor and its dimension, or an index value and -1.
  mlir::Value value;
  int64_t dim = -1;

  bool isStatic() const { return !mlir::ShapedType::isDynamic(constant); }
  bool operator==(const Size &other) const {
    return constant == other.constant && value == other.value &&
           dim == other.dim;
  }
};

/// The size of dimension `dim` of `tensor`.
Size traceSize(mlir::Value tensor, int64_t dim);
/// The size that an index or integer value holds.
Size traceSize(mlir::Value scalar);
/// The size as an attribute or as a value made at the insertion point.
mlir::OpFoldResult materialize(mlir::OpBuilder &builder, mlir::Location loc,
                               const Size &size);
/// The sizes of all dimensions, made at the insertion point.
llvm::SmallVector<mlir::OpFoldResult> materializeSizes(mlir::OpBuilder &builder,
                                                       mlir::Location loc,
                                                       mlir::Value tensor);

/// What the patterns know about the scalar operations of arith and math.
enum class Fn {
  Add,
  Sub,
  Mul,
  Div,
  Neg,
  Max,
  Min,
  Exp,
  Erf,
  Tanh,
  Sqrt,
  Rsqrt,
  Pow,
  Compare,
  Select,
  And
};

/// A node of a formula.
struct Expr {
  enum class Kind {
    Element,   ///< `tensor` at `indices`
    Number,    ///< a float constant, or a truth value as 0 and 1
    Index,     ///< an integer that is affine in the dims: `indices[0]`
    Op,        ///< `fn` of `operands`
    Reduction, ///< `operands[0]` folded by `fn` over `dims`, from `operands[1]`
    Opaque,    ///< `scalar`, of which nothing is known
  };
  Kind kind = Kind::Opaque;
  mlir::Value tensor, scalar;
  llvm::SmallVector<mlir::AffineExpr, 4> indices;
  double number = 0;
  Fn fn = Fn::Add;
  /// Of a comparison: arith's CmpFPredicate or CmpIPredicate.
  int64_t predicate = 0;
  bool comparesIntegers = false;
  llvm::SmallVector<const Expr *, 3> operands;
  llvm::SmallVector<mlir::AffineExpr, 1> dims;

  bool isElement() const { return kind == Kind::Element; }
  bool is(Fn which) const { return kind == Kind::Op && fn == which; }
  bool isReduction(Fn which) const {
    return kind == Kind::Reduction && fn == which;
  }
  mlir::RankedTensorType type() const {
    return mlir::cast<mlir::RankedTensorType>(tensor.getType());
  }
};

/// Unfolds formulas. Owns the expressions and numbers the dims: a dim is an
/// index that runs over a size. A dim of size 1 is the constant 0.
class Reader {
public:
  explicit Reader(mlir::MLIRContext *context) : context(context) {}

  /// The element of `tensor` at one new dim per dimension.
  const Expr *read(mlir::Value tensor);
  const Expr *element(mlir::Value tensor,
                      llvm::ArrayRef<mlir::AffineExpr> indices);
  /// The formula of a scalar in the body of `op`, whose loops run over `loops`.
  const Expr *scalar(mlir::linalg::LinalgOp op, mlir::Value value,
                     llvm::ArrayRef<mlir::AffineExpr> loops);

  /// An element one operation further up; null if it comes from where this
  /// reader cannot look.
  const Expr *step(const Expr *element);
  /// All elements that are the same number by views only, nearest first.
  /// Empty if `e` is not an element.
  llvm::SmallVector<const Expr *> views(const Expr *e);
  /// The last of the views, or `e` itself.
  const Expr *source(const Expr *e);
  /// What is computed behind all views: no element unless it is opaque.
  const Expr *value(const Expr *e);

  const Expr *substitute(const Expr *e, mlir::AffineExpr dim,
                         mlir::AffineExpr by);
  /// Whether two formulas are the same, as far as can be seen.
  bool same(const Expr *a, const Expr *b, unsigned depth = 6);

  /// A new dim.
  mlir::AffineExpr fresh(const Size &size);
  Size sizeOf(mlir::AffineExpr dim);
  /// Brings an index into one form, using how far its dims run.
  mlir::AffineExpr simplify(mlir::AffineExpr e);
  mlir::AffineExpr constant(int64_t number) {
    return mlir::getAffineConstantExpr(number, context);
  }

private:
  Expr *make(Expr::Kind kind);
  const Expr *makeIndex(mlir::AffineExpr e);
  const Expr *makeNumber(double number);
  const Expr *stepLinalg(mlir::OpResult result,
                         llvm::ArrayRef<mlir::AffineExpr> indices);
  const Expr *scalarOp(mlir::linalg::LinalgOp op, mlir::Value value,
                       llvm::ArrayRef<mlir::AffineExpr> loops);
  const Expr *makeOp(Fn fn, llvm::ArrayRef<const Expr *> operands);
  const Expr *scalarSelect(const Expr *condition, const Expr *a, const Expr *b);
  std::optional<std::pair<int64_t, int64_t>> bounds(mlir::AffineExpr e);

  mlir::MLIRContext *context;
  std::deque<Expr> expressions;
  llvm::SmallVector<Size> sizes;
};

/// The dims that an index depends on.
bool dependsOn(mlir::AffineExpr e, mlir::AffineExpr dim);

//===----------------------------------------------------------------------===//
// Formulas that several patterns look for
//===----------------------------------------------------------------------===//

/// A constant, behind any views.
std::optional<double> matchNumber(Reader &reader, const Expr *e);

/// A product of `inner` and a constant: c·x, x·c, x/c, -x, also nested.
struct Scaled {
  double scale = 1;
  const Expr *inner = nullptr;
};
Scaled peelScale(Reader &reader, const Expr *e);

/// sum(dim) term, from zero.
struct Sum {
  mlir::AffineExpr dim;
  const Expr *term = nullptr;
};
std::optional<Sum> matchSum(Reader &reader, const Expr *e);
/// sum(dim) term / size of dim.
std::optional<Sum> matchMean(Reader &reader, const Expr *e);

/// Whether `view`'s dimension `dim` is all that its index there runs over, no
/// more. (Sizes of linalg operands that share a loop are equal; dynamic ones
/// are not compared again. What extracts elements is checked where it is looked
/// through.)
bool isWhole(Reader &reader, const Expr *view, int64_t dim);

/// Among the views of `e` the first that is one vector along `dim`, with unit
/// dimensions around it perhaps: see flatten. Null if there is none.
mlir::Value findVector(Reader &reader, const Expr *e, mlir::AffineExpr dim,
                       mlir::Type elementType);
/// Drops the unit dimensions around a vector.
mlir::Value flatten(mlir::OpBuilder &builder, mlir::Location loc,
                    mlir::Value vector);

/// Among the views of `e` the first with these indices, whole, and this element
/// type.
mlir::Value asTensor(Reader &reader, const Expr *e,
                     llvm::ArrayRef<mlir::AffineExpr> indices,
                     mlir::Type elementType);

/// Whether `op` computes one float tensor, element by element.
bool isElementwise(mlir::linalg::LinalgOp op);

/// How many dimensions of size 1 a tensor has in front.
int64_t countUnits(mlir::Value tensor);
/// Groups of dimensions that merge the first `units` into the one after them.
llvm::SmallVector<mlir::ReassociationIndices> frontGroups(int64_t rank,
                                                          int64_t units);

/// Takes the remarks that patterns leave about what stays linalg, once per
/// operation.
class Remarks {
public:
  void leave(mlir::Operation *op, const llvm::Twine &why);

private:
  llvm::DenseSet<mlir::Operation *> seen;
};

//===----------------------------------------------------------------------===//
// The patterns, one file each
//===----------------------------------------------------------------------===//

void populateActivation(mlir::RewritePatternSet &patterns);
void populateAttention(mlir::RewritePatternSet &patterns, Remarks &remarks);
void populateEmbedding(mlir::RewritePatternSet &patterns);
void populateLinear(mlir::RewritePatternSet &patterns);
void populateNorm(mlir::RewritePatternSet &patterns);
/// `tensor.reshape` with a computed shape becomes expand_shape or
/// collapse_shape where sizes can be told apart.
void populateStaticReshape(mlir::RewritePatternSet &patterns);
/// Drops unit dimensions in front of raised operations, and turns generics that
/// add or multiply tensors of one shape into arith on tensors.
void populateTidy(mlir::RewritePatternSet &patterns);

} // namespace quantmlir::lm::raise

#endif // QUANT_MLIR_DIALECT_LM_TRANSFORMS_RAISELINALG_MATCHERS_H
