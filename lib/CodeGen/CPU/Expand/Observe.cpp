// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Statistics of activations. The gram matrix is the expensive one: for K = 1536
// it is as much work as a linear of that size. A register tile of it is
// `rowTile` columns, broadcast, times two vectors of columns; packed, both are
// read front to back along the rows.

#include "Expand.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "quant-mlir/Quantize/Histogram.h"
#include <limits>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

static MemRefType bufferType(Value buffer) {
  return cast<MemRefType>(buffer.getType());
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b,
                                     kernel::ObserveChannelsOp op) {
  Value x = op.getX();
  int64_t k = bufferType(x).getDimSize(1);
  int64_t lanes = vectorLanes(k);
  // Several vectors of a row at once: a step is a few whole cache lines.
  int64_t vectors = vectorLanes(k / lanes, 4);
  VectorType f32 = b.f32Vec(lanes);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  // Carried of each vector: minimum, maximum, sum, sum of magnitudes; what
  // nobody stores is dead code.
  SmallVector<Value> initial;
  for (int64_t v = 0; v < vectors; ++v)
    for (double value : {infinity, -infinity, 0.0, 0.0})
      initial.push_back(b.constant(f32, value));
  Value rows = b.size(x, 0);
  b.splitLoop(b.index(k / (lanes * vectors)), [&](Value step) {
    Value first = b.mul(step, lanes * vectors);
    SmallVector<Value> found =
        b.loop(b.index(0), rows, 1, initial, [&](Value row, ValueRange old) {
          SmallVector<Value> next;
          for (int64_t v = 0; v < vectors; ++v) {
            Value value = b.load(f32, x, {row, b.add(first, v * lanes)});
            Value magnitude = math::AbsFOp::create(b, value);
            next.push_back(arith::MinimumFOp::create(b, old[4 * v], value));
            next.push_back(arith::MaximumFOp::create(b, old[4 * v + 1], value));
            next.push_back(b.addF(old[4 * v + 2], value));
            next.push_back(b.addF(old[4 * v + 3], magnitude));
          }
          return next;
        });
    for (int64_t v = 0; v < vectors; ++v) {
      Value column = b.add(first, v * lanes);
      if (op.getRange()) {
        b.store(found[4 * v], op.getRange(), {b.index(0), column});
        b.store(found[4 * v + 1], op.getRange(), {b.index(1), column});
      }
      if (op.getSum())
        b.store(found[4 * v + 2], op.getSum(), column);
      if (op.getSumAbs())
        b.store(found[4 * v + 3], op.getSumAbs(), column);
    }
  });
  return success();
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::HistogramOp op) {
  Value x = op.getX(), parts = op.getParts();
  int64_t k = bufferType(x).getDimSize(1), lanes = vectorLanes(k);
  int64_t count = bufferType(parts).getDimSize(0);
  int64_t bins = bufferType(parts).getDimSize(1);
  VectorType i32 = b.vec(lanes, b.getI32Type());
  VectorType zeros = b.vec(vectorLanes(bins), b.getI32Type());
  Value one = b.constant(b.getI32Type(), 1);
  b.interleavedLoop(b.index(count), [&](Value part) {
    b.loop(0, bins, zeros.getDimSize(0), [&](Value bin) {
      b.store(b.constant(zeros, 0), parts, {part, bin});
    });
    Value rows = b.size(x, 0);
    Value begin = b.div(b.mul(rows, part), count);
    Value end = b.div(b.mul(rows, b.add(part, 1)), count);
    b.loop(begin, end, 1, [&](Value row) {
      b.loop(0, k, lanes, [&](Value at) {
        Value bits = b.bitcast(i32, b.load(b.f32Vec(lanes), x, {row, at}));
        bits = arith::AndIOp::create(b, bits, b.constant(i32, 0x7FFFFFFF));
        Value bin =
            arith::ShRUIOp::create(b, bits, b.constant(i32, histogramShift));
        bin = arith::SubIOp::create(b, bin, b.constant(i32, histogramBase));
        bin = arith::MaxSIOp::create(b, bin, b.constant(i32, 0));
        bin = arith::MinSIOp::create(b, bin, b.constant(i32, bins - 1));
        for (int64_t lane = 0; lane < lanes; ++lane) {
          Value own = vector::ExtractOp::create(b, bin, lane);
          own = arith::IndexCastUIOp::create(b, b.getIndexType(), own);
          Value old = b.loadScalar(parts, {part, own});
          memref::StoreOp::create(b, arith::AddIOp::create(b, old, one), parts,
                                  ValueRange{part, own});
        }
      });
    });
  });
  return success();
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b,
                                     kernel::PackColumnsOp op) {
  Value x = op.getX(), packed = op.getPacked();
  int64_t k = bufferType(x).getDimSize(1);
  int64_t columns = bufferType(packed).getDimSize(2);
  int64_t whole = k / columns, rest = k % columns;
  int64_t lanes = vectorLanes(columns);
  Value rows = b.size(x, 0);
  auto copy = [&](Value panel, int64_t from, int64_t to, int64_t width) {
    b.loop(b.index(0), rows, 1, [&](Value row) {
      for (int64_t at = from; at < to; at += width) {
        Value column = b.add(b.mul(panel, columns), at);
        b.store(b.load(b.f32Vec(width), x, {row, column}), packed,
                {panel, row, b.index(at)});
      }
    });
  };
  b.splitLoop(b.index(whole),
              [&](Value panel) { copy(panel, 0, columns, lanes); });
  if (rest == 0)
    return success();
  // The last panel is thread 0's.
  Value alone =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, b.thread, b.index(0));
  auto guard = scf::IfOp::create(b, alone);
  OpBuilder::InsertionGuard insertion(b);
  b.setInsertionPointToStart(guard.thenBlock());
  int64_t width = vectorLanes(rest, lanes);
  copy(b.index(whole), 0, rest, width);
  b.loop(b.index(0), rows, 1, [&](Value row) {
    for (int64_t at = rest; at < columns; at += width)
      b.store(b.constant(b.f32Vec(width), 0), packed,
              {b.index(whole), row, b.index(at)});
  });
  return success();
}

