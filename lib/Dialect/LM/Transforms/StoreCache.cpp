// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "quant-mlir/Dialect/LM/Transforms/Passes.h"

namespace quantmlir::lm {
#define GEN_PASS_DEF_STORECACHEPASS
#include "quant-mlir/Dialect/LM/Transforms/Passes.h.inc"
} // namespace quantmlir::lm

using namespace mlir;
using namespace quantmlir::lm;

namespace {
struct StoreCachePass
    : quantmlir::lm::impl::StoreCachePassBase<StoreCachePass> {
  using StoreCachePassBase::StoreCachePassBase;
  void runOnOperation() override;
};
} // namespace

Type quantmlir::lm::parseCacheElement(StringRef word, MLIRContext *context) {
  if (word == "float32")
    return Float32Type::get(context);
  if (word == "float16")
    return Float16Type::get(context);
  return word == "int8" ? IntegerType::get(context, 8) : Type();
}

void StoreCachePass::runOnOperation() {
  ModuleOp module = getOperation();
  Type element = parseCacheElement(as, &getContext());
  if (!element) {
    emitError(module.getLoc())
        << "a cache holds float32, float16 or int8, not '" << as << "'";
    return signalPassFailure();
  }
  bool found = false;
  auto convert = [&](Value value) {
    auto cache = dyn_cast<KVCacheType>(value.getType());
    if (!cache)
      return;
    found = true;
    value.setType(KVCacheType::get(&getContext(), cache.getLayers(),
                                   cache.getKvHeads(), cache.getHeadSize(),
                                   element));
  };
  module.walk([&](Operation *op) {
    for (Value result : op->getResults())
      convert(result);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (Value argument : block.getArguments())
          convert(argument);
  });
  if (!found) {
    emitError(module.getLoc(), "the model has no cache of keys and values");
    return signalPassFailure();
  }
  module.walk([](func::FuncOp function) {
    if (!function.isExternal())
      function.setType(FunctionType::get(function.getContext(),
                                         function.getBody().getArgumentTypes(),
                                         function.getResultTypes()));
  });
}
