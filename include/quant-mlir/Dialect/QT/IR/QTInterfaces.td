// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_IR_QTINTERFACES_TD
#define QUANT_MLIR_DIALECT_QT_IR_QTINTERFACES_TD

include "mlir/IR/OpBase.td"

//===----------------------------------------------------------------------===//
// The first extension point: a number format
//===----------------------------------------------------------------------===//

def QuantSchemeInterface : AttrInterface<"QuantSchemeInterface"> {
  let cppNamespace = "::quantmlir::qt";
  let description = [{
    What the compiler has to know about a number format. Importers, passes,
    kernels, packers, tests and the status page take everything from here.

    Shapes are those of the logical tensor, outermost dimension first; the last
    dimension is the one that scales run along (K, the reduction of a matmul).
  }];
  let methods = [
    InterfaceMethod<[{
        Checks that a tensor of this shape and element type can be stored in the
        scheme, and says through `emitError` why it cannot.
      }], "::llvm::LogicalResult", "verifyTensor",
      (ins "::llvm::function_ref<::mlir::InFlightDiagnostic()>":$emitError,
           "::llvm::ArrayRef<int64_t>":$shape, "::mlir::Type":$elementType)>,
    InterfaceMethod<[{
        The arrays that a tensor of this shape is stored as, in the order of
        `qt.assemble`'s operands. Dynamic dimensions stay dynamic.
      }], "::llvm::SmallVector<::quantmlir::qt::StoragePart>",
      "getStorageParts", (ins "::llvm::ArrayRef<int64_t>":$shape)>,
    InterfaceMethod<[{
        What the values are made of, for kernels and cost models:
        integer lanes with scales, or plain floats. `k` is the row length.
      }], "::quantmlir::qt::LaneForm", "getLaneForm", (ins "int64_t":$k)>,
    InterfaceMethod<[{
        Turns one code into the integer that is multiplied:
        `value = scale * (decode(code) - offset) + minimum` (about that, if the
        lane form has `numbers`). Written once against
        `LaneEvaluator`, which evaluates it on numbers (the reference), on
        vector registers (the kernel) or counts operations (the cost model).
      }], "::quantmlir::qt::Lane", "decodeLane",
      (ins "::quantmlir::qt::LaneEvaluator &":$evaluator,
           "::quantmlir::qt::Lane":$code),
      /*methodBody=*/"", /*defaultImplementation=*/"return code;">,
    InterfaceMethod<[{
        Takes stored rows apart into codes, scales and minimums (or into float
        values, as the lane form says). `parts` are the bytes of all storage
        parts of the whole tensor [N, K], `first` and `count` select rows.
      }], "::llvm::Error", "unpackRows",
      (ins "::llvm::ArrayRef<::llvm::ArrayRef<uint8_t>>":$parts, "int64_t":$n,
           "int64_t":$k, "int64_t":$first, "int64_t":$count,
           "::quantmlir::qt::UnpackedRows &":$rows)>,
    InterfaceMethod<[{
        Quantizes a row-major float matrix [N, K] by rounding to nearest into the
        storage parts, which are resized by the callee. Schemes that only exist
        in files made by others return an error.
      }], "::llvm::Error", "quantizeMatrix",
      (ins "::llvm::ArrayRef<float>":$values, "int64_t":$n, "int64_t":$k,
           "::llvm::MutableArrayRef<std::vector<uint8_t>>":$parts)>,
    InterfaceMethod<[{
        The grid that values of rows of length `k` are rounded to, for
        algorithms that choose codes themselves and hand them to `storeCodes`;
        null if there is none.
      }], "std::unique_ptr<::quantmlir::Grid>", "makeGrid",
      (ins "int64_t":$k), /*methodBody=*/"",
      /*defaultImplementation=*/"return nullptr;">,
    InterfaceMethod<[{
        How many rows of `n` share their scales; the last ones may be fewer.
      }], "int64_t", "getRowsPerScale", (ins "int64_t":$n), /*methodBody=*/"",
      /*defaultImplementation=*/"return 1;">,
    InterfaceMethod<[{
        Stores codes that something else has chosen (GPTQ) into the storage
        parts, which are resized by the callee: the inverse of `unpackRows`. A
        scale is rounded to the type that it is stored in; choose codes for
        rounded scales. Scales that the scheme shares must be equal. For floats
        with a scale the codes are the bit patterns.
      }], "::llvm::Error", "storeCodes",
      (ins "const ::quantmlir::qt::ChosenCodes &":$chosen, "int64_t":$n,
           "int64_t":$k, "::llvm::MutableArrayRef<std::vector<uint8_t>>":$parts),
      /*methodBody=*/"", /*defaultImplementation=*/[{
        return ::llvm::createStringError(
            std::errc::not_supported,
            "codes cannot be stored in this format, only rounded to it");
      }]>,
    InterfaceMethod<[{
        `unpackRows` as a program: emits what reads one element of a stored
        tensor, for the reference lowering. `parts` are tensors, the operands of
        `qt.assemble`; `indices` are the element's in the logical tensor, whose
        rows are `k` long. A format made of blocks gets this and `unpackRows`
        from one description, see Schemes/Blocks.h.
      }], "::quantmlir::qt::Element", "emitElement",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::ValueRange":$parts, "::mlir::ValueRange":$indices,
           "int64_t":$k)>,
    InterfaceMethod<[{
        `quantizeMatrix` as a program, for values that exist only when it runs:
        emits what makes the storage parts of the float tensor `input`, with
        scales of its own or, if `scale` is not null, with that one, a
        tensor<1xf32>, for all (schemes of granularity `tensor`). Fails without
        emitting anything if the scheme is for stored weights alone.
      }], "::llvm::LogicalResult", "emitQuantize",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::Value":$input, "::mlir::Value":$scale,
           "::llvm::SmallVectorImpl<::mlir::Value> &":$parts),
      /*methodBody=*/"", /*defaultImplementation=*/"return ::llvm::failure();">,
  ];
}

