// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What lies in panels, into a thread's registers. See PanelLayout.h for a
// picture: a word of four values of a row is four bytes, and words of rows that
// follow each other lie side by side.

#include "Matmul.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;
using kernel::PanelLayout;

//===----------------------------------------------------------------------===//
// Decoding words
//===----------------------------------------------------------------------===//

static constexpr int64_t everyByte = 0x01010101;

qt::Lane WordEvaluator::constant(int64_t value) {
  return {0, b.i32((value & 255) * everyByte)};
}

/// Sums of bytes must not carry into the next: the highest bits are added
/// apart.
qt::Lane WordEvaluator::add(qt::Lane a, qt::Lane c) {
  Value low = b.addI(b.andI(a.value, 0x7f * everyByte),
                     b.andI(c.value, 0x7f * everyByte));
  Value high =
      b.andI(arith::XOrIOp::create(b, a.value, c.value), 0x80 * everyByte);
  return {0, arith::XOrIOp::create(b, low, high)};
}

qt::Lane WordEvaluator::subtract(qt::Lane a, qt::Lane c) {
  // a - c = ~(~a + c), in every byte.
  Value ones = b.i32(-1);
  qt::Lane flipped = {0, arith::XOrIOp::create(b, a.value, ones)};
  return {0, arith::XOrIOp::create(b, add(flipped, c).value, ones)};
}

/// The four codes become the nibbles of selectors into the lower and the upper
/// half of the table; their bit 3 chooses.
qt::Lane WordEvaluator::lookup(ArrayRef<uint8_t> table, qt::Lane code) {
  Value codes = code.value;
  Value pairs = b.andI(b.orI(codes, b.shiftRight(codes, b.i32(4))), 0x00ff00ff);
  Value nibbles = b.orI(pairs, b.shiftRight(pairs, b.i32(8)));
  Value places = b.andI(nibbles, 0x7777);
  auto quarter = [&](int64_t first) {
    uint32_t word = 0;
    for (int64_t i = 0; i < 4; ++i)
      word |= uint32_t(table[first + i]) << (8 * i);
    return b.i32(word);
  };
  Value low = b.permute(quarter(0), quarter(4), places);
  Value high = b.permute(quarter(8), quarter(12), places);
  Value upper =
      b.andI(b.shiftRight(codes, b.i32(3)), everyByte); // 0 or 1 in a byte
  Value mask = b.mulI(upper, b.i32(255));
  Value kept =
      arith::AndIOp::create(b, low, arith::XOrIOp::create(b, mask, b.i32(-1)));
  return {0, b.orI(kept, arith::AndIOp::create(b, high, mask))};
}

//===----------------------------------------------------------------------===//
// Floats
//===----------------------------------------------------------------------===//

std::array<Value, 2> quantmlir::cuda::halvesOf(GPUBuilder &b, Value word,
                                               FloatType type) {
  Type i32 = b.getI32Type();
  if (type.getWidth() == 16) {
    Value words = b.bitcast(b.vec(2, i32), word);
    return {b.extract(words, 0), b.extract(words, 1)};
  }
  // Bytes into the upper halves of f16: all of an E5M2; of an E4M3 the exponent
  // has a bit less and stands one too far to the left.
  std::array<Value, 2> halves;
  constexpr int64_t selectors[] = {0x1404, 0x3424};
  for (auto [half, selector] : llvm::enumerate(selectors)) {
    Value bits = b.permute(word, b.i32(0), b.i32(selector));
    if (isa<Float8E4M3FNType>(type)) {
      Value magnitude = b.shiftRight(b.andI(bits, 0x7f007f00), b.i32(1));
      bits = b.orI(b.andI(bits, 0x80008000), magnitude);
    }
    halves[half] = bits;
  }
  return halves;
}