namespace {

class GramEmitter {
public:
  GramEmitter(KernelBuilder &b, kernel::GramOp op)
      : b(b), lhs(op.getLeft()), rhs(op.getRight() ? op.getRight() : lhs),
        out(op.getOut()), isSquare(!op.getRight()),
        columns(bufferType(lhs).getDimSize(2)),
        n(bufferType(out).getDimSize(0)), k(bufferType(out).getDimSize(1)),
        lanes(b.target.lanes),
        rowTile(int64_t(1) << llvm::Log2_64(b.target.rowsFloat)) {
    vectors = std::min<int64_t>(columns / lanes,
                                std::max<int64_t>(1, b.target.vectors));
  }

  void emit();

private:
  /// `count` columns at `i` of panel `left` times the vectors at `j` of panel
  /// `right`.
  void emitTile(Value left, Value i, int64_t count, Value right, int64_t j,
                bool masked);

  KernelBuilder &b;
  Value lhs, rhs, out;
  bool isSquare; ///< of one with itself: the lower triangle will do
  int64_t columns, n, k, lanes, rowTile, vectors;
};

} // namespace

void GramEmitter::emitTile(Value left, Value i, int64_t count, Value right,
                           int64_t j, bool masked) {
  VectorType f32 = b.f32Vec(lanes);
  SmallVector<Value> zeros(count * vectors, b.constant(f32, 0));
  SmallVector<Value> sums = b.loop(
      b.index(0), b.size(lhs, 1), 1, zeros, [&](Value m, ValueRange carried) {
        SmallVector<Value> acc(carried), columnsAt;
        for (int64_t v = 0; v < vectors; ++v)
          columnsAt.push_back(
              b.load(f32, rhs, {right, m, b.index(j + v * lanes)}));
        for (int64_t r = 0; r < count; ++r) {
          Value x = b.splat(b.loadScalar(lhs, {left, m, b.add(i, r)}), lanes);
          for (int64_t v = 0; v < vectors; ++v) {
            Value &sum = acc[r * vectors + v];
            sum = b.fma(columnsAt[v], x, sum);
          }
        }
        return acc;
      });
  Value row = b.add(b.mul(left, columns), i);
  for (int64_t v = 0; v < vectors; ++v) {
    Value column = b.add(b.mul(right, columns), j + v * lanes);
    Value mask;
    if (masked) {
      // May be negative, which create_mask takes as zero.
      Value there = arith::SubIOp::create(b, b.index(k), column);
      mask =
          vector::CreateMaskOp::create(b, b.vec(lanes, b.getI1Type()), there);
    }
    for (int64_t r = 0; r < count; ++r) {
      SmallVector<Value> at = {b.add(row, r), column};
      if (mask)
        vector::MaskedStoreOp::create(b, out, at, mask, sums[r * vectors + v]);
      else
        b.store(sums[r * vectors + v], out, at);
    }
  }
}

void GramEmitter::emit() {
  int64_t whole = n / columns, rest = n % columns;
  auto withRight = [&](Value right, bool masked) {
    auto withLeft = [&](Value left, int64_t rows) {
      int64_t full = rows / rowTile * rowTile;
      for (int64_t j = 0; j < columns; j += lanes * vectors) {
        b.loop(0, full, rowTile,
               [&](Value i) { emitTile(left, i, rowTile, right, j, masked); });
        for (int64_t i = full; i < rows; ++i)
          emitTile(left, b.index(i), 1, right, j, masked);
      }
    };
    b.loop(isSquare ? right : b.index(0), b.index(whole), 1,
           [&](Value left) { withLeft(left, columns); });
    if (rest)
      withLeft(b.index(whole), rest);
  };
  // The threads take turns: in a square a panel on the right meets fewer the
  // further right it is.
  b.interleavedLoop(b.index(k / columns),
                    [&](Value right) { withRight(right, /*masked=*/false); });
  if (k % columns)
    b.interleavedLoop(b.index(1), [&](Value) {
      withRight(b.index(k / columns), /*masked=*/true);
    });
}

LogicalResult quantmlir::cpu::expand(KernelBuilder &b, kernel::GramOp op) {
  GramEmitter(b, op).emit();
  return success();
}
