// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which register tile is fastest, found by trying. A kernel is compiled once
// for each number of rows, all into one object, and they take turns on the same
// memory, so that whatever else the machine does hits all of them. Of each the
// fastest run counts: noise only adds.
//
// One thread does a part of the panels: the tile decides what happens within
// one, whoever has it.

#include "Target.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "quant-mlir/CodeGen/CPU/TileChoices.h"
#include "quant-mlir/CodeGen/Kernel/PanelLayout.h"
#include "quant-mlir/Import/WeightFile.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"
#include <cmath>
#include <cstring>
#include <random>
#include <time.h>

using namespace mlir;
using namespace quantmlir;
using kernel::MatmulOpInterface;

/// Rows of a call: enough that tiles are full. Longer calls are more of it.
static constexpr int64_t mostCallRows = 128;
/// Products of a sample, which take a fast kernel almost a millisecond.
static constexpr int64_t sampleProducts = int64_t(1) << 27;
/// Candidates have at most so many rows more than the table's tile.
static constexpr int64_t rowsBeyond = 4;
/// What is less is noise, and the table's tile stays.
static constexpr double leastGain = 1.03;

//===----------------------------------------------------------------------===//
// What a kernel is called with
//===----------------------------------------------------------------------===//

namespace {

/// Arguments as qm_function.entry takes them.
class Arguments {
public:
  /// For the first of `threads` threads.
  Arguments(func::FuncOp function, int64_t rows, int64_t weightBytes,
            int64_t threads);

  void **data() { return pointers.data(); }

private:
  void *number(int64_t value);
  void *buffer(MemRefType type, int64_t dynamicSize);

  std::vector<std::unique_ptr<char[]>> memory;
  std::vector<std::unique_ptr<int64_t[]>> records;
  std::vector<void *> pointers;
  std::mt19937 random;
};

} // namespace

Arguments::Arguments(func::FuncOp function, int64_t rows, int64_t weightBytes,
                     int64_t threads) {
  for (Type type : function.getArgumentTypes()) {
    auto memref = dyn_cast<MemRefType>(type);
    if (!memref) // the weight's offset and this thread
      pointers.push_back(number(0));
    else if (memref.getElementType().isInteger(8))
      pointers.push_back(buffer(memref, weightBytes));
    else
      pointers.push_back(buffer(memref, rows));
  }
  pointers.back() = number(threads);
}

void *Arguments::number(int64_t value) {
  records.push_back(std::make_unique<int64_t[]>(1));
  records.back()[0] = value;
  return records.back().get();
}

/// A descriptor { allocated, aligned, offset, sizes, strides } of random
/// numbers. Their bytes are such that they are neither tiny nor huge in any
/// type: some CPUs take longer for those.
void *Arguments::buffer(MemRefType type, int64_t dynamicSize) {
  int64_t rank = type.getRank(), offset;
  SmallVector<int64_t> sizes(type.getShape()), strides;
  llvm::replace(sizes, ShapedType::kDynamic, dynamicSize);
  // Only the outermost size is dynamic, so strides are not.
  if (failed(type.getStridesAndOffset(strides, offset)))
    llvm_unreachable("buffers of kernels are strided");
  if (ShapedType::isDynamic(offset))
    offset = 0;
  int64_t elements = offset + 1;
  for (auto [size, stride] : llvm::zip_equal(sizes, strides)) {
    elements += (size - 1) * stride;
  }
  int64_t bytes = elements * type.getElementTypeBitWidth() / 8;
  memory.push_back(std::make_unique<char[]>(bytes + 64));
  auto *data = reinterpret_cast<char *>(
      llvm::alignTo(reinterpret_cast<uintptr_t>(memory.back().get()), 64));
  for (int64_t i = 0; i < bytes; i += 8) {
    uint64_t word = uint64_t(random()) << 32 | random();
    word = 0x2c2c2c2c2c2c2c2c + (word & 0x0f0f0f0f0f0f0f0f);
    memcpy(data + i, &word, std::min<int64_t>(8, bytes - i));
  }
  records.push_back(std::make_unique<int64_t[]>(3 + 2 * rank));
  int64_t *record = records.back().get();
  record[0] = record[1] = int64_t(reinterpret_cast<uintptr_t>(data));
  record[2] = offset;
  llvm::copy(sizes, record + 3);
  llvm::copy(strides, record + 3 + rank);
  return record;
}

//===----------------------------------------------------------------------===//
// Measuring
//===----------------------------------------------------------------------===//

namespace {

/// A kernel with each of some tiles, to be run on the same memory.
struct Candidates {
  LoadedObject object;
  Arguments arguments;
  int64_t calls; ///< of a sample

  double sample(unsigned index);
  /// Of each of `indices` the shortest of `rounds` samples, in seconds.
  SmallVector<double> measure(ArrayRef<unsigned> indices, int rounds);
};

} // namespace

/// Of this thread's own work: what others are given in between is not in it.
static double threadSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

double Candidates::sample(unsigned index) {
  const qm_function &function = object.descriptor->functions[index];
  double start = threadSeconds();
  for (int64_t i = 0; i < calls; ++i)
    function.entry(arguments.data());
  return threadSeconds() - start;
}

SmallVector<double> Candidates::measure(ArrayRef<unsigned> indices,
                                        int rounds) {
  SmallVector<double> shortest(indices.size(), HUGE_VAL);
  for (int round = 0; round < rounds; ++round)
    for (auto [best, index] : llvm::zip_equal(shortest, indices))
      best = std::min(best, sample(index));
  return shortest;
}

