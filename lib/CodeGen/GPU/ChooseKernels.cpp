// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "FlashShape.h"
#include "Forms.h"
#include "StreamShape.h"
#include "TileStage.h"
#include "quant-mlir/CodeGen/GPU/Passes.h"
#include "quant-mlir/CodeGen/GPU/Target.h"
#include "quant-mlir/CodeGen/Kernel/AttentionSplit.h"
#include "quant-mlir/CodeGen/Kernel/PanelLayout.h"
#include "quant-mlir/Dialect/Kernel/IR/Kernel.h"

namespace quantmlir::cuda {
#define GEN_PASS_DEF_GPUCHOOSEKERNELSPASS
#include "quant-mlir/CodeGen/GPU/Passes.h.inc"
} // namespace quantmlir::cuda

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

//===----------------------------------------------------------------------===//
// The attribute
//===----------------------------------------------------------------------===//

template <typename F>
static auto numbersOf(F &form)
    -> std::array<std::pair<StringRef, decltype((form.tokens))>, 7> {
  return {{{"tokens", form.tokens},
           {"warps", form.warps},
           {"most", form.most},
           {"rows", form.rows},
           {"stages", form.stages},
           {"scaled", form.scaled},
           {"positions", form.positions}}};
}

void quantmlir::cuda::setForms(Operation *op, ArrayRef<Form> forms) {
  Builder b(op->getContext());
  SmallVector<Attribute> list;
  for (const Form &form : forms) {
    SmallVector<NamedAttribute> fields = {
        b.getNamedAttr("form", b.getStringAttr(form.name))};
    for (auto [name, value] : numbersOf(form))
      if (value)
        fields.push_back(b.getNamedAttr(name, b.getI64IntegerAttr(value)));
    list.push_back(b.getDictionaryAttr(fields));
  }
  op->setDiscardableAttr(formsAttrName, b.getArrayAttr(list));
}

FailureOr<SmallVector<Form>> quantmlir::cuda::getForms(Operation *op) {
  auto list = op->getAttrOfType<ArrayAttr>(formsAttrName);
  if (!list || list.empty())
    return op->emitOpError("has no forms (--gpu-choose-kernels)");
  SmallVector<Form> forms;
  for (Attribute each : list) {
    auto fields = dyn_cast<DictionaryAttr>(each);
    auto name = fields ? fields.getAs<StringAttr>("form") : StringAttr();
    Form form = {name ? name.getValue() : "", 0, 0};
    for (auto [field, value] : numbersOf(form))
      if (auto number = fields ? fields.getAs<IntegerAttr>(field) : nullptr)
        value = number.getInt();
    if (!name || !form.tokens || !form.warps)
      return op->emitOpError("has a form without form, tokens and warps");
    if (form.tokens < 1 || form.warps < 1 || form.warps > 32)
      return op->emitOpError("has a form of ")
             << form.tokens << " tokens and " << form.warps
             << " warps; there is at least a token, and warps are 1 to 32";
    bool isMMA = form.name == "mma", isTiles = form.name == "tiles";
    bool isStream = form.name == "stream";
    if (!form.isTiled() &&
        (form.tokens > 64 || ((isMMA || isStream) && form.tokens % 8 != 0)))
      return op->emitOpError("has a form of ")
             << form.tokens
             << " tokens; they are 1 to 64, of mma and stream a multiple of 8";
    if (isStream && form.rows != 32 && form.rows != 64)
      return op->emitOpError("has stream of ")
             << form.rows << " rows; they are 32 or 64";
    if (isMMA && (form.rows % 16 != 0 || form.rows > 64))
      return op->emitOpError("has mma of ")
             << form.rows << " rows; they are a multiple of 16, at most 64";
    int64_t shares = form.rows / 32;
    if (isTiles && (shares < 1 || form.rows % 32 != 0 || form.stages < 2 ||
                    form.warps % shares != 0 ||
                    form.tokens % (form.warps / shares * 8) != 0))
      return op->emitOpError("has tiles of ")
             << form.rows << " rows by " << form.tokens << " tokens, "
             << form.warps << " warps and " << form.stages
             << " stages; a warp takes 32 rows and a multiple of 8 tokens, and "
                "there are two stages or more";
    if (form.scaled && !form.readsMemory())
      return op->emitOpError("has scaled weights in the form ")
             << form.name << "; only wgmma knows them";
    if (form.readsMemory() &&
        (form.rows < 128 || form.rows % 128 != 0 ||
         form.warps * 32 != form.rows || form.tokens % 8 != 0 ||
         form.tokens > 256 || form.stages < 3))
      return op->emitOpError("has wgmma of ")
             << form.rows << " rows by " << form.tokens << " tokens, "
             << form.warps << " warps and " << form.stages
             << " stages; a warp takes 32 rows, four of them are together, "
                "tokens are a multiple of 8 and at most 256, and there are "
                "three stages or more";
    forms.push_back(form);
  }
  return forms;
}

