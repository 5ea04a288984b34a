// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a tile of rows reads of the weight is decoded once for all of them, so
// the more rows the better, until their accumulators leave no registers. Where
// that is depends on the format, so the table of targets has a number for each
// kind of kernel, and a machine may know better.

#include "Expand/Expand.h"
#include "quant-mlir/CodeGen/CPU/Passes.h"
#include "quant-mlir/CodeGen/CPU/TileChoices.h"

namespace quantmlir::cpu {
#define GEN_PASS_DEF_CPUCHOOSETILESPASS
#include "quant-mlir/CodeGen/CPU/Passes.h.inc"
} // namespace quantmlir::cpu

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;

static bool hasTileProduct(const CPUTarget &target, Operation *matmul,
                           const PanelLayout &layout) {
  if (isa<kernel::MatmulIntOp>(matmul))
    return TileProduct::fitsBytes(target, layout);
  if (!isa<kernel::MatmulBF16Op>(matmul))
    return false;
  return layout.form.floatType && layout.form.floatType.isBF16()
             ? TileProduct::fitsPairs(target, layout)
             : TileProduct::fitsDecoded(target, layout);
}

FailureOr<int64_t>
quantmlir::cpu::defaultTileRows(const CPUTarget &target,
                                kernel::MatmulOpInterface matmul) {
  FailureOr<PanelLayout> layout = readPanels(target, matmul, matmul.getType());
  if (failed(layout))
    return failure();
  if (hasTileProduct(target, matmul, *layout))
    return fitRows(target, TileProduct::rows, *layout);
  int64_t rows = target.rowsInt;
  if (isa<kernel::MatmulFloatOp>(matmul))
    rows = target.rowsFloat;
  else if (isa<kernel::MatmulIntOp>(matmul) && layout->numGroups > 1)
    rows = target.rowsIntGroups;
  return fitRows(target, rows, *layout);
}

namespace {

struct ChooseTiles : cpu::impl::CPUChooseTilesPassBase<ChooseTiles> {
  using CPUChooseTilesPassBase::CPUChooseTilesPassBase;

  void runOnOperation() override {
    if (llvm::Error error = choose()) {
      getOperation().emitError(llvm::toString(std::move(error)));
      return signalPassFailure();
    }
  }

private:
  llvm::Error choose();
};

} // namespace

llvm::Error ChooseTiles::choose() {
  llvm::Expected<CPUTarget> cpu = parseCPUTarget(target);
  if (!cpu)
    return cpu.takeError();
  llvm::Expected<TileChoices> measured =
      choices.empty() ? llvm::Expected<TileChoices>(TileChoices())
                      : TileChoices::load(choices);
  if (!measured)
    return measured.takeError();
  getOperation().walk([&](kernel::MatmulOpInterface matmul) {
    if (matmul.getRows())
      return WalkResult::advance();
    if (std::optional<TileChoice> choice = measured->lookup(*cpu, matmul)) {
      ++numMeasured;
      matmul.setRows(choice->rows);
      return WalkResult::advance();
    }
    FailureOr<int64_t> rows = defaultTileRows(*cpu, matmul);
    if (failed(rows)) {
      signalPassFailure();
      return WalkResult::interrupt();
    }
    matmul.setRows(*rows);
    return WalkResult::advance();
  });
  return llvm::Error::success();
}
