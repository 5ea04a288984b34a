// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "FlashShape.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cuda;

FlashShape::FlashShape(kernel::AttentionOp op, const Form &form) {
  auto cache = cast<MemRefType>(op.getCache().getType());
  kvHeads = cache.getDimSize(2);
  group = op.getHeads() / kvHeads;
  size = cache.getDimSize(4);
  if (cache.getElementType().isInteger())
    size -= lm::KVCacheType::scaleBytes;
  // Sums of values are in registers, half a head's size for each lane.
  chunk = size > 128 ? 32 : 64;
  queries = {0, form.rows, size / 4};
  keys = {queries.endByte(), chunk, size / 4};
  values = {keys.endByte(), size, chunk / 4};
}

bool FlashShape::fits(const Form &form, const GPUTarget &gpu) const {
  constexpr int64_t largestHead = 256;
  return size % 16 == 0 && size <= largestHead &&
         form.rows == form.warps * 16 && group * form.tokens <= form.rows &&
         values.endByte() <= gpu.sharedBytes;
}