//===----------------------------------------------------------------------===//
// The choice
//===----------------------------------------------------------------------===//

/// Whether tensor cores have the weight's numbers, or f16 is as good as what
/// stands for them.
static bool fitsTensorCores(qt::QuantTensorType type) {
  qt::LaneForm form = type.getScheme().getLaneForm(type.getRowLength());
  return form.kind == qt::LaneForm::Kind::Integer || !form.floatType.isF32();
}

static constexpr int64_t mostMMARows = 32;
/// Shared memory that a block has for the system.
static constexpr int64_t blocksOverhead = 1024;

/// No more rows than the weight has, and as many stages as there is room for.
/// Products of four warps take 128 rows.
static Form chooseTiles(const GPUTarget &gpu, const TileSizes &sizes,
                        const kernel::PanelLayout &layout, bool isBytes,
                        StringRef name) {
  int64_t unit = name == "wgmma" ? 128 : 32;
  int64_t rows = std::min<int64_t>(sizes.rows, llvm::alignTo(layout.n, unit));
  Form form = {name, sizes.tokens, sizes.warps * rows / sizes.rows};
  form.rows = rows;
  // Two blocks of four warps are to share a processor.
  int64_t blocks = name == "wgmma" && form.warps == 4 ? 2 : 1;
  int64_t room = gpu.sharedBytes / blocks - blocksOverhead;
  form.stages =
      std::min(gpu.stages, room / TileStage(layout, isBytes, form).bytes);
  return form;
}

/// As many panels as registers hold the sums of, four at most, so that few
/// blocks read the activations, but three quarters of all processors have
/// something to do.
static Form chooseMMA(const GPUTarget &gpu, const kernel::PanelLayout &layout,
                      int64_t tokens, int64_t most) {
  constexpr int64_t mostSums = 32;
  int64_t panels = std::min<int64_t>(4, mostSums / (tokens / 8 * 4));
  while (panels > 1 && layout.numPanels * 4 < panels * gpu.processors * 3)
    panels /= 2;
  Form form = {"mma", tokens, gpu.warps, most};
  form.rows = std::min(panels, layout.numPanels) * layout.panelRows;
  return form;
}

/// Weights from memory right into registers, of 64 rows if that many leave
/// three quarters of the processors something to do; of more tokens registers
/// hold the sums of 32.
static std::optional<Form> chooseStream(const GPUTarget &gpu,
                                        const kernel::PanelLayout &layout,
                                        bool isBytes, int64_t tokens) {
  for (int64_t rows : {64, 32}) {
    bool isBusy = layout.n * 4 >= rows * gpu.processors * 3;
    if (rows > 32 && (!isBusy || tokens > 16))
      continue;
    Form form = {"stream", tokens, gpu.warps, tokens, rows};
    if (StreamShape::fits(layout, isBytes, form))
      return form;
  }
  return std::nullopt;
}

