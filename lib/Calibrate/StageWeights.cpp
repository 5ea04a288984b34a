// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "StageWeights.h"
#include "quant-mlir/CodeGen/Kernel/PanelLayout.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"
#include "llvm/Support/Process.h"
#include <cmath>
#include <cstring>
#include <mutex>
#include <sys/mman.h>

using namespace mlir;
using namespace quantmlir;

namespace {

/// Rows of a weight as floats, from its file or from memory.
class RowReader {
public:
  RowReader(StageWeight &weight, const WeightData &data)
      : type(weight.logicalType()), data(&data) {
    stored = dyn_cast<qt::QuantTensorType>(weight.source.getType());
    n = stored ? stored.getNumRows() : 1;
    k = stored ? stored.getRowLength() : type.getNumElements();
    if (!stored && type.getRank() == 2) {
      n = type.getDimSize(0);
      k = type.getDimSize(1);
    }
  }
  RowReader(StageWeight &weight, ArrayRef<float> values)
      : RowReader(weight, WeightData()) {
    data = nullptr;
    this->values = values;
  }

  int64_t rows() const { return n; }

  llvm::Expected<std::vector<float>> read(int64_t first, int64_t count) const {
    if (!data)
      return values.slice(first * k, count * k).vec();
    if (stored)
      return qt::dequantizeRows(stored.getScheme(), data->parts, n, k, first,
                                count);
    std::vector<float> result(count * k);
    std::memcpy(result.data(), data->parts.front().data() + first * k * 4,
                result.size() * 4);
    return result;
  }

private:
  RankedTensorType type;
  qt::QuantTensorType stored;
  const WeightData *data;
  ArrayRef<float> values;
  int64_t n, k;
};

} // namespace

StageWeights::~StageWeights() {
  if (memory)
    munmap(memory, size);
}

llvm::Error StageWeights::reserve() {
  size = llvm::alignTo(std::max<int64_t>(program.weightsBytes, 64), 64);
  void *reserved = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED)
    return llvm::createStringError("no address space for weights of " +
                                   llvm::Twine(size) + " bytes");
#ifdef MADV_HUGEPAGE
  madvise(reserved, size, MADV_HUGEPAGE);
#endif
  memory = static_cast<char *>(reserved);
  return llvm::Error::success();
}

llvm::Expected<StageWeight *> StageWeights::find(StringRef name) {
  auto found = program.weights.find(name.str());
  if (found == program.weights.end())
    return llvm::createStringError("the model has no weight '" + name + "'");
  return &found->second;
}

llvm::Error StageWeights::fill(const Stage::Weight &which, bool useReplaced) {
  StageWeight &weight = program.weights[which.name];
  const WeightSlot &slot = program.slots[which.slot];
  WeightData data;
  if (!useReplaced) {
    llvm::Expected<WeightData> stored = files.read(weight.source);
    if (!stored)
      return stored.takeError();
    data = std::move(*stored);
  }
  RowReader rows = useReplaced ? RowReader(weight, replaced[which.name])
                               : RowReader(weight, data);
  auto *target = reinterpret_cast<uint8_t *>(memory + slot.offset);
  std::mutex mutex;
  std::string problem;
  auto fillRows = [&](int64_t first, int64_t count, auto use) {
    llvm::Expected<std::vector<float>> values = rows.read(first, count);
    std::string why;
    if (!values)
      why = llvm::toString(values.takeError());
    else if (!llvm::all_of(*values, [](float v) { return std::isfinite(v); }))
      why = "has NaN or infinity in rows " + std::to_string(first) + " to " +
            std::to_string(first + count - 1);
    if (why.empty())
      return use(std::move(*values));
    std::lock_guard<std::mutex> lock(mutex);
    if (problem.empty())
      problem = why;
  };
  if (auto type = dyn_cast<qt::QuantTensorType>(slot.type)) {
    kernel::PanelLayout layout(type);
    llvm::parallelFor(0, layout.numPanels, [&](size_t panel) {
      int64_t first = panel * layout.panelRows;
      int64_t count = std::min(layout.panelRows, layout.n - first);
      fillRows(first, count, [&](std::vector<float> values) {
        qt::UnpackedRows unpacked;
        unpacked.values = std::move(values);
        layout.packPanel(
            panel, unpacked,
            {target + panel * layout.panelBytes, size_t(layout.panelBytes)});
      });
    });
  } else {
    fillRows(0, rows.rows(), [&](std::vector<float> values) {
      std::memcpy(target, values.data(), values.size() * 4);
    });
  }
  if (!problem.empty())
    return tensorError(weight.source.getFile(), weight.source.getTensorName(),
                       problem);
  return llvm::Error::success();
}

llvm::Error StageWeights::prepare(size_t stage, Version version) {
  for (const Stage::Weight &weight : program.stages[stage].weights) {
    Resident &held = resident[weight.slot];
    bool useReplaced =
        version == Version::Current && replaced.contains(weight.name);
    if (held.weight == weight.name && held.replaced == useReplaced)
      continue;
    held.weight.clear();
    if (llvm::Error error = fill(weight, useReplaced))
      return error;
    held = {weight.name, useReplaced};
  }
  return llvm::Error::success();
}

void StageWeights::giveBack(const WeightSlot &slot) {
  // Whole pages; those at the ends have neighbours.
  uint64_t page = llvm::sys::Process::getPageSizeEstimate();
  uint64_t begin = llvm::alignTo(slot.offset, page);
  uint64_t end = (slot.offset + slot.bytes) / page * page;
  if (begin < end)
    madvise(memory + begin, end - begin, MADV_DONTNEED);
}

void StageWeights::release(size_t stage) {
  for (const Stage::Weight &weight : program.stages[stage].weights) {
    if (program.weights[weight.name].lastStage <= stage)
      replaced.erase(weight.name);
    bool soon = stage + 1 < program.stages.size() &&
                llvm::any_of(program.stages[stage + 1].weights,
                             [&](const Stage::Weight &next) {
                               return next.slot == weight.slot;
                             });
    if (!soon && resident.erase(weight.slot))
      giveBack(program.slots[weight.slot]);
  }
}

void StageWeights::releaseAll() {
  for (auto &entry : resident)
    giveBack(program.slots[entry.first().str()]);
  resident.clear();
}

llvm::Expected<std::vector<float>> StageWeights::read(StringRef name) {
  auto own = replaced.find(name);
  if (own != replaced.end())
    return own->second;
  llvm::Expected<StageWeight *> weight = find(name);
  if (!weight)
    return weight.takeError();
  llvm::Expected<WeightData> data = files.read((*weight)->source);
  if (!data)
    return data.takeError();
  RowReader rows(**weight, *data);
  return rows.read(0, rows.rows());
}

llvm::Error StageWeights::replace(StringRef name, std::vector<float> values) {
  llvm::Expected<StageWeight *> weight = find(name);
  if (!weight)
    return weight.takeError();
  int64_t wanted = (*weight)->logicalType().getNumElements();
  if (int64_t(values.size()) != wanted)
    return llvm::createStringError(
        "weight '" + name + "' has " + llvm::Twine(wanted) +
        " values and cannot be replaced by " + llvm::Twine(values.size()));
  replaced[name] = std::move(values);
  for (auto &entry : resident)
    if (entry.second.weight == name && entry.second.replaced)
      entry.second.weight.clear();
  return llvm::Error::success();
}
