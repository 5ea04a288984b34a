// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/CodeGen/CPU/PanelLayout.h"
#include "quant-mlir/Dialect/Utils/SmallFloatIR.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;
using namespace quantmlir::qt;

PanelLayout::PanelLayout(QuantTensorType type)
    : scheme(type.getScheme()), form(scheme.getLaneForm(type.getRowLength())) {
  auto panels = cast<PanelsAttr>(type.getLayout());
  n = type.getShape()[0];
  k = type.getShape()[1];
  lanes = panels.getLanes();
  vectors = panels.getVectors();
  panelRows = lanes * vectors;
  numPanels = llvm::divideCeil(n, panelRows);
  group = panels.getGroup();
  numGroups = llvm::divideCeil(k, group);
  paddedK = group * numGroups;
  scaleBytes = minimumBytes = codeBytes = 0;

  if (form.kind == LaneForm::Kind::Float) {
    codeBytes = group * panelRows * form.floatType.getIntOrFloatBitWidth() / 8;
    if (isa<Float8E4M3FNType>(form.floatType))
      scaleFactor = 256;
  } else {
    unsigned bits = form.codeBits;
    for (unsigned width : {8u, 4u, 2u, 1u})
      if (bits & width)
        planes.push_back(width);
    for (unsigned width : planes)
      codeBytes += planeRegisters(width) * vectors * registerBytes();
  }
  groupScales = form.group < k;
  if (form.scaleType)
    scaleBytes = panelRows * form.scaleType.getIntOrFloatBitWidth() / 8;
  if (form.hasMinimum)
    minimumBytes = panelRows * form.minimumType.getIntOrFloatBitWidth() / 8;
  groupBytes = codeBytes + (groupScales ? scaleBytes + minimumBytes : 0);
  panelBytes =
      numGroups * groupBytes + (groupScales ? 0 : scaleBytes + minimumBytes);
  totalBytes = numPanels * panelBytes;
}

int64_t PanelLayout::planeOffset(unsigned index) const {
  int64_t offset = 0;
  for (unsigned i = 0; i < index; ++i)
    offset += planeRegisters(planes[i]) * vectors * registerBytes();
  return offset;
}

unsigned PanelLayout::planeShift(unsigned index) const {
  unsigned shift = 0;
  for (unsigned i = 0; i < index; ++i)
    shift += planes[i];
  return shift;
}

PanelLayout::Position PanelLayout::position(int64_t row, int64_t col,
                                            unsigned plane) const {
  unsigned width = planes[plane];
  int64_t inPanel = row % panelRows;
  int64_t word = col % group / 4;
  int64_t reg = word / wordsPerRegister(width);
  return {row / panelRows * panelBytes + col / group * groupBytes +
              planeOffset(plane) +
              (reg * vectors + inPanel / lanes) * registerBytes() +
              inPanel % lanes * 4 + col % 4,
          unsigned(word % wordsPerRegister(width)) * width};
}

static void storeFloat(uint8_t *target, float value, FloatType type) {
  if (std::optional<SmallFloat> small = getSmallFloat(type)) {
    *target = f32ToSmallFloat(*small, value);
    return;
  }
  if (type.isF32()) {
    std::memcpy(target, &value, 4);
    return;
  }
  uint16_t half = type.isF16() ? f32ToF16(value) : f32ToBF16(value);
  std::memcpy(target, &half, 2);
}

void PanelLayout::packPanel(int64_t panel, const UnpackedRows &rows,
                            MutableArrayRef<uint8_t> target) const {
  std::fill(target.begin(), target.end(), 0);
  int64_t first = panel * panelRows;
  int64_t count = std::min(panelRows, n - first);

  if (form.kind == LaneForm::Kind::Float) {
    int64_t bytes = form.floatType.getIntOrFloatBitWidth() / 8;
    for (int64_t row = 0; row < count; ++row)
      for (int64_t col = 0; col < k; ++col)
        storeFloat(target.data() + col / group * groupBytes +
                       (col % group * panelRows + row) * bytes,
                   rows.values[row * k + col], form.floatType);
    if (!form.scaleType)
      return;
  }

  for (auto [plane, width] : llvm::enumerate(planes)) {
    unsigned shift = planeShift(plane), mask = (1u << width) - 1;
    for (int64_t row = 0; row < count; ++row)
      for (int64_t col = 0; col < k; ++col) {
        Position at = position(row, col, plane);
        unsigned bits = rows.codes[row * k + col] >> shift & mask;
        target[at.byte] |= bits << at.shift;
      }
  }
  int64_t scaleGroups = llvm::divideCeil(k, form.group);
  int64_t scaleWidth = form.scaleType.getIntOrFloatBitWidth() / 8;
  for (int64_t g = 0; g < (groupScales ? numGroups : 1); ++g)
    for (int64_t row = 0; row < count; ++row) {
      // Several groups may share a scale of the scheme.
      int64_t stored = row * scaleGroups + g * group / form.group;
      uint8_t *base = target.data() + g * groupBytes;
      storeFloat(base + scaleOffset() + row * scaleWidth,
                 rows.scales[stored] * scaleFactor, form.scaleType);
      if (form.hasMinimum)
        storeFloat(base + minimumOffset() +
                       row * form.minimumType.getIntOrFloatBitWidth() / 8,
                   rows.minimums[stored], form.minimumType);
    }
}
