// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The numbers that a group of weights can take. A grid knows which values exist
// for given parameters (a scale and perhaps a zero point), how to find the
// nearest one, and which parameters suit given values. GPTQ, AWQ and the other
// algorithms are written against it, so each works for every format.
//
//   IntGrid       value = scale * (code - zero)     the formulas of
//                                                   RoundToNearest.h
//   CodebookGrid  value = scale * table[code]       NF4, FP4, E2M1, FP8 ...
//
// Parameters are always as stored: a scale is rounded to its type *before* it
// is judged or used, so what is optimised is what the kernel will compute.
//
// `group` consecutive values along K share parameters; 0 means a whole row. A
// matrix [N, K] has G = groupsPerRow(K) groups per row, the last may be short.
// Codes are bytes; those of a symmetric IntGrid are signed (two's complement),
// as in IntMatrix.

#ifndef QUANT_MLIR_QUANTIZE_GRID_H
#define QUANT_MLIR_QUANTIZE_GRID_H

#include "quant-mlir/Quantize/RoundToNearest.h"
#include "quant-mlir/Quantize/SmallFloat.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

namespace quantmlir {

/// What one group stores beside its codes. `zero` is an integer; 0 where the
/// grid has no zero points.
struct GroupParams {
  float scale = 0;
  float zero = 0;
};

/// How a scale is stored: a multiple of `unit` in a small type. `unit` is the
/// second, per-tensor level of NVFP4 and 1 elsewhere.
struct ScaleFormat {
  enum class Type {
    F32,
    F16,
    BF16,
    E4M3, ///< 8 bits, 3 of mantissa, largest 448, without sign here
    E8M0  ///< powers of two; rounds down, as OCP MX prescribes
  };
  Type type = Type::F32;
  float unit = 1;

  ScaleFormat() = default;
  ScaleFormat(Type type, float unit = 1) : type(type), unit(unit) {}
  ScaleFormat(IntFormat::ScaleType type);

  /// The scale as it will be read back; infinite if it does not fit.
  float round(float scale) const;
  unsigned bits() const;
};

/// How parameters are chosen.
struct FitOptions {
  enum class Method {
    Range,      ///< the values' range, no search
    Percentile, ///< the range cut at the magnitude that a share do not exceed
    Search      ///< the shrunk range with the least error
  };
  Method method = Method::Range;
  /// Percentile: the share of the values that the range holds, up to 1.
  double share = 1;
  /// Search: ranges shrunk by 0, 1, 2, ... % while less than this are tried.
  double maxShrink = 0.2;
  /// Search: the error is the sum of importance * |error|^norm.
  double norm = 2.4;
  /// Search: gives up after so many trials without gain; 0 never does.
  int patience = 0;
  /// Search: the two ends of an asymmetric range shrink independently.
  bool bothEnds = false;
  /// Search: symmetric scales may be negative, so that the code -2^(b-1) serves
  /// whichever side is longer. Only where readers accept such scales.
  bool bothSigns = false;
  /// Search: afterwards the scale that is best for the codes found (least
  /// squares) is tried, until it no longer helps. Wants norm = 2.
  bool leastSquares = false;

  static FitOptions percentile(double share) {
    FitOptions options;
    options.method = Method::Percentile;
    options.share = share;
    return options;
  }
  /// The search of GPTQ's and llm-compressor's "mse".
  static FitOptions mse() {
    FitOptions options;
    options.method = Method::Search;
    return options;
  }
  /// The most thorough one here: least (weighted) squares, ranges down to half.
  static FitOptions leastSquaresSearch() {
    FitOptions options;
    options.method = Method::Search;
    options.maxShrink = 0.5;
    options.norm = 2;
    options.bothEnds = true;
    options.leastSquares = true;
    return options;
  }
};

class Grid {
public:
  explicit Grid(int64_t group, ScaleFormat scaleFormat)
      : group(group), scaleFormat(scaleFormat) {}
  virtual ~Grid();

