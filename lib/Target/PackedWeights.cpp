// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Executes what cpu-pack decided: reads each weight from its file, arranges it,
// and writes it to the packed file, a tensor and a panel at a time.

#include "Target.h"
#include "quant-mlir/CodeGen/Kernel/PanelLayout.h"
#include "quant-mlir/Export/SafetensorsWriter.h"
#include "quant-mlir/Import/WeightSource.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include <cmath>
#include <mutex>

using namespace mlir;
using namespace quantmlir;
using kernel::PanelLayout;

/// Offsets in the packed file are multiples of this, see qt.weight.
static constexpr int64_t alignment = 64;

static int64_t packedBytes(qt::WeightOp weight) {
  if (auto type = dyn_cast<qt::QuantTensorType>(weight.getType()))
    return PanelLayout(type).totalBytes;
  return cast<RankedTensorType>(weight.getType()).getNumElements() * 4;
}

/// Kernels know no NaN in small floats, and scales are multiplied as they are
/// packed.
static llvm::Error checkSmallFloats(const PanelLayout &layout, int64_t first,
                                    const qt::UnpackedRows &rows) {
  if (layout.form.kind != qt::LaneForm::Kind::Float || !layout.form.scaleType)
    return llvm::Error::success();
  for (auto [index, value] : llvm::enumerate(rows.values))
    if (!std::isfinite(value))
      return llvm::createStringError(
          std::make_error_code(std::errc::invalid_argument),
          "row " + llvm::Twine(first + int64_t(index) / layout.k) +
              ", column " + llvm::Twine(int64_t(index) % layout.k) +
              " is not finite");
  for (auto [index, scale] : llvm::enumerate(rows.scales))
    if (!std::isfinite(scale * layout.scaleFactor))
      return llvm::createStringError(
          std::make_error_code(std::errc::invalid_argument),
          "a scale of row " +
              llvm::Twine(first +
                          int64_t(index / (rows.scales.size() * layout.k /
                                           rows.values.size()))) +
              " is too large");
  return llvm::Error::success();
}

/// All panels of a weight, into `target`.
static llvm::Error packPanels(qt::QuantTensorType type,
                              ArrayRef<ArrayRef<uint8_t>> parts,
                              MutableArrayRef<uint8_t> target) {
  PanelLayout layout(type);
  std::mutex mutex;
  llvm::Error failure = llvm::Error::success();
  llvm::parallelFor(0, layout.numPanels, [&](size_t panel) {
    int64_t first = panel * layout.panelRows;
    int64_t count = std::min(layout.panelRows, layout.n - first);
    qt::UnpackedRows rows;
    llvm::Error error =
        layout.scheme.unpackRows(parts, layout.n, layout.k, first, count, rows);
    if (!error)
      error = checkSmallFloats(layout, first, rows);
    if (error) {
      std::lock_guard<std::mutex> lock(mutex);
      failure = llvm::joinErrors(std::move(failure), std::move(error));
      return;
    }
    layout.packPanel(
        panel, rows,
        target.slice(panel * layout.panelBytes, layout.panelBytes));
  });
  return failure;
}

llvm::Expected<PackedWeights> quantmlir::writePackedWeights(ModuleOp module,
                                                            StringRef path) {
  PackedWeights packed;
  SmallVector<SafetensorsWriter::Entry> entries;
  for (auto weight : module.getOps<qt::WeightOp>()) {
    int64_t bytes = llvm::alignTo(packedBytes(weight), alignment);
    entries.push_back(
        {weight.getSymName().str(), "U8", {bytes}, uint64_t(bytes)});
    PackedTensor tensor;
    tensor.name = weight.getSymName();
    tensor.bytes = bytes;
    if (auto type = dyn_cast<qt::QuantTensorType>(weight.getType())) {
      tensor.shape = llvm::to_vector(type.getShape());
      llvm::raw_string_ostream(tensor.scheme) << type.getScheme();
    } else {
      auto plain = cast<RankedTensorType>(weight.getType());
      tensor.shape = llvm::to_vector(plain.getShape());
      llvm::raw_string_ostream(tensor.scheme) << plain.getElementType();
    }
    if (auto error =
            weight->getAttrOfType<FloatAttr>(qt::QTDialect::errorAttrName))
      tensor.error = error.getValueAsDouble();
    packed.tensors.push_back(std::move(tensor));
  }

  auto writer = SafetensorsWriter::create(
      path, entries, {{"format", "quant-mlir packed weights"}});
  if (!writer)
    return writer.takeError();
  WeightSource source;
  std::vector<uint8_t> buffer;
  for (auto weight : module.getOps<qt::WeightOp>()) {
    llvm::Expected<WeightData> data = source.read(weight);
    if (!data)
      return data.takeError();
    buffer.assign(llvm::alignTo(packedBytes(weight), alignment), 0);
    if (auto type = dyn_cast<qt::QuantTensorType>(weight.getType())) {
      if (llvm::Error error = packPanels(type, data->parts, buffer))
        return tensorError(weight.getFile(), weight.getTensorName(),
                           llvm::toString(std::move(error)));
    } else {
      llvm::copy(data->parts.front(), buffer.begin());
    }
    if (llvm::Error error = (*writer)->append(buffer))
      return std::move(error);
  }
  packed.headerHash = (*writer)->headerHash();
  packed.fileBytes = (*writer)->fileBytes();
  if (llvm::Error error = (*writer)->finish())
    return std::move(error);
  return packed;
}
