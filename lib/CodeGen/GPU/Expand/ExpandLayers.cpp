// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is between matmuls: each kernel has one form.

#include "KernelExpander.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "quant-mlir/CodeGen/Kernel/RopeAngles.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

LogicalResult KernelExpander::expandGather(kernel::GatherOp gather) {
  Gather parts = {
      kernel::PanelLayout(cast<qt::QuantTensorType>(gather.getType()))};
  if (failed(checkPanels(parts.layout)))
    return failure();
  SmallVector<Operand> operands = {
      {"ids", gather.getIds()},
      {"out", gather.getOut()},
      {"weights", weightAt(gather.getWeights(), gather.getOffset(),
                           parts.layout.totalBytes)}};
  if (failed(checkRows(operands)))
    return failure();
  Value rows = memref::DimOp::create(host, gather.getIds(), 0);
  return emitForms(
      operands, rows, Form{"rows", 1, warps},
      [&](GPUBuilder &b, const Arguments &given, const Form &form) {
        parts.ids = given.find("ids");
        parts.out = given.find("out");
        parts.weights = given.find("weights").pointer;
        return emitGather(b, parts, form);
      });
}

LogicalResult KernelExpander::expandNorm(Value x, Value gain, Value bias,
                                         Value out, double eps, bool centered) {
  SmallVector<Operand> operands = {
      {"x", x}, {"gain", gain}, {"bias", bias}, {"out", out}};
  if (failed(checkRows(operands)))
    return failure();
  Value rows = memref::DimOp::create(host, x, 0);
  return emitForms(
      operands, rows, Form{"rows", 1, warps},
      [&](GPUBuilder &b, const Arguments &given, const Form &form) {
        Norm norm = {given.find("x"),
                     given.find("gain"),
                     given.find("bias"),
                     given.find("out"),
                     eps,
                     centered};
        return emitNorm(b, norm, form);
      });
}

LogicalResult KernelExpander::expandRope(kernel::RopeOp rope) {
  SmallVector<Operand> operands = {{"x", rope.getX()},
                                   {"out", rope.getOut()},
                                   {"position", rope.getPosition()}};
  if (failed(checkRows(operands)))
    return failure();
  Value rows = memref::DimOp::create(host, rope.getX(), 0);
  return emitForms(
      operands, rows, Form{"heads", 1, warps},
      [&](GPUBuilder &b, const Arguments &given, const Form &form) {
        Rope parts = {given.find("x"),          given.find("out"),
                      given.number("position"), int64_t(rope.getHeadSize()),
                      rope.getStyle(),          kernel::ropeFrequencies(rope)};
        return emitRope(b, parts, form);
      });
}

void KernelExpander::addCache(Value cache, Value layer,
                              SmallVectorImpl<Operand> &operands) {
  Value positions = memref::DimOp::create(host, cache, 3);
  operands.append(
      {{"cache", cache}, {"layer", layer}, {"positions", positions}});
}

Cache KernelExpander::findCache(const Arguments &given, MemRefType type) {
  int64_t size = type.getDimSize(4);
  if (type.getElementType().isInteger())
    size -= lm::KVCacheType::scaleBytes;
  return {given.find("cache"), type.getDimSize(2), size, given.number("layer"),
          given.number("positions")};
}

LogicalResult KernelExpander::expandCacheWrite(kernel::CacheWriteOp write) {
  SmallVector<Operand> operands = {{"key", write.getKey()},
                                   {"value", write.getValue()},
                                   {"position", write.getPosition()}};
  if (failed(checkRows(operands)))
    return failure();
  addCache(write.getCache(), write.getLayer(), operands);
  auto type = cast<MemRefType>(write.getCache().getType());
  Value rows = memref::DimOp::create(host, write.getKey(), 0);
  return emitForms(
      operands, rows, Form{"heads", 1, warps},
      [&](GPUBuilder &b, const Arguments &given, const Form &form) {
        CacheWrite parts = {given.find("key"), given.find("value"),
                            findCache(given, type), given.number("position")};
        return emitCacheWrite(b, parts, form);
      });
}