  /// Values of a row of length `k` that share parameters.
  int64_t groupLength(int64_t k) const {
    return group > 0 && group < k ? group : k;
  }
  int64_t groupsPerRow(int64_t k) const {
    return k == 0 ? 0 : (k + groupLength(k) - 1) / groupLength(k);
  }
  int64_t getGroup() const { return group; }

  virtual unsigned codeBits() const = 0;
  virtual bool hasZeros() const { return false; }
  /// Whether codes are two's complement.
  virtual bool hasSignedCodes() const { return false; }
  /// Bits that a row of length `k` takes per value, scales and zero points
  /// counted.
  double bitsPerValue(int64_t k) const;

  /// The scale as it will be read back; infinite if it does not fit its type.
  float roundScale(float scale) const { return scaleFormat.round(scale); }
  /// The parameters with which the grid just covers [low, high], 0 included.
  virtual GroupParams fromRange(float low, float high) const = 0;
  /// Those for `values`. `importance` weighs the values; empty: all alike.
  GroupParams fit(llvm::ArrayRef<float> values,
                  llvm::ArrayRef<float> importance,
                  const FitOptions &options) const;
  /// The sum of importance * |error|^norm.
  virtual double error(llvm::ArrayRef<float> values,
                       llvm::ArrayRef<float> importance, GroupParams params,
                       double norm) const = 0;

  /// The nearest codes and their values; either pointer may be null.
  virtual void quantize(llvm::ArrayRef<float> values, GroupParams params,
                        uint8_t *codes, float *decoded) const = 0;
  /// The same, with parameters for each value: the hot path of GPTQ, which has
  /// one column of several rows in hand.
  virtual void quantizeLanes(const double *values, const float *scales,
                             const float *zeros, int64_t count, uint8_t *codes,
                             float *decoded) const = 0;
  virtual float decode(uint8_t code, GroupParams params) const = 0;

protected:
  /// The reach, as a share of the range, from which a search starts: above 1
  /// where fromRange leaves the outermost values half a step outside.
  virtual double widest(const FitOptions &options) const { return 1; }
  virtual bool signsDiffer() const { return false; }

  int64_t group;
  ScaleFormat scaleFormat;

private:
  GroupParams search(float low, float high, llvm::ArrayRef<float> values,
                     llvm::ArrayRef<float> importance,
                     const FitOptions &options) const;
};

/// Uniform integers of 2 to 8 bits.
class IntGrid final : public Grid {
public:
  IntGrid(unsigned bits, int64_t group, bool asymmetric = false,
          ScaleFormat scaleFormat = {});
  /// The grid of a format (its rows, if the scale is per tensor).
  explicit IntGrid(const IntFormat &format);

  unsigned codeBits() const override { return bits; }
  bool hasZeros() const override { return asymmetric; }
  bool hasSignedCodes() const override { return !asymmetric; }
  GroupParams fromRange(float low, float high) const override;
  double error(llvm::ArrayRef<float> values, llvm::ArrayRef<float> importance,
               GroupParams params, double norm) const override;
  void quantize(llvm::ArrayRef<float> values, GroupParams params,
                uint8_t *codes, float *decoded) const override;
  void quantizeLanes(const double *values, const float *scales,
                     const float *zeros, int64_t count, uint8_t *codes,
                     float *decoded) const override;
  float decode(uint8_t code, GroupParams params) const override;

protected:
  double widest(const FitOptions &options) const override;
  bool signsDiffer() const override { return low != -high; }

private:
  unsigned bits;
  bool asymmetric;
  float low, high, divisor;
};

/// Up to 256 values, the same for every group but for the scale.
class CodebookGrid final : public Grid {
public:
  /// `table[code]` is the value of a code; codes of NaN or infinity are never
  /// chosen, of two codes with equal values the first one is. A scale is
  /// range / largest entry (with E8M0 scales: range / its power of two).
  /// Halfway between two entries the even code is taken, as IEEE rounds small
  /// floats, unless `bounds` says between the entries in rising order which
  /// values (those above the bound) go to the upper one.
  CodebookGrid(llvm::ArrayRef<float> table, int64_t group,
               ScaleFormat scaleFormat = {}, llvm::ArrayRef<float> bounds = {});

