// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_IR_QTTYPES_TD
#define QUANT_MLIR_DIALECT_QT_IR_QTTYPES_TD

include "mlir/IR/AttrTypeBase.td"
include "quant-mlir/Dialect/QT/IR/QTDialect.td"

def QT_TensorType : TypeDef<QT_Dialect, "QuantTensor"> {
  let mnemonic = "tensor";
  let summary = "A logical tensor that is stored quantized";
  let description = [{
    `!qt.tensor<SHAPExELEMENT, SCHEME[, LAYOUT]>`. SHAPE and ELEMENT are those of
    the numbers it stands for, SCHEME is an attribute that implements
    `QuantSchemeInterface`, LAYOUT is written by packing.

    ```mlir
    !qt.tensor<576x1536xf32, #qt.int<4, group = 32, scale = f16>>
    !qt.tensor<?x576xf32, #qt.int<8, token>>
    ```

    - C1: the rank is at least 1 and ELEMENT is a float type.
    - C2: the scheme can hold the shape (each scheme has its own rules).
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape,
                        "::mlir::Type":$elementType,
                        "::quantmlir::qt::QuantSchemeInterface":$scheme,
                        OptionalParameter<"::mlir::Attribute">:$layout);
  let builders = [
    TypeBuilderWithInferredContext<(ins
      "::mlir::RankedTensorType":$logical,
      "::quantmlir::qt::QuantSchemeInterface":$scheme), [{
        return $_get(logical.getContext(), logical.getShape(),
                     logical.getElementType(), scheme, ::mlir::Attribute());
    }]>,
  ];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getRank() const { return getShape().size(); }
    /// The length of a row: what scales run along.
    int64_t getRowLength() const { return getShape().back(); }
    /// The number of rows: the product of all dimensions but the last.
    int64_t getNumRows() const;
    /// The float tensor that this one stands for.
    ::mlir::RankedTensorType getLogicalType() const {
      return ::mlir::RankedTensorType::get(getShape(), getElementType());
    }
    QuantTensorType withLayout(::mlir::Attribute layout) const {
      return get(getContext(), getShape(), getElementType(), getScheme(),
                 layout);
    }
  }];
}

#endif // QUANT_MLIR_DIALECT_QT_IR_QTTYPES_TD