/// Most rows of a call that are not for tiles: 32, or, as measured on an H200,
/// where these are `wgmma`. Floats wait for its few blocks; sums of short
/// groups are its undoing.
static int64_t mostOfStreams(const GPUTarget &gpu,
                             const kernel::PanelLayout &layout, bool isBytes,
                             bool together) {
  constexpr int64_t shortGroup = 32;
  if (!together)
    return mostMMARows;
  if (isBytes && layout.numGroups > 1 && layout.group <= shortGroup)
    return 4 * mostMMARows;
  bool isWide = layout.n * 4 >= gpu.largeTile.rows * gpu.processors * 3;
  if (isBytes)
    return isWide && layout.numGroups == 1 ? mostMMARows / 2 : mostMMARows;
  return isWide ? mostMMARows : 2 * mostMMARows;
}

/// In the end 32 tokens at a time, if not 64 rows of the weight: scales of
/// short groups leave no registers for that many.
static SmallVector<Form> chooseStreams(const GPUTarget &gpu,
                                       const kernel::PanelLayout &layout,
                                       bool isBytes, bool together) {
  SmallVector<Form> forms;
  for (int64_t tokens : {8, 16, 32})
    if (std::optional<Form> form = chooseStream(gpu, layout, isBytes, tokens))
      forms.push_back(*form);
  if (forms.size() < 3)
    return {};
  bool isShort = layout.numGroups > 1 && layout.group < 64;
  if (forms[1].rows == 64 || isShort)
    forms.pop_back();
  forms.back().most = mostOfStreams(gpu, layout, isBytes, together);
  return forms;
}

/// Tiles by shared memory, the smaller first; where there are products of four
/// warps only these. What a larger one reads less for each product makes it the
/// faster one before it gives every processor something to do: by half where it
/// has four times the rows, by a third where it has twice the tokens
/// (bench/gpu/roofline.py: the second cache is what they wait for).
static void addTiles(const GPUTarget &gpu, const kernel::PanelLayout &layout,
                     bool isBytes, bool together,
                     SmallVectorImpl<Form> &forms) {
  auto choose = [&](const TileSizes &sizes, StringRef name) {
    return chooseTiles(gpu, sizes, layout, isBytes, name);
  };
  auto rowsToFill = [&](const Form &form) {
    return gpu.processors * form.rows * form.tokens / layout.n;
  };
  Form small = choose(gpu.smallTile, "tiles");
  if (gpu.narrowTile.rows && !together) {
    Form narrow = choose(gpu.narrowTile, "tiles");
    narrow.most = rowsToFill(small) * 2 / 3;
    if (narrow.most > mostMMARows)
      forms.push_back(narrow);
  }
  if (layout.n <= small.rows) {
    forms.push_back(small);
    return;
  }
  Form large = choose(gpu.largeTile, together ? "wgmma" : "tiles");
  small.most = rowsToFill(large) / 2;
  if (!together)
    forms.push_back(small);
  forms.push_back(large);
  // Sums of a group, beside those of all, leave no room for so many tokens, nor
  // do four warps that copy 16-bit activations for themselves.
  bool canScale = TileStage::canScale(layout, isBytes);
  if (together && (layout.numGroups == 1 || canScale)) {
    Form wide = choose(gpu.wideTile, "wgmma");
    if (!isBytes && wide.rows < gpu.wideTile.rows)
      return;
    wide.scaled = layout.numGroups > 1;
    forms.back().most = rowsToFill(wide) * 2 / 3;
    forms.push_back(wide);
  }
}