GPUBuilder::Values quantmlir::cuda::floatsOf(GPUBuilder &b, Value word,
                                             FloatType type) {
  GPUBuilder::Values values;
  if (type.isF32()) {
    for (int64_t i = 0; i < 4; ++i)
      values.push_back(b.extract(word, i));
    return values;
  }
  Type half = type.isBF16() ? Type(type) : Type(b.getF16Type());
  for (Value bits : halvesOf(b, word, type)) {
    Value pair = b.bitcast(b.vec(2, half), bits);
    for (int64_t i = 0; i < 2; ++i)
      values.push_back(b.toF32(b.extract(pair, i)));
  }
  return values;
}

GPUBuilder::Values quantmlir::cuda::lookUp(GPUBuilder &b, Value table,
                                           Value codes, Type element) {
  GPUBuilder::Values values;
  int64_t width = element.getIntOrFloatBitWidth() / 8;
  for (int64_t i = 0; i < 4; ++i) {
    Value place =
        arith::IndexCastUIOp::create(b, b.getIndexType(), b.byte(codes, i));
    values.push_back(b.load(element, table, b.mul(place, width), width));
  }
  return values;
}

//===----------------------------------------------------------------------===//
// Panels
//===----------------------------------------------------------------------===//

Value PanelReader::groupAt(Value panel, Value group) {
  Value at =
      b.add(b.mul(panel, layout.panelBytes), b.mul(group, layout.groupBytes));
  if (!layout.factorBytes)
    return at;
  Value block = b.div(group, layout.blockGroups());
  return b.add(b.add(at, b.mul(block, layout.factorBytes)), layout.factorBytes);
}

PanelReader::Values PanelReader::floats(Value base, int64_t start,
                                        FloatType type, Value row,
                                        int64_t count) {
  int64_t width = type.getIntOrFloatBitWidth() / 8;
  Value at = b.add(b.add(base, start), b.mul(row, width));
  if (count == 1)
    return {b.toF32(b.load(type, weights, at, width))};
  Value all = b.load(b.vec(count, type), weights, at, width * count);
  Values values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(b.toF32(b.extract(all, i)));
  return values;
}

PanelReader::Values PanelReader::numbers(Numbers which, Value panel,
                                         Value group, Value row,
                                         int64_t count) {
  const qt::LaneForm &form = layout.form;
  bool isScale = which == Numbers::Scales;
  FloatType type = isScale ? form.scaleType : form.minimumType;
  int64_t start = isScale ? layout.scaleOffset() : layout.minimumOffset();
  Value first = b.mul(panel, layout.panelBytes);
  if (!layout.scaleBlock()) {
    Value base = layout.groupScales ? groupAt(panel, group) : first;
    return floats(base, start, type, row, count);
  }
  Value block = b.div(group, layout.blockGroups());
  Values values = floats(
      b.add(first, b.mul(block, layout.blockBytes())),
      isScale ? 0
              : layout.panelRows * form.scaleType.getIntOrFloatBitWidth() / 8,
      type, row, count);
  if (!form.scaleBlock)
    return values;
  Value at = b.add(b.add(groupAt(panel, group), start), row);
  Type integer = b.getIntegerType(8 * count);
  Value bytes = b.load(integer, weights, at, count);
  for (auto [i, value] : llvm::enumerate(values)) {
    Value number = bytes;
    if (count > 1)
      number = arith::TruncIOp::create(b, b.getI8Type(),
                                       b.shiftRight(bytes, b.i32(8 * i)));
    number = arith::ExtSIOp::create(b, b.getI32Type(), number);
    value = b.mulF(b.toF32(number), value);
  }
  return values;
}

int64_t PanelReader::wordsPerStep() const {
  int64_t words = 1;
  for (unsigned width : layout.planes)
    words = std::max(words, PanelLayout::wordsPerRegister(width));
  return words;
}

Value PanelReader::decode(Value codes) {
  WordEvaluator evaluator(b);
  return layout.scheme.decodeLane(evaluator, {0, codes}).value;
}

Value PanelReader::numberTable() {
  if (layout.form.numbers.empty())
    return {};
  SmallVector<Attribute> entries;
  for (float number : layout.form.numbers)
    entries.push_back(b.getF32FloatAttr(number));
  return b.table(entries);
}

