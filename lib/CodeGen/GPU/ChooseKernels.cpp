// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Forms.h"
#include "quant-mlir/CodeGen/CPU/PanelLayout.h"
#include "quant-mlir/CodeGen/GPU/Passes.h"
#include "quant-mlir/CodeGen/GPU/Target.h"
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

void quantmlir::cuda::setForms(Operation *op, ArrayRef<Form> forms) {
  Builder b(op->getContext());
  SmallVector<Attribute> list;
  for (const Form &form : forms)
    list.push_back(b.getDictionaryAttr(
        {b.getNamedAttr("form", b.getStringAttr(form.name)),
         b.getNamedAttr("tokens", b.getI64IntegerAttr(form.tokens)),
         b.getNamedAttr("warps", b.getI64IntegerAttr(form.warps))}));
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
    auto tokens = fields ? fields.getAs<IntegerAttr>("tokens") : IntegerAttr();
    auto warps = fields ? fields.getAs<IntegerAttr>("warps") : IntegerAttr();
    if (!name || !tokens || !warps)
      return op->emitOpError("has a form without form, tokens and warps");
    Form form = {name.getValue(), tokens.getInt(), warps.getInt()};
    bool isMMA = form.name == "mma";
    if (form.tokens < 1 || form.tokens > 64 || form.warps < 1 ||
        form.warps > 32 || (isMMA && form.tokens % 8 != 0))
      return op->emitOpError("has a form of ")
             << form.tokens << " tokens and " << form.warps
             << " warps; tokens are 1 to 64, of mma a multiple of 8, and warps "
                "1 to 32";
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

static SmallVector<Form> chooseMatmul(const GPUTarget &gpu,
                                      kernel::MatmulOpInterface op) {
  SmallVector<Form> forms = {{"dot", 1, gpu.warps}};
  if (gpu.dotTokens > 1)
    forms.push_back({"dot", gpu.dotTokens, gpu.warps});
  if (fitsTensorCores(op.getType()))
    forms.push_back({"mma", gpu.mmaTokens, gpu.warps});
  return forms;
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
      if (isa<kernel::MatmulIntOp, kernel::MatmulFloatOp>(op))
        setForms(op, chooseMatmul(*gpu, cast<kernel::MatmulOpInterface>(op)));
      else if (isa<kernel::QuantizeOp>(op))
        setForms(op, Form{"rows", 1, gpu->warps});
    });
  }
};

} // namespace
