// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The float matmul, for weights of any scheme: they become f32 in registers,
// once for all rows of a tile, and multiply f32 activations.
//
// One scale per row of the weight is left to the end of the sum; scales of
// groups, and minimums, are part of each number, rounded as qt.dequantize does.
// Few rows, such as the one of a token, are different: nothing shares the work
// on a number, and each multiply-add waits for the one before. They sum up in
// several chains, and scales without minimums wait for the end of their group.
//
// The activation may be known to have few columns that are not zero (LLM.int8's
// outliers): then words of the weight are skipped unread.

#include "Expand.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

namespace {

class MatmulFloatEmitter {
public:
  MatmulFloatEmitter(KernelBuilder &b, kernel::MatmulFloatOp op,
                     const PanelLayout &panels)
      : b(b), op(op), layout(panels), form(layout.form),
        reader(b, layout, op.getWeights()), lanes(layout.lanes),
        f32(b.f32Vec(lanes)), isFloat(form.kind == qt::LaneForm::Kind::Float) {}

  MatmulTiling::Tile tile(int64_t rows, Value row, Value panel);

private:
  using Vectors = SmallVector<Value>;
  /// Weights of `layout.vectors` registers for each of some values of K.
  using Columns = SmallVector<Vectors>;

  Vectors fold(ValueRange sums);
  Vectors emitGroup(ValueRange sums, Value row, Value panel, Value group,
                    int64_t count);
  Vectors addGroup(ValueRange sums, Value row, Value panel, Value group,
                   int64_t count);
  Vectors emitStep(ValueRange sums, Value row, Value k, const Columns &columns);
  Columns floatColumns(Value at, int64_t count);
  Columns integerColumns(Value group, Value word, int64_t count);
  void applyScales(Columns &columns, Value panel, Value group);
  Value hasOutliers(Value k, int64_t count);

  KernelBuilder &b;
  kernel::MatmulFloatOp op;
  PanelLayout layout;
  const qt::LaneForm &form;
  PanelReader reader;
  int64_t lanes;
  VectorType f32;
  bool isFloat;

  // Of the tile that is being emitted.
  int64_t accumulators; ///< rows x vectors
  int64_t chains;       ///< sums[chain * accumulators + row * vectors + vector]
  enum class Scale { None, Number, Group, Row } scaleAt;
};

} // namespace

/// `count` values of K whose bytes start at `at`.
MatmulFloatEmitter::Columns MatmulFloatEmitter::floatColumns(Value at,
                                                             int64_t count) {
  int64_t width = form.floatType.getIntOrFloatBitWidth() / 8;
  auto raw = b.vec(lanes * width, b.getI8Type());
  Columns columns(count);
  for (auto [i, vectors] : llvm::enumerate(columns))
    for (int64_t v = 0; v < layout.vectors; ++v) {
      int64_t plus = (int64_t(i) * layout.panelRows + v * lanes) * width;
      vectors.push_back(
          emitFloats(b, reader.load(raw, at, plus), form.floatType));
    }
  return columns;
}

/// `count` values of K from word `word` of the group at byte `group` on.
MatmulFloatEmitter::Columns
MatmulFloatEmitter::integerColumns(Value group, Value word, int64_t count) {
  auto bytes = b.vec(lanes * 4, b.getI8Type());
  auto i32 = b.vec(lanes, b.getI32Type());
  RegisterEvaluator evaluator(b, bytes);
  PanelReader::Words words(reader, group, word);
  Columns columns(count);
  for (int64_t v = 0; v < layout.vectors; ++v) {
    Value four;
    for (auto [i, vectors] : llvm::enumerate(columns)) {
      if (i % 4 == 0) {
        Value codes = words.codes(i / 4, v);
        if (form.numbers.empty())
          codes = layout.scheme.decodeLane(evaluator, {0, codes}).value;
        four = b.bitcast(i32, codes);
      }
      Value lane = four;
      if (i % 4 != 0)
        lane = arith::ShRUIOp::create(b, lane, b.constant(i32, i % 4 * 8));
      if (i % 4 != 3)
        lane = arith::AndIOp::create(b, lane, b.constant(i32, 255));
      if (!form.numbers.empty()) {
        vectors.push_back(emitLookup(b, form.numbers, lane));
        continue;
      }
      if (form.offset)
        lane = arith::SubIOp::create(b, lane, b.constant(i32, form.offset));
      vectors.push_back(b.toF32(lane));
    }
  }
  return columns;
}