//===----------------------------------------------------------------------===//
// The second extension point: an op that can be quantized
//===----------------------------------------------------------------------===//

def QuantizableOpInterface : OpInterface<"QuantizableOpInterface"> {
  let cppNamespace = "::quantmlir::qt";
  let description = [{
    An op with a weight that may be replaced by a quantized one. Passes ask for
    this interface and never for the op.
  }];
  let methods = [
    InterfaceMethod<"The weight, a float tensor [N, K] with the reduction last.",
      "::mlir::OpOperand &", "getWeightOperand">,
    InterfaceMethod<[{
        The activation that is multiplied with the weight along its last
        dimension, or null where nothing is multiplied (an embedding).
      }], "::mlir::OpOperand *", "getActivationOperand">,
    InterfaceMethod<"The bias [N] that is added to the product, or null.",
      "::mlir::OpOperand *", "getBiasOperand", (ins), /*methodBody=*/"",
      /*defaultImplementation=*/"return nullptr;">,
    InterfaceMethod<[{
        True if the numbers of the program decide which rows of the activation
        meet which rows of the weight, as with experts: rows of two runs are not
        the same rows.
      }], "bool", "isRouted", (ins), /*methodBody=*/"",
      /*defaultImplementation=*/"return false;">,
    InterfaceMethod<[{
        Builds the op that computes the same from `weight`, a `!qt.tensor`, and
        `activation`: a float tensor, a `!qt.tensor`, or null where the op has
        none. The caller replaces the results.
      }], "::mlir::Operation *", "createQuantized",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Value":$weight,
           "::mlir::Value":$activation)>,
  ];
}

//===----------------------------------------------------------------------===//
// Ops through which factors per channel move
//===----------------------------------------------------------------------===//

def ChannelScalableOpInterface : OpInterface<"ChannelScalableOpInterface"> {
  let cppNamespace = "::quantmlir::qt";
  let description = [{
    An op whose result is linear in some of its parameters, channel by channel: a
    norm in its gain and bias, a linear in the rows of its weight and in its bias.
    Multiplying these by a factor per channel multiplies the result by it, which
    is how smoothing divides an activation for free. A channel is an index of the
    result's last dimension.
  }];
  let methods = [
    InterfaceMethod<[{
        The parameters, vectors [C] or matrices [C, ...] with channels first. The
        result is multiplied by a factor per channel if all of them are. None if
        it has none that are like this.
      }], "::llvm::SmallVector<::mlir::OpOperand *>", "getChannelOperands">,
  ];
}

def ChannelPassOpInterface : OpInterface<"ChannelPassOpInterface"> {
  let cppNamespace = "::quantmlir::qt";
  let description = [{
    An op that passes positive factors per channel on from one of its operands to
    its result: attention from its values, a ReLU from its input.
  }];
  let methods = [
    InterfaceMethod<[{
        The operand that factors come from, or null if the op does not pass any.
      }], "::mlir::OpOperand *", "getChannelSource">,
    InterfaceMethod<"The operand's channel that the result's channel is made of.",
      "int64_t", "getSourceChannel", (ins "int64_t":$channel),
      /*methodBody=*/"", /*defaultImplementation=*/"return channel;">,
  ];
}

#endif // QUANT_MLIR_DIALECT_QT_IR_QTINTERFACES_TD
