// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A lookup in a table that is packed for multiplying. A block has a row, a
// thread pairs of words: what narrow codes are stored in.

#include "Expand.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

namespace {

class GatherEmitter {
public:
  GatherEmitter(GPUBuilder &b, const Gather &op)
      : b(b), op(op), layout(op.layout), reader(b, layout, op.weights),
        isFloat(layout.form.kind == qt::LaneForm::Kind::Float),
        pairs(llvm::divideCeil(layout.wordsPerGroup(), 2)) {
    if (!isFloat)
      table = reader.numberTable();
  }

  int64_t items() const { return layout.numGroups * pairs; }
  void emit(int64_t threads);

private:
  using Values = GPUBuilder::Values;
  using Numbers = PanelReader::Numbers;

  void emitPair(Value group, Value pair);
  void store(Value column, Value value, Value exists);

  GPUBuilder &b;
  const Gather &op;
  const kernel::PanelLayout &layout;
  PanelReader reader;
  bool isFloat;
  int64_t pairs; ///< of words, in a group
  Value table;
  Value row, panel, inPanel;
};

} // namespace

/// A row may end inside a word, and a group with the first word of a pair.
void GatherEmitter::store(Value column, Value value, Value exists) {
  if (layout.paddedK != layout.k) {
    Value inRow = b.less(column, layout.k);
    exists =
        exists ? arith::AndIOp::create(b, exists, inRow).getResult() : inRow;
  }
  if (!exists)
    return b.store(value, op.out, row, column);
  b.onlyIf(exists, [&] { b.store(value, op.out, row, column); });
}

void GatherEmitter::emitPair(Value group, Value pair) {
  Value start = reader.groupAt(panel, group);
  Value scale, minimum;
  if (layout.form.scaleType)
    scale = reader.numbers(Numbers::Scales, panel, group, inPanel, 1).front();
  if (layout.form.hasMinimum)
    minimum =
        reader.numbers(Numbers::Minimums, panel, group, inPanel, 1).front();
  std::array<Value, 2> codes;
  if (!isFloat)
    codes = reader.pair(start, pair, inPanel);
  for (int64_t half = 0; half < 2; ++half) {
    Value word = b.add(b.mul(pair, 2), half), exists;
    if (half == 1 && layout.wordsPerGroup() % 2 != 0)
      exists = b.less(word, layout.wordsPerGroup());
    Values four = isFloat ? floatsOf(b, reader.floatWord(start, word, inPanel),
                                     layout.form.floatType)
                          : reader.toFloats(codes[half], table);
    Value first = b.add(b.mul(group, layout.group), b.mul(word, 4));
    for (auto [i, value] : llvm::enumerate(four)) {
      if (scale)
        value = b.mulF(value, scale);
      if (minimum)
        value = b.addF(value, minimum);
      store(b.add(first, int64_t(i)), value, exists);
    }
  }
}

void GatherEmitter::emit(int64_t threads) {
  row = b.block('y');
  Value id = b.load(op.ids, b.index(0), row);
  id = arith::IndexCastUIOp::create(b, b.getIndexType(), id);
  panel = b.div(id, layout.panelRows);
  inPanel = b.rem(id, layout.panelRows);
  b.loop(b.thread(), b.index(items()), threads,
         [&](Value item) { emitPair(b.div(item, pairs), b.rem(item, pairs)); });
}

LaunchShape quantmlir::cuda::emitGather(GPUBuilder &b, const Gather &op,
                                        const Form &form) {
  GatherEmitter emitter(b, op);
  int64_t threads = threadsFor(emitter.items(), form.warps);
  emitter.emit(threads);
  return {/*blocks=*/1, /*tokens=*/1, threads};
}
