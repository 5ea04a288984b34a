// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "../StreamShape.h"
#include "KernelExpander.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "quant-mlir/CodeGen/GPU/Passes.h"
#include "quant-mlir/Dialect/Utils/SmallFloatIR.h"
#include "llvm/ADT/TypeSwitch.h"

namespace quantmlir::cuda {
#define GEN_PASS_DEF_GPUEXPANDPASS
#include "quant-mlir/CodeGen/GPU/Passes.h.inc"
} // namespace quantmlir::cuda

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

LogicalResult KernelExpander::checkPanels(const kernel::PanelLayout &layout) {
  if (layout.panelRows != 16)
    return op->emitOpError("has a weight packed for panels of ")
           << layout.panelRows << " rows, not 16 (--gpu-pack)";
  bool isFloat = layout.form.kind == qt::LaneForm::Kind::Float;
  if (isFloat && layout.depth != 4)
    return op->emitOpError("has floats that do not lie in words (--gpu-pack)");
  return success();
}

LogicalResult KernelExpander::checkTiles(const kernel::PanelLayout &layout,
                                         bool isBytes, ArrayRef<Form> forms) {
  for (const Form &form : forms) {
    if (form.name == "stream" && !StreamShape::fits(layout, isBytes, form))
      return op->emitOpError("has groups of ")
             << layout.group
             << " values, which the form stream does not take (form mma)";
    if (!form.isTiled())
      continue;
    if (!TileStage::fits(layout, isBytes, form))
      return op->emitOpError("has groups of ")
             << layout.group
             << " values; tiles have 16 or a multiple of 32, wgmma of bytes "
                "a multiple of 32 (form mma)";
    if (form.scaled && !TileStage::canScale(layout, isBytes))
      return op->emitOpError("has scaled weights; these are integers with "
                             "scales, for activations of floats");
    if (form.readsMemory() && !gpu.wgmma)
      return op->emitOpError("has the form wgmma, which ")
             << gpu.chip << " does not know";
    int64_t bytes = form.stages * TileStage(layout, isBytes, form).bytes;
    if (bytes > gpu.sharedBytes)
      return op->emitOpError("has tiles of ")
             << bytes << " bytes of shared memory; " << gpu.chip << " has "
             << gpu.sharedBytes;
  }
  return success();
}

Value KernelExpander::weightAt(Value weights, Value offset, int64_t bytes) {
  return memref::SubViewOp::create(
      host, weights, ArrayRef<OpFoldResult>{offset},
      ArrayRef<OpFoldResult>{host.getIndexAttr(bytes)},
      ArrayRef<OpFoldResult>{host.getIndexAttr(1)});
}

