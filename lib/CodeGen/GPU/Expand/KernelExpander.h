// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_KERNELEXPANDER_H
#define QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_KERNELEXPANDER_H

// A kernel becomes, for each of its forms, a function of pointers and numbers,
// and in its place a launch of the form that fits.

#include "Expand.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "quant-mlir/CodeGen/GPU/Target.h"

namespace quantmlir::cuda {

/// What a function is given, and what it is known as there: a buffer, or a
/// number.
struct Operand {
  std::string name;
  mlir::Value value;
};

/// What a function has been given.
class Arguments {
public:
  Arguments(llvm::ArrayRef<Operand> operands, mlir::ValueRange values)
      : operands(operands), values(values) {}

  /// Where a buffer is; nowhere if the kernel does not have it.
  Buffer find(llvm::StringRef name) const;
  /// A number, or null.
  mlir::Value number(llvm::StringRef name) const;
  /// The last argument: of the activation, or of what else blocks share along
  /// y.
  mlir::Value rows() const { return values.back(); }

private:
  llvm::ArrayRef<Operand> operands;
  mlir::ValueRange values;
};

class KernelExpander {
public:
  KernelExpander(mlir::gpu::GPUModuleOp functions, mlir::Operation *op,
                 const GPUTarget &gpu)
      : functions(functions), op(op), gpu(gpu), warps(gpu.warps),
        host(op->getLoc(), op) {}

  llvm::LogicalResult expand();
  int64_t numFunctions() const { return count; }

private:
  using Emit = llvm::function_ref<LaunchShape(
      GPUBuilder &b, const Arguments &arguments, const Form &form)>;

  llvm::LogicalResult checkRows(llvm::ArrayRef<Operand> operands);
  llvm::LogicalResult expandMatmul(kernel::MatmulOpInterface matmul);
  llvm::LogicalResult expandQuantize(kernel::QuantizeOp quantize);
  llvm::LogicalResult expandEncode(kernel::EncodeOp encode);
  llvm::LogicalResult expandRound(kernel::RoundOp round);
  llvm::LogicalResult expandSplitOutliers(kernel::SplitOutliersOp split);
  llvm::LogicalResult expandGather(kernel::GatherOp gather);
  llvm::LogicalResult expandNorm(mlir::Value x, mlir::Value gain,
                                 mlir::Value bias, mlir::Value out, double eps,
                                 bool centered);
  llvm::LogicalResult expandRope(kernel::RopeOp rope);
  llvm::LogicalResult expandCacheWrite(kernel::CacheWriteOp write);
  llvm::LogicalResult expandAttention(kernel::AttentionOp attention);
  llvm::LogicalResult expandMerge(kernel::MergeAttentionOp merge);
  llvm::LogicalResult expandLinalg(mlir::linalg::LinalgOp linalg);
  /// What a branch of one thread holds.
  llvm::LogicalResult expandSerial(mlir::scf::IfOp serial);

  llvm::LogicalResult checkPanels(const kernel::PanelLayout &layout);
  llvm::LogicalResult checkTiles(const kernel::PanelLayout &layout,
                                 bool isBytes, llvm::ArrayRef<Form> forms);
  /// The bytes of one weight: this, and not all, is what the GPU is given.
  mlir::Value weightAt(mlir::Value weights, mlir::Value offset, int64_t bytes);
  /// The operands of a cache, and what an emitter makes of them.
  void addCache(mlir::Value cache, mlir::Value layer,
                llvm::SmallVectorImpl<Operand> &operands);
  static Cache findCache(const Arguments &arguments, mlir::MemRefType type);

  /// Operands without a value are left out. `positions`: how many a call sees,
  /// if that decides about forms; one that is not for all may be the only one.
  llvm::LogicalResult emitForms(llvm::SmallVector<Operand> operands,
                                mlir::Value rows, llvm::ArrayRef<Form> forms,
                                Emit emit, mlir::Value positions = {});
  mlir::Value pointerTo(mlir::Value buffer);
  mlir::ArrayAttr describeOperands(llvm::ArrayRef<Operand> operands);
  void launch(mlir::gpu::GPUFuncOp function, const LaunchShape &shape,
              const Form &form, mlir::ValueRange arguments,
              mlir::ArrayAttr described);

  mlir::gpu::GPUModuleOp functions;
  mlir::Operation *op;
  const GPUTarget &gpu;
  int64_t warps; ///< of a block, where the kernel itself does not say
  GPUBuilder host;
  int64_t count = 0;
};

} // namespace quantmlir::cuda

#endif // QUANT_MLIR_LIB_CODEGEN_GPU_EXPAND_KERNELEXPANDER_H
