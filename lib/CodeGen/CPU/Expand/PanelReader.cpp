// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What lies in panels, into registers: codes out of bit planes, table lookups,
// small floats.

#include "Expand.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include <cmath>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

static Value vectorConstant(KernelBuilder &b, VectorType type,
                            ArrayRef<Attribute> values) {
  return arith::ConstantOp::create(b, DenseElementsAttr::get(type, values));
}

Value quantmlir::cpu::emitLookup(KernelBuilder &b, ArrayRef<uint8_t> table,
                                 Value codes) {
  auto type = cast<VectorType>(codes.getType());
  // Shuffles look in their own 16 bytes, so that each of these has the table.
  SmallVector<Attribute> values;
  for (int64_t i = 0; i < type.getNumElements(); ++i)
    values.push_back(b.getI8IntegerAttr(int8_t(table[i % 16])));
  Value entries = vectorConstant(b, type, values);
  switch (b.target.dot) {
  case DotKind::Amx:
  case DotKind::Avx512Vnni:
  case DotKind::Avx512:
    return b.intrinsic("llvm.x86.avx512.pshuf.b.512", type, {entries, codes});
  case DotKind::AvxVnni:
  case DotKind::Avx2:
    return b.intrinsic("llvm.x86.avx2.pshuf.b", type, {entries, codes});
  case DotKind::NeonDot:
  case DotKind::NeonI8MM:
    return b.intrinsic("llvm.aarch64.neon.tbl1.v16i8", type, {entries, codes});
  }
  llvm_unreachable("unknown target");
}

Value quantmlir::cpu::emitLookup(KernelBuilder &b, ArrayRef<float> table,
                                 Value codes) {
  int64_t lanes = cast<VectorType>(codes.getType()).getNumElements();
  VectorType f32 = b.f32Vec(lanes), i32 = b.vec(lanes, b.getI32Type());
  auto part = [&](int64_t first) {
    SmallVector<Attribute> values;
    for (float value : table.slice(first, lanes))
      values.push_back(b.getF32FloatAttr(value));
    return vectorConstant(b, f32, values);
  };
  switch (b.target.dot) {
  case DotKind::Amx:
  case DotKind::Avx512Vnni:
  case DotKind::Avx512: // 16 lanes: a register is the table
    return b.intrinsic("llvm.x86.avx512.permvar.sf.512", f32, {part(0), codes});
  case DotKind::AvxVnni:
  case DotKind::Avx2: { // 8 lanes: two halves, each read by the lower bits
    Value low = b.intrinsic("llvm.x86.avx2.permps", f32, {part(0), codes});
    Value high = b.intrinsic("llvm.x86.avx2.permps", f32, {part(8), codes});
    Value isHigh = arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, codes,
                                         b.constant(i32, 7));
    return arith::SelectOp::create(b, isHigh, high, low);
  }
  case DotKind::NeonDot:
  case DotKind::NeonI8MM: { // 64 bytes of table by the bytes of a number
    auto bytes = b.vec(16, b.getI8Type());
    Value places = arith::MulIOp::create(b, codes, b.constant(i32, 0x04040404));
    places = arith::AddIOp::create(b, places, b.constant(i32, 0x03020100));
    SmallVector<Value> operands;
    for (int64_t first : {0, 4, 8, 12})
      operands.push_back(b.bitcast(bytes, part(first)));
    operands.push_back(b.bitcast(bytes, places));
    return b.bitcast(
        f32, b.intrinsic("llvm.aarch64.neon.tbl4.v16i8", bytes, operands));
  }
  }
  llvm_unreachable("unknown target");
}

Value quantmlir::cpu::emitFloats(KernelBuilder &b, Value bytes,
                                 FloatType type) {
  int64_t width = type.getIntOrFloatBitWidth() / 8;
  int64_t lanes = cast<VectorType>(bytes.getType()).getNumElements() / width;
  if (width > 1)
    return b.toF32(b.bitcast(b.vec(lanes, type), bytes));
  auto i16 = b.vec(lanes, b.getI16Type());
  Value bits;
  if (isa<Float8E5M2Type>(type)) { // the upper half of an f16
    bits = arith::ShLIOp::create(b, arith::ExtUIOp::create(b, i16, bytes),
                                 b.constant(i16, 8));
  } else {
    // f8E4M3FN: the sign to the top, exponent and mantissa side by side. The
    // f16's exponent has one bit more and a larger bias: 2^8 too small,
    // subnormal numbers as well.
    bits = arith::ShLIOp::create(b, arith::ExtSIOp::create(b, i16, bytes),
                                 b.constant(i16, 7));
    bits = arith::AndIOp::create(b, bits, b.constant(i16, int16_t(0xBFFF)));
  }
  return b.toF32(b.bitcast(b.vec(lanes, b.getF16Type()), bits));
}

