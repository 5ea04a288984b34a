// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Import/CheckpointEncoder.h"
#include "SchemeForm.h"
#include "mlir/Support/DebugStringHelper.h"
#include "quant-mlir/Import/StorageType.h"
#include "llvm/Support/Errc.h"

using namespace mlir;
using namespace quantmlir;

CheckpointEncoder::~CheckpointEncoder() = default;

std::unique_ptr<CheckpointEncoder> CheckpointEncoder::create(StringRef name) {
  if (name == "compressed-tensors")
    return createCompressedTensorsEncoder();
  if (name == "gptq")
    return createGPTQEncoder(1);
  if (name == "gptq_v2")
    return createGPTQEncoder(2);
  return nullptr;
}

SchemeForm quantmlir::describeScheme(qt::QuantSchemeInterface scheme,
                                     ArrayRef<int64_t> shape) {
  SchemeForm form;
  StringRef name = Attribute(scheme).getAbstractAttribute().getName();
  SmallVector<qt::StoragePart> parts = scheme.getStorageParts(shape);
  bool integers = name == "qt.int";
  if (!integers && name != "qt.float")
    return form;
  form.codes = dtypeOf(parts[0]);
  form.kind = integers            ? SchemeForm::Kind::Integers
              : parts.size() == 1 ? SchemeForm::Kind::Plain
                                  : SchemeForm::Kind::Floats;
  if (form.kind == SchemeForm::Kind::Plain)
    return form;
  qt::LaneForm lanes = scheme.getLaneForm(shape.back());
  // Floats of 8 bits have no codes, as kernels see them.
  form.bits = lanes.kind == qt::LaneForm::Kind::Integer ? lanes.codeBits : 8;
  form.asymmetric = integers && parts.size() == 3;
  form.scales = dtypeOf(parts[1]);
  form.scaleShape = parts[1].shape;
  form.perTensor = form.scaleShape.size() == 1;
  form.columns = lanes.group;
  if (!form.perTensor && !ShapedType::isDynamic(shape.front()))
    form.rows = scheme.getRowsPerScale(shape.front());
  return form;
}

std::vector<uint8_t> quantmlir::unsignedCodes(const SchemeForm &form,
                                              ArrayRef<uint8_t> codes) {
  std::vector<uint8_t> result = codes.vec();
  if (!form.asymmetric)
    for (uint8_t &code : result)
      code = (code + (1 << (form.bits - 1))) & ((1 << form.bits) - 1);
  return result;
}

llvm::Error quantmlir::refuseScheme(qt::QuantSchemeInterface scheme,
                                    StringRef family, StringRef these) {
  return llvm::createStringError(llvm::errc::not_supported,
                                 debugString(scheme) + " cannot be stored as " +
                                     family + "; what can: " + these);
}
