// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_LM_TRANSFORMS_PASSES_H
#define QUANT_MLIR_DIALECT_LM_TRANSFORMS_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Transforms/DialectConversion.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"

namespace quantmlir::lm {

#define GEN_PASS_DECL
#include "quant-mlir/Dialect/LM/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "quant-mlir/Dialect/LM/Transforms/Passes.h.inc"

/// Lowers every lm op but attention. The patterns do not depend on types, so
/// they also run without a converter.
void populateLowerToLinalgPatterns(mlir::RewritePatternSet &patterns);

/// Lowers lm.route alone, to linalg and loops.
void populateLowerRoutePatterns(mlir::RewritePatternSet &patterns);

/// Lowers attention; `converter` turns caches into memrefs, see
/// `addCacheConversion`.
void populateLowerAttentionPatterns(mlir::RewritePatternSet &patterns,
                                    const mlir::TypeConverter &converter);

/// What float32, float16 and int8 name; null for other words.
mlir::Type parseCacheElement(llvm::StringRef word, mlir::MLIRContext *context);

/// `!lm.kv_cache<L x H x D x T>` to `memref<Lx2xHx?xDxT>`.
void addCacheConversion(mlir::TypeConverter &converter);

} // namespace quantmlir::lm

#endif // QUANT_MLIR_DIALECT_LM_TRANSFORMS_PASSES_H