void MatmulFloatEmitter::applyScales(Columns &columns, Value panel,
                                     Value group) {
  for (int64_t v = 0; v < layout.vectors; ++v) {
    Value scale = reader.scales(PanelReader::Numbers::Scales, panel, group, v);
    Value minimum =
        form.hasMinimum
            ? reader.scales(PanelReader::Numbers::Minimums, panel, group, v)
            : Value();
    for (Vectors &vectors : columns) {
      vectors[v] = b.mulF(vectors[v], scale);
      if (minimum)
        vectors[v] = b.addF(vectors[v], minimum);
    }
  }
}

/// sums += columns times the activation's values from `k` on.
MatmulFloatEmitter::Vectors
MatmulFloatEmitter::emitStep(ValueRange sums, Value row, Value k,
                             const Columns &columns) {
  Vectors acc(sums);
  for (auto [i, vectors] : llvm::enumerate(columns))
    for (int64_t m = 0, rows = accumulators / layout.vectors; m < rows; ++m) {
      Value x = b.loadScalar(op.getX(), {b.add(row, m), b.add(k, int64_t(i))});
      x = b.splat(x, lanes);
      for (auto [v, weight] : llvm::enumerate(vectors)) {
        Value &sum =
            acc[int64_t(i) % chains * accumulators + m * layout.vectors + v];
        sum = b.fma(weight, x, sum);
      }
    }
  return acc;
}

/// Whether one of `count` columns from `k` on, a multiple of 4, has outliers.
Value MatmulFloatEmitter::hasOutliers(Value k, int64_t count) {
  Value any;
  for (int64_t word = 0; word < llvm::divideCeil(count, 4); ++word) {
    Value flags = b.loadScalar(op.getColumns(), b.add(b.div(k, 4), word));
    any = any ? arith::OrIOp::create(b, any, flags).getResult() : flags;
  }
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, any,
                               b.constant(b.getI32Type(), 0));
}

/// The sums of all chains.
MatmulFloatEmitter::Vectors MatmulFloatEmitter::fold(ValueRange sums) {
  Vectors folded(sums);
  for (int64_t left = chains; left > 1; left /= 2)
    for (int64_t i = 0; i < left / 2 * accumulators; ++i)
      folded[i] = b.addF(folded[i], folded[left / 2 * accumulators + i]);
  folded.truncate(accumulators);
  return folded;
}

/// sums += the first `count` values of a group, without its scales if they are
/// applied later.
MatmulFloatEmitter::Vectors
MatmulFloatEmitter::emitGroup(ValueRange sums, Value row, Value panel,
                              Value group, int64_t count) {
  Value groupBytes = reader.groupAt(panel, group);
  Value firstK = b.mul(group, layout.group);
  // Floats: unrolled so that the loads of several steps are under way at once.
  int64_t step = isFloat ? 4 : reader.wordsPerStep() * 4;
  int64_t width = isFloat ? form.floatType.getIntOrFloatBitWidth() / 8 : 0;

  auto emitColumns = [&](ValueRange carried, Value at, int64_t columns) {
    Value k = b.add(firstK, at);
    auto multiply = [&] {
      Columns weights =
          isFloat ? floatColumns(
                        b.add(groupBytes, b.mul(at, layout.panelRows * width)),
                        columns)
                  : integerColumns(groupBytes, b.div(at, 4), columns);
      if (scaleAt == Scale::Number)
        applyScales(weights, panel, group);
      return emitStep(carried, row, k, weights);
    };
    if (!op.getColumns() || isFloat)
      return multiply();
    auto branch = scf::IfOp::create(b, ValueRange(carried).getTypes(),
                                    hasOutliers(k, columns),
                                    /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    scf::YieldOp::create(b, multiply());
    b.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b, carried);
    return Vectors(branch.getResults());
  };

  Vectors acc(sums);
  int64_t whole = count / step * step;
  if (whole == step)
    acc = emitColumns(acc, b.index(0), step);
  else if (whole)
    acc = b.loop(b.index(0), b.index(whole), step, acc,
                 [&](Value at, ValueRange carried) {
                   return emitColumns(carried, at, step);
                 });
  if (count > whole)
    acc = emitColumns(acc, b.index(whole), count - whole);
  return acc;
}