LogicalResult
KernelExpander::expandMatmul(kernel::MatmulOpInterface interface) {
  Matmul matmul = {kernel::PanelLayout(interface.getType())};
  Value weights, offset, bias, residual;
  SmallVector<Operand> operands;
  auto common = [&](auto op) {
    weights = op.getWeights();
    offset = op.getOffset();
    bias = op.getBias();
    residual = op.getResidual();
  };
  if (auto integer = dyn_cast<kernel::MatmulIntOp>(op)) {
    common(integer);
    operands = {{"codes", integer.getCodes()},
                {"scales", integer.getScales()},
                {"sums", integer.getSums()}};
    matmul.xGroup = integer.getGroup();
  } else if (auto small = dyn_cast<kernel::MatmulFloat8Op>(op)) {
    common(small);
    operands = {{"codes", small.getX()}, {"scales", small.getScales()}};
    matmul.xGroup = small.getGroup();
    matmul.xFloat = cast<FloatType>(small.getCodes());
  } else {
    auto floats = cast<kernel::MatmulFloatOp>(op);
    common(floats);
    operands = {{floats.getCodes() ? "codes" : "x", floats.getX()},
                {"columns", floats.getColumns()}};
    if (std::optional<Type> codes = floats.getCodes())
      matmul.xHalf = cast<FloatType>(*codes);
  }
  if (failed(checkPanels(matmul.layout)))
    return failure();
  FailureOr<SmallVector<Form>> forms = getForms(op);
  if (failed(forms) ||
      failed(checkTiles(matmul.layout, matmul.hasCodes(), *forms)))
    return failure();
  Value experts = interface.getExperts();
  int64_t numExperts = 1;
  if (experts)
    numExperts = cast<MemRefType>(experts.getType()).getDimSize(0) - 1;
  Value start =
      weightAt(weights, offset, numExperts * matmul.layout.totalBytes);
  Value out = interface.getOut();
  operands.append({{"bias", bias},
                   {"residual", residual},
                   {"experts", experts},
                   {"out", out},
                   {"weights", start}});
  if (failed(checkRows(operands)))
    return failure();
  Value rows = memref::DimOp::create(host, out, 0);
  return emitForms(
      operands, rows, *forms,
      [&](GPUBuilder &b, const Arguments &given, const Form &form) {
        matmul.x =
            given.find(matmul.hasCodes() || matmul.xHalf ? "codes" : "x");
        // A warp multiplies 32 at a time.
        bool fits = matmul.layout.wordsPerGroup() % 8 == 0;
        matmul.multipliesFloat8 =
            matmul.xFloat &&
            (form.readsMemory() || (form.isTiled() && gpu.float8 && fits));
        matmul.columns = given.find("columns");
        matmul.scales = given.find("scales");
        matmul.sums = given.find("sums");
        matmul.bias = given.find("bias");
        matmul.residual = given.find("residual");
        matmul.out = given.find("out");
        matmul.weights = given.find("weights").pointer;
        matmul.rows = given.rows();
        matmul.firstToken = b.mul(b.block('y'), form.tokens);
        matmul.rowBlock = b.block('x');
        if (form.isTiled() && !experts)
          matmul.orderBlocks(b, form.rows, form.tokens, /*high=*/16);
        auto emit = [&] {
          return form.isTiled()          ? emitMatmulTiles(b, matmul, form)
                 : form.name == "stream" ? emitMatmulStream(b, matmul, form)
                 : form.name == "mma"    ? emitMatmulMMA(b, matmul, form)
                                         : emitMatmulDot(b, matmul, form);
        };
        if (!experts)
          return emit();
        LaunchShape shape;
        Value isThere = matmul.findExpert(b, given.find("experts"), numExperts,
                                          form.tokens);
        b.onlyIf(isThere, [&] { shape = emit(); });
        // Each may begin a block more.
        shape.moreBlocks = numExperts;
        return shape;
      });
}

/// What is read, and how it is to be scaled.
template <typename Op>
static Activation readActivation(Op op, const Arguments &given) {
  return {given.find("x"),        given.find("multiplier"), given.find("scale"),
          int64_t(op.getGroup()), op.getPerTensor(),        given.rows()};
}

LogicalResult KernelExpander::expandQuantize(kernel::QuantizeOp quantize) {
  int64_t group = quantize.getGroup(), sumGroup = quantize.getSumGroup();
  int64_t k = cast<MemRefType>(quantize.getX().getType()).getDimSize(1);
  int64_t larger = std::max(group, sumGroup);
  int64_t smaller = std::min(group, sumGroup);
  if (k % 4 != 0 || smaller % 4 != 0 || larger % smaller != 0)
    return op->emitOpError("has rows of ")
           << k << " values in groups of " << group << " and sums of "
           << sumGroup << "; GPU kernels need multiples of 4";
  SmallVector<Operand> operands = {{"x", quantize.getX()},
                                   {"multiplier", quantize.getMultiplier()},
                                   {"scale", quantize.getScale()},
                                   {"codes", quantize.getCodes()},
                                   {"scales", quantize.getScales()},
                                   {"sums", quantize.getSums()}};
  FailureOr<SmallVector<Form>> forms = getForms(op);
  if (failed(forms) || failed(checkRows(operands)))
    return failure();
  Value rows = memref::DimOp::create(host, quantize.getX(), 0);
  return emitForms(
      operands, rows, *forms,
      [&](GPUBuilder &b, const Arguments &given, const Form &form) {
        Quantize parts = {readActivation(quantize, given), given.find("codes"),
                          given.find("scales"), given.find("sums"), sumGroup};
        return emitQuantize(b, parts, form);
      });
}

LogicalResult
KernelExpander::expandSplitOutliers(kernel::SplitOutliersOp split) {
  Value rows = memref::DimOp::create(host, split.getX(), 0);
  SmallVector<Operand> operands = {{"x", split.getX()},
                                   {"inliers", split.getInliers()},
                                   {"outliers", split.getOutliers()},
                                   {"columns", split.getColumns()},
                                   {"all_rows", rows}};
  int64_t k = cast<MemRefType>(split.getX().getType()).getDimSize(1);
  if (k % 4 != 0)
    return op->emitOpError("has rows of ")
           << k << " values; GPU kernels need a multiple of 4";
  if (failed(checkRows(operands)))
    return failure();
  // A block goes through all rows.
  return emitForms(
      operands, host.index(1), Form{"columns", 1, warps},
      [&](GPUBuilder &b, const Arguments &given, const Form &form) {
        SplitOutliers parts = {given.find("x"),
                               given.find("inliers"),
                               given.find("outliers"),
                               given.find("columns"),
                               split.getThreshold().convertToDouble(),
                               split.getPerToken(),
                               given.number("all_rows")};
        return emitSplitOutliers(b, parts, form);
      });
}