  /// bitsandbytes' tables; a value is multiplied by the scale's reciprocal, not
  /// divided, so that codes are bit-equal.
  static CodebookGrid nf4(int64_t group, ScaleFormat scaleFormat = {});
  static CodebookGrid fp4(int64_t group, ScaleFormat scaleFormat = {});
  /// IEEE-like small floats; e4m3 has no infinities and ends at 448.
  static CodebookGrid e2m1(int64_t group, ScaleFormat scaleFormat = {});
  static CodebookGrid e4m3(int64_t group, ScaleFormat scaleFormat = {});
  static CodebookGrid e5m2(int64_t group, ScaleFormat scaleFormat = {});

  llvm::ArrayRef<float> getTable() const { return table; }
  unsigned codeBits() const override;
  GroupParams fromRange(float low, float high) const override;
  double error(llvm::ArrayRef<float> values, llvm::ArrayRef<float> importance,
               GroupParams params, double norm) const override;
  void quantize(llvm::ArrayRef<float> values, GroupParams params,
                uint8_t *codes, float *decoded) const override;
  void quantizeLanes(const double *values, const float *scales,
                     const float *zeros, int64_t count, uint8_t *codes,
                     float *decoded) const override;
  float decode(uint8_t code, GroupParams params) const override {
    return params.scale * table[code];
  }

protected:
  double widest(const FitOptions &options) const override;

private:
  unsigned nearest(float value) const;
  float normalize(float value, float scale, float inverse) const {
    if (scale == 0)
      return 0;
    // The least scales have no reciprocal.
    return reciprocal && std::isfinite(inverse) ? value * inverse
                                                : value / scale;
  }

  std::vector<float> table;
  /// The distinct finite values in rising order, their codes, and between them
  /// the bounds: a value above `bounds[i]` belongs to an entry after `i`. The
  /// bounds are padded with infinity to 2^searchSteps - 1.
  std::vector<float> sorted, bounds;
  std::vector<uint8_t> sortedCodes;
  unsigned searchSteps = 0;
  float reach = 1;
  bool reciprocal = false;
  /// The 8-bit type that the table holds, if it does.
  std::optional<SmallFloat> smallFloat;
};

/// A matrix [N, K] on a grid.
struct GridMatrix {
  std::vector<uint8_t> codes; ///< [N, K]
  std::vector<float> scales;  ///< [N, G]
  std::vector<uint8_t> zeros; ///< [N, G], empty if the grid has none
};

/// The parameters [n, G] of all groups of `w`, [n, k] row-major. `importance`
/// weighs the columns, [k] or empty. So many rows share their parameters; the
/// last ones may be fewer. Fails if a value is not finite (the
/// message names row and column) or a scale does not fit its type.
llvm::Expected<std::vector<GroupParams>>
fitGroups(llvm::ArrayRef<float> w, int64_t n, int64_t k, const Grid &grid,
          const FitOptions &options = {}, llvm::ArrayRef<float> importance = {},
          int64_t rowsPerScale = 1);

/// Rounds every value to the nearest of its group. `w` may be overwritten by
/// its dequantized self: `decoded` is empty or as long as `w`.
GridMatrix roundToGrid(llvm::ArrayRef<float> w, int64_t n, int64_t k,
                       const Grid &grid, llvm::ArrayRef<GroupParams> params,
                       llvm::MutableArrayRef<float> decoded = {});

/// An error that names the first value of `values`, [n, k], that is NaN or
/// infinite.
llvm::Error checkFinite(llvm::ArrayRef<float> values, int64_t n, int64_t k);

} // namespace quantmlir

#endif // QUANT_MLIR_QUANTIZE_GRID_H