Value quantmlir::cpu::emitBF16(KernelBuilder &b, Value bytes, FloatType type) {
  int64_t count = cast<VectorType>(bytes.getType()).getNumElements();
  if (type.isBF16())
    return b.bitcast(b.vec(count / 2, type), bytes);
  if (!b.target.dotsBF16) { // exact numbers: the other half is zero
    Value bits =
        b.bitcast(b.vec(count, b.getI32Type()), emitFloats(b, bytes, type));
    bits = arith::ShRUIOp::create(b, bits, b.constant(bits.getType(), 16));
    return b.bitcast(
        b.vec(count, b.getBF16Type()),
        arith::TruncIOp::create(b, b.vec(count, b.getI16Type()), bits));
  }
  // Exponent and mantissa move to their places and the exponent gets the other
  // bias; subnormal numbers, which have bits of a mantissa alone, are looked
  // up.
  bool isE5M2 = isa<Float8E5M2Type>(type);
  int64_t mantissaBits = isE5M2 ? 2 : 3, shift = 7 - mantissaBits;
  int16_t bias = 112 << 7; // that of f16: see PanelLayout::scaleFactor
  auto i16 = b.vec(count, b.getI16Type());
  auto constant = [&](int16_t value) { return b.constant(i16, value); };
  Value code = arith::ExtSIOp::create(b, i16, bytes);
  Value magnitude = arith::ShLIOp::create(b, code, constant(shift));
  magnitude =
      arith::AndIOp::create(b, magnitude, constant(int16_t(0x7f << shift)));
  magnitude = arith::AddIOp::create(b, magnitude, constant(bias));
  // The unit of subnormal numbers of f16 with so many bits of mantissa.
  SmallVector<Attribute> entries;
  float unit = std::ldexp(1.0f, -14 - int(mantissaBits));
  for (int64_t i = 0; i < count; ++i)
    entries.push_back(b.getI16IntegerAttr(
        int16_t(f32ToBF16(unit * float(i % (1 << mantissaBits))))));
  Value subnormal = b.intrinsic("llvm.x86.avx512.permvar.hi.512", i16,
                                {vectorConstant(b, i16, entries), code});
  Value exponent = arith::AndIOp::create(
      b, code, constant(int16_t(0x7f >> mantissaBits << mantissaBits)));
  Value isSubnormal =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, exponent, constant(0));
  magnitude = arith::SelectOp::create(b, isSubnormal, subnormal, magnitude);
  Value sign = arith::AndIOp::create(b, code, constant(INT16_MIN));
  return b.bitcast(b.vec(count, b.getBF16Type()),
                   arith::OrIOp::create(b, magnitude, sign));
}

//===----------------------------------------------------------------------===//
// Decoding codes in registers
//===----------------------------------------------------------------------===//

qt::Lane RegisterEvaluator::constant(int64_t value) {
  return {0, b.constant(type, double(value))};
}
qt::Lane RegisterEvaluator::add(qt::Lane a, qt::Lane c) {
  return {0, arith::AddIOp::create(b, a.value, c.value)};
}
qt::Lane RegisterEvaluator::subtract(qt::Lane a, qt::Lane c) {
  return {0, arith::SubIOp::create(b, a.value, c.value)};
}
qt::Lane RegisterEvaluator::lookup(ArrayRef<uint8_t> table, qt::Lane code) {
  return {0, emitLookup(b, table, code.value)};
}

//===----------------------------------------------------------------------===//
// Panels
//===----------------------------------------------------------------------===//

FailureOr<PanelLayout> quantmlir::cpu::readPanels(const CPUTarget &target,
                                                  Operation *op, Type weight) {
  PanelLayout packed(cast<qt::QuantTensorType>(weight));
  int64_t rows = packed.panelRows;
  for (unsigned width : packed.planes)
    rows = std::min(rows, packed.planeRows(width));
  if (rows % target.lanes != 0)
    return op->emitOpError("has a weight packed for panels of ")
           << packed.panelRows << " rows, but registers of cpu:" << target.name
           << " have " << target.lanes
           << " lanes (--cpu-pack for the same target)";
  return PanelLayout(cast<qt::QuantTensorType>(weight), target.lanes);
}

int64_t quantmlir::cpu::fitRows(const CPUTarget &target, int64_t rows,
                                const PanelLayout &layout) {
  if (layout.vectors <= target.vectors)
    return rows;
  return llvm::divideCeil(rows * target.vectors, layout.vectors);
}