LogicalResult KernelExpander::expandEncode(kernel::EncodeOp encode) {
  int64_t k = cast<MemRefType>(encode.getX().getType()).getDimSize(1);
  int64_t group = encode.getGroup();
  Type type = encode.getType();
  bool isHalf = type.isF16() || type.isBF16();
  bool isKnown = isHalf || (encode.getBytes() && getSmallFloat(type));
  if (!isKnown || k % 4 != 0 || (group < k && group % 4 != 0))
    return op->emitOpError("makes ")
           << type << " of rows of " << k << " values in groups of " << group
           << "; GPU kernels make f16, bf16, and bytes of f8E4M3FN and "
              "f8E5M2, of multiples of 4";
  SmallVector<Operand> operands = {{"x", encode.getX()},
                                   {"multiplier", encode.getMultiplier()},
                                   {"scale", encode.getScale()},
                                   {"codes", encode.getCodes()},
                                   {"scales", encode.getScales()}};
  if (failed(checkRows(operands)))
    return failure();
  Value rows = memref::DimOp::create(host, encode.getX(), 0);
  return emitForms(
      operands, rows, Form{"rows", 1, warps},
      [&](GPUBuilder &b, const Arguments &given, const Form &form) {
        Round parts = {readActivation(encode, given), /*out=*/{},
                       given.find("codes"), given.find("scales"), type};
        // Without a scale, warps share a row as they like.
        if (isHalf)
          parts.group = 256;
        return emitRound(b, parts, form);
      });
}

LogicalResult KernelExpander::expandRound(kernel::RoundOp round) {
  if (!getSmallFloat(round.getType()) && !round.getType().isBF16() &&
      !round.getType().isInteger(8))
    return op->emitOpError("rounds to ")
           << round.getType()
           << "; GPU kernels know f8E4M3FN, f8E5M2, bf16 and i8";
  SmallVector<Operand> operands = {{"x", round.getX()},
                                   {"multiplier", round.getMultiplier()},
                                   {"scale", round.getScale()},
                                   {"rounded", round.getOut()}};
  if (failed(checkRows(operands)))
    return failure();
  Value rows = memref::DimOp::create(host, round.getX(), 0);
  return emitForms(
      operands, rows, Form{"rows", 1, warps},
      [&](GPUBuilder &b, const Arguments &given, const Form &form) {
        Round parts = {readActivation(round, given), given.find("rounded"),
                       /*codes=*/{}, /*scales=*/{}, round.getType()};
        return emitRound(b, parts, form);
      });
}

LogicalResult KernelExpander::expand() {
  if (isa<kernel::MatmulIntOp, kernel::MatmulFloat8Op, kernel::MatmulFloatOp>(
          op))
    return expandMatmul(cast<kernel::MatmulOpInterface>(op));
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case(
          [&](kernel::QuantizeOp quantize) { return expandQuantize(quantize); })
      .Case([&](kernel::RoundOp round) { return expandRound(round); })
      .Case([&](kernel::EncodeOp encode) { return expandEncode(encode); })
      .Case([&](kernel::SplitOutliersOp split) {
        return expandSplitOutliers(split);
      })
      .Case([&](kernel::GatherOp gather) { return expandGather(gather); })
      .Case([&](kernel::RMSNormOp norm) {
        return expandNorm(norm.getX(), norm.getGain(), Value(), norm.getOut(),
                          norm.getEps().convertToDouble(), /*centered=*/false);
      })
      .Case([&](kernel::LayerNormOp norm) {
        return expandNorm(norm.getX(), norm.getGain(), norm.getBias(),
                          norm.getOut(), norm.getEps().convertToDouble(),
                          /*centered=*/true);
      })
      .Case([&](kernel::RopeOp rope) { return expandRope(rope); })
      .Case([&](kernel::CacheWriteOp write) { return expandCacheWrite(write); })
      .Case([&](kernel::AttentionOp attention) {
        return expandAttention(attention);
      })
      .Case([&](kernel::MergeAttentionOp merge) { return expandMerge(merge); })
      .Case([&](linalg::LinalgOp linalg) { return expandLinalg(linalg); })
      .Case([&](scf::IfOp serial) { return expandSerial(serial); })
      .Default([](Operation *unknown) {
        return unknown->emitOpError("has no GPU kernel yet");
      });
}

