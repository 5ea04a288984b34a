// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantmlir::lm;

#include "quant-mlir/Dialect/LM/IR/LMDialect.cpp.inc"
#include "quant-mlir/Dialect/LM/IR/LMEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "quant-mlir/Dialect/LM/IR/LMAttrs.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "quant-mlir/Dialect/LM/IR/LMTypes.cpp.inc"

void LMDialect::initialize() {
  registerTypes();
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "quant-mlir/Dialect/LM/IR/LMOps.cpp.inc"
      >();
}

void LMDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "quant-mlir/Dialect/LM/IR/LMTypes.cpp.inc"
      >();
}

void LMDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "quant-mlir/Dialect/LM/IR/LMAttrs.cpp.inc"
      >();
}

LogicalResult KVCacheType::verify(function_ref<InFlightDiagnostic()> emitError,
                                  int64_t layers, int64_t kvHeads,
                                  int64_t headSize, Type elementType) {
  if (layers < 1 || kvHeads < 1 || headSize < 1)
    return emitError() << "!lm.kv_cache: layers, heads and head size must be "
                          "at least 1";
  if (!isa<FloatType>(elementType) && !elementType.isSignlessInteger(8))
    return emitError() << "!lm.kv_cache: the element type must be a float or "
                          "i8, got "
                       << elementType;
  return success();
}