Value PanelReader::load(VectorType type, Value at, int64_t plus) {
  // A line is asked for once.
  if (prefetches && plus % 64 == 0) {
    // Into the second level: the first has no room for what comes so late.
    Value ahead = b.add(at, plus + prefetchDistance);
    memref::PrefetchOp::create(b, weights, ValueRange(ahead), /*isWrite=*/false,
                               /*localityHint=*/2, /*isDataCache=*/true);
  }
  return b.load(type, weights, b.add(at, plus));
}

/// The numbers of register v's rows that lie `start` bytes behind `base`.
Value PanelReader::floats(Value base, int64_t start, FloatType type,
                          int64_t v) {
  int64_t width = type.getIntOrFloatBitWidth() / 8, lanes = layout.lanes;
  Value raw = load(b.vec(lanes * width, b.getI8Type()), base,
                   start + v * lanes * width);
  return b.toF32(b.bitcast(b.vec(lanes, type), raw));
}

Value PanelReader::groupAt(Value panel, Value group) {
  Value at = b.add(panel, b.mul(group, layout.groupBytes));
  if (!layout.factorBytes)
    return at;
  Value block = b.div(group, layout.blockGroups());
  return b.add(b.add(at, b.mul(block, layout.factorBytes)), layout.factorBytes);
}

Value PanelReader::integers(Numbers which, Value panel, Value group,
                            int64_t v) {
  int64_t lanes = layout.lanes;
  int64_t start =
      which == Numbers::Scales ? layout.scaleOffset() : layout.minimumOffset();
  Value base = groupAt(panel, group);
  Value bytes = load(b.vec(lanes, b.getI8Type()), base, start + v * lanes);
  return arith::ExtSIOp::create(b, b.vec(lanes, b.getI32Type()), bytes);
}

Value PanelReader::factors(Numbers which, Value panel, Value group, int64_t v) {
  const qt::LaneForm &form = layout.form;
  Value block = b.div(group, layout.blockGroups());
  Value base = b.add(panel, b.mul(block, layout.blockBytes()));
  if (which == Numbers::Scales)
    return floats(base, 0, form.scaleType, v);
  int64_t start = layout.panelRows * form.scaleType.getIntOrFloatBitWidth() / 8;
  return floats(base, start, form.minimumType, v);
}

Value PanelReader::scales(Numbers which, Value panel, Value group, int64_t v) {
  if (layout.scaleBlock()) {
    Value factor = factors(which, panel, group, v);
    return layout.form.scaleBlock
               ? b.mulF(b.toF32(integers(which, panel, group, v)), factor)
               : factor;
  }
  Value base = layout.groupScales ? groupAt(panel, group) : panel;
  return which == Numbers::Scales
             ? floats(base, layout.scaleOffset(), layout.form.scaleType, v)
             : floats(base, layout.minimumOffset(), layout.form.minimumType, v);
}

int64_t PanelReader::wordsPerStep() const {
  int64_t words = 1;
  for (unsigned width : layout.planes)
    words = std::max(words, PanelLayout::wordsPerRegister(width));
  return words;
}

Value PanelReader::Words::codes(int64_t j, int64_t v) {
  KernelBuilder &b = reader.b;
  const PanelLayout &layout = reader.layout;
  auto bytes = b.vec(layout.lanes * 4, b.getI8Type());
  auto pairs = b.vec(layout.lanes * 2, b.getI16Type());
  Value code;
  for (auto [plane, width] : llvm::enumerate(layout.planes)) {
    int64_t perRegister = PanelLayout::wordsPerRegister(width);
    int64_t rows = layout.planeRows(width), row = v * layout.lanes;
    int64_t reg = j / perRegister;
    Value &raw = loaded[{plane, reg, row % rows}];
    if (!raw) {
      Value at = b.add(group, b.mul(b.div(first, perRegister), rows * 4));
      raw = reader.load(
          bytes, at, layout.planeOffset(plane) + (reg * rows + row % rows) * 4);
    }
    Value bits = raw;
    if (width < 8) {
      // There are no shifts of bytes: shift pairs, mask what came across. From
      // its place in the register straight to the one in the code.
      int64_t word = j % perRegister + row / rows * layout.wordsPerGroup();
      int64_t up = int64_t(layout.planeShift(plane)) - word * int64_t(width);
      if (up) {
        Value words = b.bitcast(pairs, bits);
        Value count = b.constant(pairs, double(std::abs(up)));
        bits = b.bitcast(
            bytes, up > 0
                       ? arith::ShLIOp::create(b, words, count).getResult()
                       : arith::ShRUIOp::create(b, words, count).getResult());
      }
      int64_t mask = ((int64_t(1) << width) - 1) << layout.planeShift(plane);
      bits = arith::AndIOp::create(b, bits,
                                   b.constant(bytes, double(int8_t(mask))));
    }
    code = code ? arith::OrIOp::create(b, code, bits).getResult() : bits;
  }
  return code;
}
