// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_CODEGEN_KERNEL_KERNELPATTERN_H
#define QUANT_MLIR_LIB_CODEGEN_KERNEL_KERNELPATTERN_H

// What the patterns of convert-to-kernel have in common.

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Transforms/DialectConversion.h"
#include "quant-mlir/Dialect/Kernel/IR/Kernel.h"

namespace quantmlir::kernel {

/// The op becomes a kernel on buffers.
template <typename Op> struct KernelPattern : mlir::OpConversionPattern<Op> {
  using mlir::OpConversionPattern<Op>::OpConversionPattern;

protected:
  /// A buffer as [rows, last dimension].
  static mlir::Value asRows(mlir::OpBuilder &builder, mlir::Location loc,
                            mlir::Value buffer) {
    int64_t rank = llvm::cast<mlir::MemRefType>(buffer.getType()).getRank();
    if (rank == 2)
      return buffer;
    llvm::SmallVector<mlir::ReassociationIndices> groups(2);
    for (int64_t dim = 0; dim + 1 < rank; ++dim)
      groups[0].push_back(dim);
    groups[1].push_back(rank - 1);
    return mlir::memref::CollapseShapeOp::create(builder, loc, buffer, groups);
  }

  /// A new buffer whose dynamic dimensions are those of `like`.
  static mlir::Value allocate(mlir::OpBuilder &builder, mlir::Location loc,
                              mlir::MemRefType type, mlir::Value like) {
    llvm::SmallVector<mlir::Value> sizes;
    for (int64_t dim = 0; dim < type.getRank(); ++dim)
      if (type.isDynamicDim(dim))
        sizes.push_back(mlir::memref::DimOp::create(builder, loc, like, dim));
    return mlir::memref::AllocOp::create(builder, loc, type, sizes);
  }

  mlir::MemRefType bufferType(mlir::Type type) const {
    return llvm::cast<mlir::MemRefType>(
        this->getTypeConverter()->convertType(type));
  }

  /// The packed weights, an argument of the function that `op` is in.
  static mlir::Value weightsOf(mlir::Operation *op) {
    auto function = op->getParentOfType<mlir::func::FuncOp>();
    for (mlir::BlockArgument argument : function.getArguments()) {
      auto role = function.getArgAttrOfType<mlir::StringAttr>(
          argument.getArgNumber(), kernel::KernelDialect::roleAttrName);
      if (role && role.getValue() == "weights")
        return argument;
    }
    llvm_unreachable("every function has been given the weights");
  }
};

/// Positions of a cache come in blocks of this many: see kernel.cache_write.
inline constexpr int64_t positionBlock = 16;

/// Codes, scales and sums of a quantized activation (or its rounded values), as
/// kernel.quantize, round and encode leave them; rows of all leading dimensions
/// together.
llvm::LogicalResult
activationBuffers(qt::QuantTensorType type,
                  llvm::SmallVectorImpl<mlir::Type> &results);

/// The qt ops of a program that runs.
void populateQuantizedPatterns(mlir::RewritePatternSet &patterns,
                               const mlir::TypeConverter &types);

/// The lm ops.
void populateLayerPatterns(mlir::RewritePatternSet &patterns,
                           const mlir::TypeConverter &types);

/// qt.observe and qt.cross_gram.
void populateStatisticsPatterns(mlir::RewritePatternSet &patterns,
                                const mlir::TypeConverter &types);

} // namespace quantmlir::kernel

#endif // QUANT_MLIR_LIB_CODEGEN_KERNEL_KERNELPATTERN_H