static SmallVector<Form> chooseMatmul(const GPUTarget &gpu,
                                      kernel::MatmulOpInterface op) {
  kernel::PanelLayout layout(op.getType());
  bool isInteger = isa<kernel::MatmulIntOp>(op);
  bool isBytes = isInteger || isa<kernel::MatmulFloat8Op>(op);
  Form one = {"dot", 1, gpu.warps}, some = {"dot", gpu.dotTokens, gpu.warps};
  if (!fitsTensorCores(op.getType()))
    return gpu.dotTokens > 1 ? SmallVector<Form>{one, some}
                             : SmallVector<Form>{one};
  SmallVector<Form> forms;
  auto floats = dyn_cast<kernel::MatmulFloatOp>(op.getOperation());
  bool isSparse = floats && floats.getColumns();
  bool together =
      gpu.wgmma && TileStage::fits(layout, isBytes, {"wgmma", 0, 0});
  SmallVector<Form> streams;
  if (!isSparse)
    streams = chooseStreams(gpu, layout, isBytes, together);
  if (!streams.empty()) {
    // Of one token, if nothing is to be decoded and scaled, lanes are faster.
    if (isInteger && layout.numGroups == 1)
      forms.push_back(one);
    llvm::append_range(forms, streams);
  } else {
    forms.push_back(one);
    if (!isInteger)
      forms.push_back(chooseMMA(gpu, layout, 8, 8));
    else if (gpu.dotTokens > 1)
      forms.push_back(some);
    // Two tiles of it, where there is something better for more.
    forms.push_back(chooseMMA(gpu, layout, gpu.mmaTokens, mostMMARows));
  }
  if (TileStage::fits(layout, isBytes, {"tiles", 0, 0}))
    addTiles(gpu, layout, isBytes, together, forms);
  return forms;
}

/// A head of a row for each block leaves most processors nothing to do when a
/// token is decoded: many positions are split over some.
static Form chooseSplit(const GPUTarget &gpu, StringRef name, int64_t group) {
  constexpr int64_t rounds = 4; // of a block's warps, from which on it pays
  Form form = {name, 1, gpu.warps, kernel::AttentionSplit::rows / group};
  form.positions = rounds * gpu.warps * 32;
  return form;
}

/// Tensor cores once there would be more than two heads of a row for each
/// processor: their few blocks take their time, too. They would round what is
/// kept as f32.
static SmallVector<Form> chooseAttention(const GPUTarget &gpu,
                                         kernel::AttentionOp op) {
  Form heads = {"heads", 1, gpu.warps}, flash = {"flash", 1, 4};
  flash.rows = 16 * flash.warps;
  FlashShape shape(op, flash);
  auto cache = cast<MemRefType>(op.getCache().getType());
  SmallVector<Form> forms;
  if (op.getPartials() && shape.group <= kernel::AttentionSplit::rows)
    forms.push_back(chooseSplit(gpu, "split", shape.group));
  forms.push_back(heads);
  if (cache.getElementType().isF32() || !shape.fits(flash, gpu))
    return forms;
  flash.tokens = flash.rows / shape.group;
  int64_t allHeads = op.getHeads();
  forms.back().most = std::max<int64_t>(2 * gpu.processors / allHeads, 1);
  forms.push_back(flash);
  return forms;
}

/// What attention that is split leaves; see there.
static void chooseMerge(const GPUTarget &gpu, kernel::MergeAttentionOp op) {
  auto partials = cast<MemRefType>(op.getPartials().getType());
  int64_t allHeads = op.getHeads(), group = allHeads / partials.getDimSize(1);
  if (group <= kernel::AttentionSplit::rows)
    setForms(op, chooseSplit(gpu, "segments", group));
}

namespace {

struct ChooseKernels : cuda::impl::GPUChooseKernelsPassBase<ChooseKernels> {
  using GPUChooseKernelsPassBase::GPUChooseKernelsPassBase;

  void runOnOperation() override {
    llvm::Expected<GPUTarget> gpu = parseGPUTarget(target);
    if (!gpu) {
      getOperation().emitError(llvm::toString(gpu.takeError()));
      return signalPassFailure();
    }
    getOperation().walk([&](Operation *op) {
      if (op->hasAttr(formsAttrName))
        return;
      if (isa<kernel::MatmulIntOp, kernel::MatmulFloat8Op,
              kernel::MatmulFloatOp>(op))
        setForms(op, chooseMatmul(*gpu, cast<kernel::MatmulOpInterface>(op)));
      else if (auto attention = dyn_cast<kernel::AttentionOp>(op))
        setForms(op, chooseAttention(*gpu, attention));
      else if (auto merge = dyn_cast<kernel::MergeAttentionOp>(op))
        chooseMerge(*gpu, merge);
      else if (isa<kernel::QuantizeOp>(op))
        setForms(op, Form{"rows", 1, gpu->warps});
    });
  }
};

} // namespace