/// The same with scales.
MatmulFloatEmitter::Vectors MatmulFloatEmitter::addGroup(ValueRange sums,
                                                         Value row, Value panel,
                                                         Value group,
                                                         int64_t count) {
  if (scaleAt != Scale::Group)
    return emitGroup(sums, row, panel, group, count);
  Vectors zeros(accumulators * chains, b.constant(f32, 0));
  Vectors part = fold(emitGroup(zeros, row, panel, group, count));
  Vectors acc(sums);
  for (int64_t v = 0; v < layout.vectors; ++v) {
    Value scale = reader.scales(PanelReader::Numbers::Scales, panel, group, v);
    for (int64_t i = v; i < accumulators; i += layout.vectors)
      acc[i] = b.fma(part[i], scale, acc[i]);
  }
  return acc;
}

MatmulTiling::Tile MatmulFloatEmitter::tile(int64_t rows, Value row,
                                            Value panel) {
  // Enough additions under way to hide that each takes four cycles.
  constexpr int64_t underWay = 8;
  reader.setPrefetching(rows > 1);
  accumulators = rows * layout.vectors;
  chains = 1;
  while (chains < 4 && accumulators * chains < underWay)
    chains *= 2;
  scaleAt = !form.scaleType       ? Scale::None
            : form.hasMinimum     ? Scale::Number
            : !layout.groupScales ? Scale::Row
            : chains > 1          ? Scale::Group
                                  : Scale::Number;

  Vectors sums(scaleAt == Scale::Group ? accumulators : accumulators * chains,
               b.constant(f32, 0));
  int64_t wholeGroups = layout.k / layout.group;
  if (wholeGroups == 1)
    sums = addGroup(sums, row, panel, b.index(0), layout.group);
  else if (wholeGroups)
    sums = b.loop(b.index(0), b.index(wholeGroups), 1, sums,
                  [&](Value group, ValueRange carried) {
                    return addGroup(carried, row, panel, group, layout.group);
                  });
  if (int64_t rest = layout.k % layout.group)
    sums = addGroup(sums, row, panel, b.index(wholeGroups), rest);
  if (scaleAt != Scale::Group)
    sums = fold(sums);

  MatmulTiling::Tile tile(rows);
  for (int64_t v = 0; v < layout.vectors; ++v) {
    Value scale = scaleAt == Scale::Row
                      ? reader.scales(PanelReader::Numbers::Scales, panel,
                                      /*group=*/Value(), v)
                      : Value();
    for (int64_t m = 0; m < rows; ++m) {
      Value sum = sums[m * layout.vectors + v];
      tile[m].push_back(scale ? b.mulF(sum, scale) : sum);
    }
  }
  return tile;
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b,
                                     kernel::MatmulFloatOp op) {
  if (op.getCodes())
    return op.emitOpError("has activations of ")
           << *op.getCodes() << "; kernels for CPUs read f32";
  FailureOr<PanelLayout> panels = readPanels(b.target, op, op.getType());
  if (failed(panels))
    return failure();
  const PanelLayout &layout = *panels;
  MatmulFloatEmitter emitter(b, op, layout);
  MatmulTiling(b, layout, op)
      .emit(*op.getRows(), [&](int64_t rows, Value row, Value panel, Value) {
        return emitter.tile(rows, row, panel);
      });
  return success();
}