/// What GPUs have an instruction for, or the back end a few of them.
static StringRef intrinsicOf(Operation *op) {
  return TypeSwitch<Operation *, StringRef>(op)
      .Case([](math::AbsFOp) { return "llvm.fabs"; })
      .Case([](math::CeilOp) { return "llvm.ceil"; })
      .Case([](math::CopySignOp) { return "llvm.copysign"; })
      .Case([](math::FloorOp) { return "llvm.floor"; })
      .Case([](math::FmaOp) { return "llvm.fma"; })
      .Case([](math::RoundEvenOp) { return "llvm.roundeven"; })
      .Case([](math::SqrtOp) { return "llvm.sqrt"; })
      .Case([](math::TruncOp) { return "llvm.trunc"; })
      .Default([](Operation *) { return ""; });
}

/// Polynomials for exp and the like, intrinsics for the rest: ops of math would
/// become calls of a library of the CUDA toolkit.
static LogicalResult lowerMath(mlir::gpu::GPUModuleOp functions) {
  RewritePatternSet patterns(functions.getContext());
  populateMathPolynomialApproximationPatterns(patterns);
  if (failed(applyPatternsGreedily(functions, std::move(patterns))))
    return failure();
  SmallVector<Operation *> ops;
  functions.walk([&](Operation *op) {
    if (isa<math::MathDialect>(op->getDialect()))
      ops.push_back(op);
  });
  for (Operation *op : ops) {
    Type type = op->getResultTypes().front();
    StringRef name = intrinsicOf(op);
    if (name.empty() || !isa<FloatType>(type))
      return op->emitOpError("has no GPU code yet");
    GPUBuilder b(op->getLoc(), op);
    std::string suffix = ".f" + std::to_string(type.getIntOrFloatBitWidth());
    Value result = b.intrinsic((name + suffix).str(), type, op->getOperands());
    op->replaceAllUsesWith(ValueRange(result));
    op->erase();
  }
  return success();
}

/// A branch that thread 0 alone takes, as --kernel-distribute writes it.
static bool isSerial(func::FuncOp function, scf::IfOp branch) {
  auto compare = branch.getCondition().getDefiningOp<arith::CmpIOp>();
  unsigned count = function.getNumArguments();
  return compare && count >= 2 && branch.getNumResults() == 0 &&
         branch.getElseRegion().empty() &&
         compare.getPredicate() == arith::CmpIPredicate::eq &&
         compare.getLhs() == function.getArgument(count - 2) &&
         matchPattern(compare.getRhs(), m_Zero());
}

/// Kernels, or what one thread does in a function without any.
static void findKernels(func::FuncOp function,
                        SmallVectorImpl<Operation *> &kernels) {
  size_t before = kernels.size();
  function.walk([&](Operation *op) {
    if (isa<kernel::KernelOpInterface, linalg::LinalgOp>(op))
      kernels.push_back(op);
  });
  if (kernels.size() != before || function.isExternal())
    return;
  for (auto branch : function.getOps<scf::IfOp>())
    if (isSerial(function, branch))
      kernels.push_back(branch);
}

namespace {

struct ExpandKernels : cuda::impl::GPUExpandPassBase<ExpandKernels> {
  using GPUExpandPassBase::GPUExpandPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::Expected<GPUTarget> gpu = parseGPUTarget(target);
    if (!gpu) {
      module.emitError(llvm::toString(gpu.takeError()));
      return signalPassFailure();
    }
    SmallVector<Operation *> kernels;
    for (auto function : module.getOps<func::FuncOp>())
      findKernels(function, kernels);
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    auto functions =
        mlir::gpu::GPUModuleOp::create(builder, module.getLoc(), "kernels");
    module->setAttr(mlir::gpu::GPUDialect::getContainerModuleAttrName(),
                    builder.getUnitAttr());
    for (Operation *op : kernels) {
      KernelExpander expander(functions, op, *gpu);
      if (failed(expander.expand()))
        return signalPassFailure();
      numFunctions += expander.numFunctions();
      op->erase();
    }
    if (failed(lowerMath(functions)))
      return signalPassFailure();
  }
};

} // namespace