PanelReader::Values PanelReader::toFloats(Value codes, Value table) {
  if (table)
    return lookUp(b, table, codes, b.getF32Type());
  Value lanes = decode(codes);
  Values four;
  for (int64_t i = 0; i < 4; ++i)
    four.push_back(
        b.toF32(b.addI(b.byte(lanes, i), b.i32(-layout.form.offset))));
  return four;
}

Value PanelReader::plane(Value code, unsigned index, Value raw, Value shift) {
  unsigned width = layout.planes[index];
  Value bits = raw;
  if (width < 8)
    bits = b.andI(b.shiftRight(raw, shift), ((1 << width) - 1) * everyByte);
  if (unsigned up = layout.planeShift(index))
    bits = b.shiftLeft(bits, b.i32(up));
  return code ? b.orI(code, bits) : bits;
}

SmallVector<PanelReader::Values> PanelReader::steps(Value group, Value step,
                                                    Value row) {
  int64_t count = wordsPerStep();
  SmallVector<Values> codes(count, Values(4));
  auto four = b.vec(4, b.getI32Type());
  for (auto [index, width] : llvm::enumerate(layout.planes)) {
    int64_t per = PanelLayout::wordsPerRegister(width);
    Value first = b.mul(step, count / per * layout.registerBytes());
    Value at = b.add(b.add(group, layout.planeOffset(index)),
                     b.add(first, b.mul(row, 4)));
    for (int64_t reg = 0; reg < count / per; ++reg) {
      Value raw = b.load(four, weights, b.add(at, reg * layout.registerBytes()),
                         /*alignment=*/16);
      for (int64_t i = 0; i < 4; ++i) {
        Value word = b.extract(raw, i);
        for (int64_t j = 0; j < per; ++j) {
          Value &code = codes[reg * per + j][i];
          code = plane(code, index, word, b.i32(j * width));
        }
      }
    }
  }
  return codes;
}

std::array<Value, 2> PanelReader::pair(Value group, Value pair, Value row) {
  std::array<Value, 2> codes;
  for (auto [index, width] : llvm::enumerate(layout.planes)) {
    int64_t per = PanelLayout::wordsPerRegister(width);
    Value base = b.add(b.add(group, layout.planeOffset(index)), b.mul(row, 4));
    auto load = [&](Value reg) {
      // A group's words need not make whole steps.
      if (layout.wordsPerGroup() % 8 != 0)
        reg = b.min(reg, b.index(layout.planeRegisters(width) - 1));
      return b.load(b.getI32Type(), weights,
                    b.add(base, b.mul(reg, layout.registerBytes())), 4);
    };
    if (per == 1) {
      for (int64_t j = 0; j < 2; ++j)
        codes[j] =
            plane(codes[j], index, load(b.add(b.mul(pair, 2), j)), b.i32(0));
      continue;
    }
    int64_t pairs = per / 2;
    Value raw = load(b.div(pair, pairs));
    Value shift = arith::IndexCastUIOp::create(
        b, b.getI32Type(), b.mul(b.rem(pair, pairs), 2 * width));
    for (int64_t j = 0; j < 2; ++j)
      codes[j] = plane(codes[j], index, raw, b.addI(shift, b.i32(j * width)));
  }
  return codes;
}

Value PanelReader::floatWord(Value group, Value word, Value row) {
  FloatType type = layout.form.floatType;
  int64_t width = type.getIntOrFloatBitWidth() / 8;
  if (layout.wordsPerGroup() % 8 != 0)
    word = b.min(word, b.index(layout.wordsPerGroup() - 1));
  Value at =
      b.add(group, b.mul(b.add(b.mul(word, layout.panelRows), row), 4 * width));
  Type stored = b.getI32Type();
  if (width == 2)
    stored = b.getI64Type();
  if (width == 4)
    stored = b.vec(4, b.getF32Type());
  return b.load(stored, weights, at, 4 * width);
}
