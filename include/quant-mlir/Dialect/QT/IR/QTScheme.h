// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_IR_QTSCHEME_H
#define QUANT_MLIR_DIALECT_QT_IR_QTSCHEME_H

// The vocabulary of QuantSchemeInterface.
//
// Every format that integer kernels run boils down to one formula,
//
//   value[n][k] = scale[n][g] * (decode(code[n][k]) - offset) + minimum[n][g]
//
// with g = k / group. q4_0 has 4-bit codes and offset 8; q4_1 has a minimum
// instead; symmetric int8 stores code = q + 128 with offset 128; a codebook
// format differs in `decode` alone. A product with an int8 activation a (scale
// s) is then
//
//   sum_k a*value = s * ( scale * (sum a*decode(code) - offset * sum a)
//                         + minimum * sum a )
//
// so that a kernel needs integer dot products and the sum of the activation
// codes, and a scheme never has to say more than the fields below.
//
// Formats of super-blocks (GGUF's K types) store scales and minimums as
// integers, with floats that multiply those of `scaleBlock` values; the
// products are exact.
//
// Two kinds of formats need one field more. A codebook of fractions (NF4) has
// no integer lanes that are exact: its form names the exact numbers,
//
//   value = scale * numbers[code]
//
// and `decode` is what integer kernels use instead, numbers[code] * laneFactor
// rounded; everything else (the reference, lookups, float kernels, files) is
// exact. And 8-bit floats are floats with a scale: value = scale * float(code).

#include "mlir/IR/BuiltinTypes.h"
#include "quant-mlir/Quantize/Grid.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>
#include <vector>

namespace quantmlir::qt {

/// One of the arrays that a quantized tensor is stored as.
struct StoragePart {
  /// What follows the tensor's name in a file: ".codes", or "" for a single
  /// part.
  llvm::StringRef suffix;
  mlir::Type elementType;
  llvm::SmallVector<int64_t> shape;
  /// For bytes that are integers: whether files call them signed. (The IR's are
  /// signless.)
  bool isSigned = false;
};

/// What kernels multiply.
struct LaneForm {
  enum class Kind {
    Integer, ///< codes of at most 8 bits, decoded to integer lanes
    Float    ///< floats of type `floatType`, with a scale if `scaleType` is set
  };
  Kind kind = Kind::Integer;
  /// Bits of a code, 1 to 8. Codes are unsigned.
  unsigned codeBits = 0;
  /// Bits of a decoded lane, which is unsigned too; 0 if as many as of a code.
  unsigned laneBits = 0;
  /// Values along K that share a scale; the row length for one scale a row.
  int64_t group = 0;
  /// Subtracted from every decoded code.
  int32_t offset = 0;
  bool hasMinimum = false;
  /// Types that hold scales and minimums without rounding them again: f32, f16
  /// or bf16. Kind::Float without a scale has a null type.
  mlir::FloatType scaleType;
  mlir::FloatType minimumType;
  /// Values along K, whole groups of whole rows, whose scales and minimums are
  /// integers from -128 to 127 times a factor of these types; 0 if scales are
  /// not stored like that. Kind::Integer only.
  int64_t scaleBlock = 0;
  /// Kind::Float only: f32, f16, bf16, f8E4M3FN or f8E5M2.
  mlir::FloatType floatType;
  /// Kind::Integer only, no minimum: the exact number of each of 16 codes,
  /// where `decode` rounds it; empty where it is exact. Lives as long as the
  /// program.
  llvm::ArrayRef<float> numbers;
  /// decode(code) - offset is about laneFactor * numbers[code].
  float laneFactor = 1;

  unsigned getLaneBits() const { return laneBits ? laneBits : codeBits; }
  /// Numbers of UnpackedRows::scales for each row of length `k`.
  int64_t getScaleColumns(int64_t k) const {
    return (k + group - 1) / group + (scaleBlock ? k / scaleBlock : 0);
  }
};

/// Rows of a stored tensor, taken apart. For LaneForm::Kind::Float `values` is
/// filled, and `scales` if the form has them; else all but `values`.
struct UnpackedRows {
  std::vector<uint8_t> codes; ///< [count, K], before `decode`
  /// [count, ceil(K / group)], with LaneForm::scaleBlock integers, followed in
  /// each row by K / scaleBlock factors.
  std::vector<float> scales;
  std::vector<float> minimums; ///< the same shape, empty without minimums
  std::vector<float> values;   ///< [count, K], before the scale
};

/// A matrix [N, K] whose codes something else has chosen, such as GPTQ: what
/// `unpackRows` gives, with zero points instead of minimums.
struct ChosenCodes {
  llvm::ArrayRef<uint8_t> codes; ///< [N, K], unsigned, before `decode`
  llvm::ArrayRef<float> scales;  ///< [N, ceil(K / group)]
  llvm::ArrayRef<uint8_t> zeros; ///< the same shape, empty without zero points
};

/// One element of a stored tensor as IR, taken apart like `UnpackedRows`. For
/// LaneForm::Kind::Float `value` is set, and `scale` if the form has one; else
/// `code`, `scale` and, if the form has one, `minimum`.
struct Element {
  mlir::Value code;    ///< i32, before `decode`
  mlir::Value scale;   ///< f32
  mlir::Value minimum; ///< f32
  mlir::Value value;   ///< a float of any type; f32 if there is a scale
};

/// A value inside `decodeLane`: which member is meaningful depends on the
/// evaluator.
struct Lane {
  int64_t number = 0;
  mlir::Value value;
};

/// The operations that a decode may be made of.
class LaneEvaluator {
public:
  virtual ~LaneEvaluator() = default;
  /// The same integer in every lane.
  virtual Lane constant(int64_t value) = 0;
  virtual Lane add(Lane a, Lane b) = 0;
  virtual Lane subtract(Lane a, Lane b) = 0;
  /// table[code]; the table has 16 entries, lanes are 8 bits wide.
  virtual Lane lookup(llvm::ArrayRef<uint8_t> table, Lane code) = 0;
};

/// Evaluates a decode on numbers: the reference.
class NumberEvaluator final : public LaneEvaluator {
public:
  Lane constant(int64_t value) override { return {value, {}}; }
  Lane add(Lane a, Lane b) override { return {a.number + b.number, {}}; }
  Lane subtract(Lane a, Lane b) override { return {a.number - b.number, {}}; }
  Lane lookup(llvm::ArrayRef<uint8_t> table, Lane code) override {
    return {table[code.number], {}};
  }
};

} // namespace quantmlir::qt

#endif // QUANT_MLIR_DIALECT_QT_IR_QTSCHEME_H
