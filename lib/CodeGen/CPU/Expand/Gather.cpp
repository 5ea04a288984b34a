// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A lookup in a table that is packed for multiplying. A row's words lie a
// register apart; the embedding of a token is a few hundred of them.

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

  KernelBuilder &b;
  kernel::GatherOp op;
  PanelLayout layout;
};

} // namespace

Value GatherEmitter::scalar(Value at, FloatType type) {
  int64_t width = type.getIntOrFloatBitWidth() / 8;
  Value bytes = b.load(b.vec(width, b.getI8Type()), op.getWeights(), at);
  Value value = b.bitcast(b.vec(1, type), bytes);
  return b.toF32(vector::ExtractOp::create(b, value, int64_t(0)));
}

void GatherEmitter::emitFloatRow(Value row, Value panel, Value inPanel) {
  int64_t width = layout.form.floatType.getIntOrFloatBitWidth() / 8;
  Value start = b.add(panel, b.mul(inPanel, width));
  b.loop(0, layout.k, 1, [&](Value k) {
    Value at = b.add(start, b.mul(k, layout.panelRows * width));
    memref::StoreOp::create(b, scalar(at, layout.form.floatType), op.getOut(),
                            ValueRange{row, k});
  });
}

void GatherEmitter::emitRow(Value row, Value id) {
  const qt::LaneForm &form = layout.form;
  Value panel = b.add(op.getOffset(),
                      b.mul(b.div(id, layout.panelRows), layout.panelBytes));
  Value inPanel = b.rem(id, layout.panelRows);
  if (form.kind == qt::LaneForm::Kind::Float)
    return emitFloatRow(row, panel, inPanel);

  Value laneBytes =
      b.add(b.mul(b.div(inPanel, layout.lanes), layout.registerBytes()),
            b.mul(b.rem(inPanel, layout.lanes), 4));
  auto i8 = b.vec(4, b.getI8Type());
  auto i32 = b.vec(4, b.getI32Type());
  int64_t scaleWidth = form.scaleType.getIntOrFloatBitWidth() / 8;

  b.loop(0, layout.k, 4, [&](Value k) {
    Value group = b.div(k, layout.group);
    Value word = b.div(b.rem(k, layout.group), 4);
    Value groupBytes = b.add(panel, b.mul(group, layout.groupBytes));
    Value code;
    for (auto [plane, width] : llvm::enumerate(layout.planes)) {
      int64_t perRegister = PanelLayout::wordsPerRegister(width);
      Value reg = b.mul(b.div(word, perRegister),
                        layout.vectors * layout.registerBytes());
      Value at = b.add(b.add(b.add(groupBytes, reg), laneBytes),
                       layout.planeOffset(plane));
      Value bits =
          arith::ExtUIOp::create(b, i32, b.load(i8, op.getWeights(), at));
      Value shift = arith::IndexCastOp::create(
          b, b.getI32Type(), b.mul(b.rem(word, perRegister), width));
      bits = arith::ShRUIOp::create(b, bits, b.splat(shift, 4));
      bits = arith::AndIOp::create(b, bits, b.constant(i32, (1 << width) - 1));
      bits = arith::ShLIOp::create(b, bits,
                                   b.constant(i32, layout.planeShift(plane)));
      code = code ? arith::OrIOp::create(b, code, bits).getResult() : bits;
    }
    code = arith::SubIOp::create(b, code, b.constant(i32, form.offset));
    Value base = layout.groupScales ? groupBytes : panel;
    Value scale = scalar(
        b.add(b.add(base, b.mul(inPanel, scaleWidth)), layout.scaleOffset()),
        form.scaleType);
    Value values = b.mulF(b.toF32(code), b.splat(scale, 4));
    if (form.hasMinimum) {
      int64_t width = form.minimumType.getIntOrFloatBitWidth() / 8;
      Value minimum = scalar(
          b.add(b.add(base, b.mul(inPanel, width)), layout.minimumOffset()),
          form.minimumType);
      values = b.addF(values, b.splat(minimum, 4));
    }
    b.store(values, op.getOut(), {row, k});
  });
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::GatherOp op) {
  PanelLayout layout(cast<qt::QuantTensorType>(op.getType()));
  if (layout.form.kind == qt::LaneForm::Kind::Integer && layout.k % 4 != 0)
    return op.emitOpError("has rows of ")
           << layout.k << " values; CPU kernels need a multiple of 4";
  GatherEmitter emitter(b, op);
  b.splitLoop(b.size(op.getIds(), 0), [&](Value row) {
    Value id = arith::IndexCastOp::create(b, b.getIndexType(),
                                          b.loadScalar(op.getIds(), row));
    emitter.emitRow(row, id);
  });
  return success();
}
