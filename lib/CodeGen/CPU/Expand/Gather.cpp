// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A lookup in a packed table. Where it is packed for multiplying, too, a row's
// words lie a register apart; the embedding of a token is a few hundred of
// them.

#include "Expand.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

namespace {

class GatherEmitter {
public:
  GatherEmitter(KernelBuilder &b, kernel::GatherOp op)
      : b(b), op(op), layout(cast<qt::QuantTensorType>(op.getType())) {}

  /// Writes row `id` of the table to row `row` of the result.
  void emitRow(Value row, Value id);

private:
  void emitFloatRow(Value row, Value panel, Value inPanel);
  Value scalar(Value at, FloatType type);
  Value lookUp(Value codes);

  KernelBuilder &b;
  kernel::GatherOp op;
  PanelLayout layout;
};

} // namespace

Value GatherEmitter::scalar(Value at, FloatType type) {
  int64_t width = type.getIntOrFloatBitWidth() / 8;
  Value bytes = b.load(b.vec(width, b.getI8Type()), op.getWeights(), at);
  Value value = emitFloats(b, bytes, type);
  return vector::ExtractOp::create(b, value, int64_t(0));
}

/// Numbers of four codes below 16, exact where integer lanes may not be: one by
/// one, because a lookup is not worth registers of tables.
Value GatherEmitter::lookUp(Value codes) {
  qt::NumberEvaluator numbers;
  SmallVector<Attribute> entries;
  for (int64_t code = 0; code < 16; ++code)
    entries.push_back(b.getF32FloatAttr(
        layout.form.numbers.empty()
            ? float(layout.scheme.decodeLane(numbers, {code, {}}).number -
                    layout.form.offset)
            : layout.form.numbers[code]));
  Value table = arith::ConstantOp::create(
      b, DenseElementsAttr::get(b.f32Vec(16), entries));
  Value result = b.constant(b.f32Vec(4), 0);
  for (int64_t i = 0; i < 4; ++i) {
    Value code = vector::ExtractOp::create(b, codes, i);
    Value place = arith::IndexCastOp::create(b, b.getIndexType(), code);
    Value number =
        vector::ExtractOp::create(b, table, ArrayRef<OpFoldResult>{place});
    result = vector::InsertOp::create(b, number, result, i);
  }
  return result;
}

void GatherEmitter::emitFloatRow(Value row, Value panel, Value inPanel) {
  int64_t width = layout.form.floatType.getIntOrFloatBitWidth() / 8;
  // A row by itself lies as the result does.
  int64_t lanes = layout.panelRows == 1
                      ? vectorLanes(layout.k, vectorLanes(layout.group))
                      : 1;
  Value start = b.add(panel, b.mul(inPanel, width));
  b.loop(0, layout.k, lanes, [&](Value k) {
    Value group = b.mul(b.div(k, layout.group), layout.groupBytes);
    Value at = b.add(b.add(start, group),
                     b.mul(b.rem(k, layout.group), layout.panelRows * width));
    Value value = emitFloats(
        b, b.load(b.vec(lanes * width, b.getI8Type()), op.getWeights(), at),
        layout.form.floatType);
    if (FloatType type = layout.form.scaleType) {
      Value base = layout.groupScales ? b.add(panel, group) : panel;
      base = b.add(base, b.mul(inPanel, type.getIntOrFloatBitWidth() / 8));
      Value scale = scalar(b.add(base, layout.scaleOffset()), type);
      value = b.mulF(value, b.splat(scale, lanes));
    }
    b.store(value, op.getOut(), {row, k});
  });
}