static Partials findPartials(const Arguments &given, MemRefType type) {
  return {given.find("partials").pointer, type.getDimSize(0),
          type.getDimSize(1), type.getDimSize(2), type.getDimSize(3)};
}

/// What attention that is not split has written itself.
LogicalResult KernelExpander::expandMerge(kernel::MergeAttentionOp merge) {
  if (!merge->hasAttr(formsAttrName))
    return success();
  FailureOr<SmallVector<Form>> forms = getForms(op);
  SmallVector<Operand> operands = {{"out", merge.getOut()}};
  if (failed(forms) || failed(checkRows(operands)))
    return failure();
  operands.push_back({"partials", merge.getPartials()});
  auto type = cast<MemRefType>(merge.getPartials().getType());
  Value rows = memref::DimOp::create(host, merge.getOut(), 0);
  return emitForms(
      operands, rows, *forms,
      [&](GPUBuilder &b, const Arguments &given, const Form &form) {
        return emitMerge(b, findPartials(given, type), given.find("out"),
                         merge.getHeads(), form);
      },
      host.add(merge.getPosition(), rows));
}

LogicalResult KernelExpander::expandAttention(kernel::AttentionOp attention) {
  SmallVector<Operand> operands = {{"query", attention.getQuery()},
                                   {"out", attention.getOut()},
                                   {"position", attention.getPosition()}};
  if (failed(checkRows(operands)))
    return failure();
  addCache(attention.getCache(), attention.getLayer(), operands);
  if (Value mask = attention.getMask()) {
    // Its rows may be as long as there are tokens.
    auto type = cast<MemRefType>(mask.getType());
    if (type.getRank() != 2 || type.getStridesAndOffset().first[1] != 1)
      return op->emitOpError("has a mask whose rows do not lie in one piece");
    auto parts = memref::ExtractStridedMetadataOp::create(host, mask);
    operands.append(
        {{"mask", mask}, {"mask_stride", parts.getStrides().front()}});
  }
  FailureOr<SmallVector<Form>> forms = getForms(op);
  if (failed(forms))
    return failure();
  for (const Form &form : *forms) {
    if (form.name == "split" && !attention.getPartials())
      return op->emitOpError("has the form split, and no room for its parts");
    if (form.name == "flash" && !FlashShape(attention, form).fits(form, gpu))
      return op->emitOpError("has the form flash of ")
             << form.rows << " rows and " << form.warps
             << " warps; there are 16 rows for each warp, all heads of a "
                "token's keys, and these have a multiple of 16 elements, at "
                "most 256";
  }
  operands.push_back({"partials", attention.getPartials()});
  auto type = cast<MemRefType>(attention.getCache().getType());
  Value rows = memref::DimOp::create(host, attention.getQuery(), 0);
  return emitForms(
      operands, rows, *forms,
      [&](GPUBuilder &b, const Arguments &given, const Form &form) {
        Attention parts = {given.find("query"), given.find("mask"),
                           given.find("out"), Partials(),
                           findCache(given, type)};
        if (Value partials = attention.getPartials())
          parts.partials =
              findPartials(given, cast<MemRefType>(partials.getType()));
        parts.position = given.number("position");
        parts.rows = given.rows();
        parts.maskStride = given.number("mask_stride");
        parts.heads = attention.getHeads();
        parts.scale = attention.getScale().convertToDouble();
        parts.causal = attention.getCausal();
        if (auto window = attention.getWindow())
          parts.window = *window;
        if (auto softcap = attention.getSoftcap())
          parts.softcap = softcap->convertToDouble();
        if (form.name == "flash")
          return emitFlashAttention(b, parts, FlashShape(attention, form),
                                    form);
        return emitAttention(b, parts, form);
      },
      host.add(attention.getPosition(), rows));
}