/// Candidate i has i + 1 rows.
static llvm::Expected<LoadedObject>
compile(func::FuncOp function, const cpu::CPUTarget &target, int64_t count) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(function.getLoc());
  for (int64_t rows = 1; rows <= count; ++rows) {
    func::FuncOp copy = function.clone();
    copy.setName("rows" + std::to_string(rows));
    copy.setPublic();
    copy->setAttr(LLVM::LLVMDialect::getEmitCWrapperAttrName(),
                  UnitAttr::get(module->getContext()));
    copy.walk([&](MatmulOpInterface matmul) { matmul.setRows(rows); });
    module->push_back(copy);
  }
  ModelInfo info;
  info.name = "tiles";
  info.task = "graph";
  info.targets = {target};
  info.functions = describeFunctions(*module);
  llvm::LLVMContext context;
  auto lowered = lowerVersion(*module, info.name, "cpu:" + target.name,
                              /*choices=*/"", context);
  if (!lowered)
    return lowered.takeError();
  emitDescriptor(**lowered, info);
  llvm::Expected<std::string> object = emitObject(**lowered, info.targets);
  if (!object)
    return object.takeError();
  return loadObject(*object, info.name);
}

/// The best tile of a kernel that is alone in a function.
static llvm::Expected<cpu::TileChoice>
tune(MatmulOpInterface matmul, const cpu::CPUTarget &target, int64_t callRows) {
  FailureOr<int64_t> usual = cpu::defaultTileRows(target, matmul);
  if (failed(usual))
    return llvm::createStringError("kernels cannot be measured");
  MemRefType out = matmul.getOut().getType();
  if (!out.isDynamicDim(0))
    callRows = out.getDimSize(0);
  if (callRows == 1)
    return cpu::TileChoice{*usual};
  // Smaller tiles than a call's rows are all that it needs.
  int64_t count = std::min({*usual + rowsBeyond, MatmulOpInterface::mostRows,
                            std::max(callRows, *usual)});
  auto function = matmul->getParentOfType<func::FuncOp>();
  llvm::Expected<LoadedObject> object = compile(function, target, count);
  if (!object)
    return object.takeError();
  kernel::PanelLayout layout(matmul.getType());
  int64_t products = layout.n * layout.k * callRows;
  int64_t threads =
      std::clamp<int64_t>(products / sampleProducts, 1, layout.numPanels);
  int64_t calls = std::max<int64_t>(1, sampleProducts / products);
  Candidates candidates{
      std::move(*object),
      Arguments(function, callRows, layout.totalBytes, threads), calls};

  auto all = llvm::to_vector(llvm::seq<unsigned>(0, count));
  constexpr int rounds = 12;
  SmallVector<double> seconds = candidates.measure(all, rounds);
  unsigned best = llvm::min_element(seconds) - seconds.begin();
  if (best + 1 == *usual)
    return cpu::TileChoice{*usual};
  // The winner among many is lucky, too, so once more against the usual tile.
  unsigned finalists[] = {unsigned(*usual - 1), best};
  seconds = candidates.measure(finalists, 2 * rounds);
  double gain = seconds[0] / seconds[1];
  if (gain < leastGain)
    return cpu::TileChoice{*usual};
  return cpu::TileChoice{int64_t(best) + 1, gain};
}

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//

/// No file, no choices.
static llvm::Expected<cpu::TileChoices> readChoices(StringRef path) {
  if (!llvm::sys::fs::exists(path))
    return cpu::TileChoices();
  return cpu::TileChoices::load(path);
}

static llvm::Error writeChoices(StringRef path,
                                const cpu::TileChoices &choices) {
  std::string text;
  llvm::raw_string_ostream os(text);
  choices.print(os);
  return writeFile(path, text);
}

/// Adds one choice to what is in the file by now: others may be tuning, too.
static llvm::Error addChoice(StringRef path, const cpu::CPUTarget &target,
                             MatmulOpInterface matmul, cpu::TileChoice choice) {
  llvm::Expected<cpu::TileChoices> choices = readChoices(path);
  if (!choices)
    return choices.takeError();
  choices->set(target, matmul, choice);
  return writeChoices(path, *choices);
}

llvm::Error quantmlir::tuneTiles(ModuleOp module,
                                 const cpu::CPUTargets &targets, StringRef path,
                                 int64_t rows, const TuneProgress &progress) {
  for (const cpu::CPUTarget &target : targets)
    if (llvm::Error error = cpu::checkRunsHere(target))
      return error;
  llvm::Expected<cpu::TileChoices> known = readChoices(path);
  if (!known)
    return known.takeError();
  SmallVector<std::pair<const cpu::CPUTarget *, MatmulOpInterface>> kernels;
  for (const cpu::CPUTarget &target : targets)
    module.walk([&](MatmulOpInterface matmul) {
      if (matmul.getRows() || known->lookup(target, matmul))
        return;
      // Kernels that differ in what they add to the result count as one.
      known->set(target, matmul, {});
      kernels.push_back({&target, matmul});
    });
  // Whether it can be written shows before anything is measured.
  StringRef folder = llvm::sys::path::parent_path(path);
  if (!folder.empty())
    if (std::error_code code = llvm::sys::fs::create_directories(folder))
      return fileError(folder, "cannot be made: " + code.message());
  if (!llvm::sys::fs::exists(path))
    if (llvm::Error error = writeChoices(path, cpu::TileChoices()))
      return error;
  if (kernels.empty())
    return llvm::Error::success();
  for (auto [index, kernel] : llvm::enumerate(kernels)) {
    auto [target, matmul] = kernel;
    progress(index, kernels.size());
    llvm::Expected<cpu::TileChoice> choice =
        tune(matmul, *target, std::min(rows, mostCallRows));
    if (!choice)
      return choice.takeError();
    if (llvm::Error error = addChoice(path, *target, matmul, *choice))
      return error;
  }
  progress(kernels.size(), kernels.size());
  return llvm::Error::success();
}
