// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/CodeGen/Kernel/PanelLayout.h"
#include "quant-mlir/Dialect/Utils/SmallFloatIR.h"
#include "quant-mlir/Quantize/FloatConversion.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::kernel;
using namespace quantmlir::qt;

PanelLayout::PanelLayout(QuantTensorType type, int64_t readLanes)
    : scheme(type.getScheme()), form(scheme.getLaneForm(type.getRowLength())) {
  auto panels = cast<PanelsAttr>(type.getLayout());
  n = type.getShape()[0];
  k = type.getShape()[1];
  panelRows = panels.getLanes() * panels.getVectors();
  lanes = readLanes ? readLanes : panels.getLanes();
  vectors = panelRows / lanes;
  packedVectors = int32_t(panels.getVectors());
  assert(panelRows % lanes == 0 && "registers across panels");
  numPanels = llvm::divideCeil(n, panelRows);
  depth = panels.getDepth();
  group = panels.getGroup();
  numGroups = llvm::divideCeil(k, group);
  paddedK = group * numGroups;
  scaleBytes = minimumBytes = factorBytes = codeBytes = 0;

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
      codeBytes += planeBytes(width);
  }
  groupScales = form.group < k;
  if (form.scaleType)
    scaleBytes = panelRows * form.scaleType.getIntOrFloatBitWidth() / 8;
  if (form.hasMinimum)
    minimumBytes = panelRows * form.minimumType.getIntOrFloatBitWidth() / 8;
  if (scaleBlock()) {
    groupScales = true;
    factorBytes = scaleBytes + minimumBytes;
    scaleBytes = form.scaleBlock ? panelRows : 0;
    minimumBytes = form.scaleBlock && form.hasMinimum ? panelRows : 0;
  }
  groupBytes = codeBytes + (groupScales ? scaleBytes + minimumBytes : 0);
  panelBytes = numGroups * groupBytes +
               (groupScales ? 0 : scaleBytes + minimumBytes) +
               llvm::divideCeil(numGroups, blockGroups()) * factorBytes;
  totalBytes = numPanels * panelBytes;
}

int64_t PanelLayout::planeRows(unsigned planeBits) const {
  int64_t fit = wordsPerRegister(planeBits) / wordsPerGroup(), sharing = 1;
  while (sharing * 2 <= std::min<int64_t>(fit, packedVectors))
    sharing *= 2;
  return panelRows / sharing;
}

int64_t PanelLayout::planeOffset(unsigned index) const {
  int64_t offset = 0;
  for (unsigned i = 0; i < index; ++i)
    offset += planeBytes(planes[i]);
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
  int64_t inPanel = row % panelRows, rows = planeRows(width);
  int64_t word = col % group / 4;
  int64_t reg = word / wordsPerRegister(width);
  int64_t block = col / group / blockGroups();
  int64_t inRegister =
      word % wordsPerRegister(width) + inPanel / rows * wordsPerGroup();
  return {row / panelRows * panelBytes + col / group * groupBytes +
              (block + 1) * factorBytes + planeOffset(plane) +
              (reg * rows + inPanel % rows) * 4 + col % 4,
          unsigned(inRegister) * width};
}

/// The bits of a float of type `type`, which holds it.
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

static qm_dtype runtimeType(FloatType type) {
  return !type || type.isF32() ? QM_F32 : type.isF16() ? QM_F16 : QM_BF16;
}

qm_panels PanelLayout::forRuntime() const {
  qm_panels panels = {};
  panels.n = n;
  panels.k = k;
  panels.lanes = lanes;
  panels.vectors = vectors;
  panels.group = group;
  panels.scale_group = form.group;
  panels.scale_block = form.scaleBlock;
  panels.group_bytes = groupBytes;
  panels.panel_bytes = panelBytes;
  panels.scale_offset = form.scaleType ? scaleOffset() : 0;
  panels.minimum_offset = form.hasMinimum ? minimumOffset() : 0;
  bool isFloat = form.kind == LaneForm::Kind::Float;
  panels.code_bits = isFloat ? 0 : form.codeBits;
  panels.code_bytes = isFloat ? form.floatType.getIntOrFloatBitWidth() / 8 : 1;
  panels.depth = depth;
  panels.scale_dtype = runtimeType(form.scaleType);
  panels.minimum_dtype = runtimeType(form.minimumType);
  panels.scale_factor = scaleFactor;
  return panels;
}

void PanelLayout::packPanel(int64_t panel, const UnpackedRows &rows,
                            MutableArrayRef<uint8_t> target) const {
  qm_panels panels = forRuntime();
  int64_t count = std::min(panelRows, n - panel * panelRows);
  std::vector<uint8_t> floats;
  if (!panels.code_bits) {
    floats.resize(count * k * panels.code_bytes);
    for (int64_t i = 0; i < count * k; ++i)
      storeFloat(floats.data() + i * panels.code_bytes, rows.values[i],
                 form.floatType);
  }
  qm_pack_panel(&panels, panels.code_bits ? rows.codes.data() : floats.data(),
                form.scaleType ? rows.scales.data() : nullptr,
                form.hasMinimum ? rows.minimums.data() : nullptr, count,
                target.data());
}
