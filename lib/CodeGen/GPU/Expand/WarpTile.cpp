// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "WarpTile.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

using Values = GPUBuilder::Values;
using Numbers = PanelReader::Numbers;

WarpTile::WarpTile(GPUBuilder &b, const Matmul &matmul, PanelReader &reader,
                   TensorCores &cores, int64_t tiles)
    : b(b), matmul(matmul), layout(matmul.layout), lane(layout.form),
      reader(reader), cores(cores), tiles(tiles), isInteger(matmul.isInteger()),
      single(layout.numGroups == 1) {}

Values WarpTile::noParts() {
  Value zero = b.f32(0);
  if (isInteger)
    zero = b.i32(isExact() ? magic : 0);
  return Values(numSums(), zero);
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

Values quantmlir::cuda::operandOf(ArrayRef<Values> rows, int64_t product) {
  Values operand;
  for (auto [upper, lower] :
       llvm::zip(rows[2 * product], rows[2 * product + 1]))
    operand.append({upper, lower});
  return operand;
}

SmallVector<SmallVector<Values>>
quantmlir::cuda::pairWords(ArrayRef<SmallVector<Values>> words) {
  SmallVector<SmallVector<Values>> operands;
  if (words.front().front().size() == 2 || words.size() == 1) {
    operands.append(words.begin(), words.end());
    return operands;
  }
  for (size_t word = 0; word < words.size(); word += 2) {
    operands.emplace_back();
    for (int64_t row = 0; row < 4; ++row)
      operands.back().push_back({words[word][row][0], words[word + 1][row][0]});
  }
  return operands;
}

Values WarpTile::multiply(ArrayRef<SmallVector<Values>> weights,
                          ArrayRef<Values> x, ValueRange parts) {
  Values results(parts);
  for (auto [k, rows] : llvm::enumerate(pairWords(weights)))
    for (int64_t tile = 0; tile < tiles; ++tile)
      for (int64_t product = 0; product < 2; ++product) {
        int64_t count = rows.front().size(), first = 4 * (2 * tile + product);
        Values sum = cores.multiply(operandOf(rows, product),
                                    ArrayRef(x[tile]).slice(k * count, count),
                                    ValueRange(results).slice(first, 4));
        llvm::copy(sum, results.begin() + first);
      }
  return results;
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

Values WarpTile::scalesOf(Value firstPanel, Value group, Value g) {
  auto load = [&](Numbers which) -> Values {
    auto read = [&](Value panel, Value row, int64_t count) {
      panel = b.min(b.add(firstPanel, panel), b.index(layout.numPanels - 1));
      return reader.numbers(which, panel, group, row, count);
    };
    if (!isWide())
      return read(b.div(g, 4), b.mul(b.rem(g, 4), 4), 4);
    Values values;
    for (int64_t panel = 0; panel < 2; ++panel)
      llvm::append_range(values, read(b.index(panel), b.mul(g, 2), 2));
    return values;
  };
  Values all;
  if (lane.scaleType)
    all = load(Numbers::Scales);
  if (isInteger && !lane.numbers.empty())
    for (Value &scale : all)
      scale = b.mulF(scale, b.f32(1.0 / lane.laneFactor));
  if (lane.hasMinimum)
    llvm::append_range(all, load(Numbers::Minimums));
  return all;
}

Values WarpTile::addGroup(ValueRange parts, ValueRange scales,
                          const ColumnNumbers &columns, ValueRange sums) {
  const Values &codeScales = columns.scales, &totals = columns.totals;
  Values zeros; // what stands for no product
  for (int64_t i = 0; isExact() && i < 2 * tiles; ++i) {
    Value zero = b.f32(12582912);
    if (lane.offset)
      zero = b.addF(zero, b.toF32(b.mulI(totals[i], b.i32(lane.offset))));
    zeros.push_back(zero);
  }
  Values results(sums);
  for (int64_t at = 0; at < numSums(); ++at) {
    int64_t column = at / 8 * 2 + at % 2, row = at % 8 / 2;
    Value total = totals.empty() ? Value() : totals[column];
    Value minimum = lane.hasMinimum ? scales[scales.size() - 4 + row] : Value();
    Value codeScale = codeScales.empty() ? Value() : codeScales[column];
    Value &sum = results[at];
    if (isInteger) {
      Value product =
          isExact()
              ? arith::SubFOp::create(b, b.bitcast(b.getF32Type(), parts[at]),
                                      zeros[column])
              : matmul.withoutOffset(b, parts[at], total);
      sum = matmul.addGroup(b, sum, product, scales[row], minimum, total,
                            codeScale);
      continue;
    }
    sum = matmul.addFloats(b, sum, parts[at],
                           lane.scaleType ? scales[row] : Value(), codeScale);
    if (minimum)
      sum = b.fma(minimum, total, sum);
  }
  return results;
}

Values WarpTile::scaleColumn(ValueRange column, Value firstPanel, Value g,
                             Value token) {
  Value group = b.index(0), total, codeScale;
  token = matmul.clampToken(b, token);
  if (isInteger && (lane.offset || lane.hasMinimum))
    total = matmul.codeSum(b, token, group);
  if (matmul.hasCodes())
    codeScale = matmul.codeScale(b, token, group);
  Values scales = scalesOf(firstPanel, group, g), results;
  for (auto [row, sum] : llvm::enumerate(column)) {
    Value scale = lane.scaleType ? scales[row] : Value();
    Value minimum = lane.hasMinimum ? scales[scales.size() - 4 + row] : Value();
    results.push_back(
        isInteger
            ? matmul.addGroup(b, b.f32(0), matmul.withoutOffset(b, sum, total),
                              scale, minimum, total, codeScale)
            : matmul.addFloats(b, b.f32(0), sum, scale, codeScale));
  }
  return results;
}

//===----------------------------------------------------------------------===//
// The result
//===----------------------------------------------------------------------===//

Values WarpTile::ofColumn(ValueRange sums, int64_t tile, int64_t column) {
  Values rows;
  for (int64_t row = 0; row < 4; ++row)
    rows.push_back(sums[8 * tile + 2 * row + column]);
  return rows;
}

void WarpTile::finish(ValueRange column, Value token, Value firstRow, Value g,
                      int64_t blockRows) {
  int64_t together = rowsTogether();
  for (int64_t row = 0; row < 4; row += together)
    matmul.finish(b, column.slice(row, together), token,
                  b.add(firstRow, b.add(b.mul(g, together),
                                        row / together * layout.panelRows)),
                  blockRows);
}