void GatherEmitter::emitRow(Value row, Value id) {
  const qt::LaneForm &form = layout.form;
  Value panel = b.add(op.getOffset(),
                      b.mul(b.div(id, layout.panelRows), layout.panelBytes));
  Value inPanel = b.rem(id, layout.panelRows);
  if (form.kind == qt::LaneForm::Kind::Float)
    return emitFloatRow(row, panel, inPanel);

  auto i8 = b.vec(4, b.getI8Type());
  auto i32 = b.vec(4, b.getI32Type());
  int64_t scaleWidth = form.scaleType.getIntOrFloatBitWidth() / 8;

  // A word has four values, but that of a row's end may not: it is padded where
  // it is packed.
  int64_t whole = layout.k / 4 * 4;
  auto emitWord = [&](Value k, int64_t count) {
    Value group = b.div(k, layout.group);
    Value word = b.div(b.rem(k, layout.group), 4);
    Value groupBytes = b.add(panel, b.mul(group, layout.groupBytes));
    Value factors;
    if (layout.scaleBlock()) {
      Value block = b.div(group, layout.blockGroups());
      factors = b.add(panel, b.mul(block, layout.blockBytes()));
      groupBytes = b.add(b.add(groupBytes, b.mul(block, layout.factorBytes)),
                         layout.factorBytes);
    }
    Value code;
    for (auto [plane, width] : llvm::enumerate(layout.planes)) {
      int64_t perRegister = PanelLayout::wordsPerRegister(width);
      int64_t rows = layout.planeRows(width);
      Value reg = b.mul(b.div(word, perRegister), rows);
      Value place = b.mul(b.add(reg, b.rem(inPanel, rows)), 4);
      Value at = b.add(b.add(groupBytes, place), layout.planeOffset(plane));
      Value inRegister =
          b.add(b.rem(word, perRegister),
                b.mul(b.div(inPanel, rows), layout.wordsPerGroup()));
      Value bits =
          arith::ExtUIOp::create(b, i32, b.load(i8, op.getWeights(), at));
      Value shift = arith::IndexCastOp::create(b, b.getI32Type(),
                                               b.mul(inRegister, width));
      bits = arith::ShRUIOp::create(b, bits, b.splat(shift, 4));
      bits = arith::AndIOp::create(b, bits, b.constant(i32, (1 << width) - 1));
      bits = arith::ShLIOp::create(b, bits,
                                   b.constant(i32, layout.planeShift(plane)));
      code = code ? arith::OrIOp::create(b, code, bits).getResult() : bits;
    }
    Value base = layout.groupScales ? groupBytes : panel;
    auto scaleOf = [&](int64_t offset, int64_t factorOffset, FloatType type) {
      int64_t width = type.getIntOrFloatBitWidth() / 8;
      Value place = b.mul(inPanel, width);
      if (!factors)
        return scalar(b.add(b.add(base, place), offset), type);
      Value factor = scalar(b.add(b.add(factors, place), factorOffset), type);
      if (!form.scaleBlock)
        return factor;
      Value integer =
          b.loadScalar(op.getWeights(), b.add(b.add(base, inPanel), offset));
      integer = arith::SIToFPOp::create(b, b.getF32Type(), integer);
      return b.mulF(integer, factor);
    };
    Value scale = scaleOf(layout.scaleOffset(), 0, form.scaleType);
    // Decoded lanes wider than codes come from a table.
    Value lanes = form.laneBits ? lookUp(code)
                                : b.toF32(arith::SubIOp::create(
                                      b, code, b.constant(i32, form.offset)));
    Value values = b.mulF(lanes, b.splat(scale, 4));
    if (form.hasMinimum) {
      Value minimum = scaleOf(layout.minimumOffset(),
                              layout.panelRows * scaleWidth, form.minimumType);
      values = b.addF(values, b.splat(minimum, 4));
    }
    if (count == 4)
      return b.store(values, op.getOut(), {row, k});
    for (int64_t i = 0; i < count; ++i)
      memref::StoreOp::create(b, vector::ExtractOp::create(b, values, i),
                              op.getOut(), ValueRange{row, b.add(k, i)});
  };
  b.loop(0, whole, 4, [&](Value k) { emitWord(k, 4); });
  if (layout.k > whole)
    emitWord(b.index(whole), layout.k - whole);
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::GatherOp op) {
  PanelLayout layout(cast<qt::QuantTensorType>(op.getType()));
  GatherEmitter emitter(b, op);
  b.splitLoop(b.size(op.getIds(), 0), [&](Value row) {
    Value id = arith::IndexCastOp::create(b, b.getIndexType(),
                                          b.loadScalar(op.getIds(), row));
    emitter.emitRow(row, id);
  });
  return success();
}
