// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "LiveValues.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"
#include <cassert>
#include <cstdlib>
#include <cstring>

using namespace quantmlir;

int64_t quantmlir::tensorBytes(const qm_tensor &tensor) {
  int64_t bytes = 1;
  switch (tensor.dtype) {
  case QM_I8:
  case QM_U8:
  case QM_BOOL:
    break;
  case QM_F16:
  case QM_BF16:
  case QM_I16:
    bytes = 2;
    break;
  case QM_F32:
  case QM_I32:
    bytes = 4;
    break;
  case QM_F64:
  case QM_I64:
  case QM_INDEX:
    bytes = 8;
    break;
  }
  for (int32_t dim = 0; dim < tensor.rank; ++dim)
    bytes *= tensor.dims[dim];
  return bytes;
}

void LiveValues::put(int64_t number, const qm_tensor &tensor) {
  int64_t bytes = tensorBytes(tensor);
  Value value;
  value.memory.reset(
      std::aligned_alloc(64, llvm::alignTo(std::max<int64_t>(bytes, 1), 64)),
      std::free);
  if (!value.memory)
    llvm::report_bad_alloc_error("no memory for hidden states");
  std::memcpy(value.memory.get(), tensor.data, bytes);
  value.tensor = tensor;
  value.tensor.data = value.memory.get();
  values[number] = std::move(value);
}

const qm_tensor &LiveValues::get(int64_t number) const {
  auto found = values.find(number);
  assert(found != values.end() && "an earlier stage has left it");
  return found->second.tensor;
}
