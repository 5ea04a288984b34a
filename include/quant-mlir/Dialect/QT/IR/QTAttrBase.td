// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_IR_QTATTRBASE_TD
#define QUANT_MLIR_DIALECT_QT_IR_QTATTRBASE_TD

// The base classes alone: the .td of a scheme includes this file, so that
// mlir-tblgen emits that one attribute and not the dialect's others too.

include "mlir/IR/AttrTypeBase.td"
include "quant-mlir/Dialect/QT/IR/QTDialect.td"
include "quant-mlir/Dialect/QT/IR/QTInterfaces.td"

class QT_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<QT_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

/// The base of every number format; see lib/Dialect/QT/Schemes. `overrides` names
/// the interface's methods with a default that the format replaces.
class QT_SchemeAttr<string name, string attrMnemonic,
                    list<string> overrides = [], list<Trait> more = []>
    : QT_Attr<name, attrMnemonic,
              !listconcat([DeclareAttrInterfaceMethods<QuantSchemeInterface,
                                                       overrides>], more)>;

/// A number format made of blocks of bytes. `block` is the struct that says where
/// things are in one, see Schemes/Blocks.h: to be defined before the generated
/// code is included. All methods follow from it but `quantizeMatrix`.
class QT_BlocksAttr<string name, string attrMnemonic,
                    string block = name # "Block", list<Trait> more = []>
    : QT_SchemeAttr<name, attrMnemonic, ["decodeLane"], more> {
  let assemblyFormat = "";
  let extraClassDefinition = [{
    ::llvm::LogicalResult $cppClass::verifyTensor(
        ::llvm::function_ref<::mlir::InFlightDiagnostic()> emitError,
        ::llvm::ArrayRef<int64_t> shape, ::mlir::Type) const {
      return verifyBlocks<}] # block # [{>(emitError, getMnemonic(), shape);
    }
    ::llvm::SmallVector<StoragePart>
    $cppClass::getStorageParts(::llvm::ArrayRef<int64_t> shape) const {
      return blockParts<}] # block # [{>(getContext(), shape);
    }
    LaneForm $cppClass::getLaneForm(int64_t) const {
      return blockLaneForm<}] # block # [{>(getContext());
    }
    Lane $cppClass::decodeLane(LaneEvaluator &evaluator, Lane code) const {
      return decodeBlockLane<}] # block # [{>(evaluator, code);
    }
    ::llvm::Error $cppClass::unpackRows(
        ::llvm::ArrayRef<::llvm::ArrayRef<uint8_t>> parts, int64_t, int64_t k,
        int64_t first, int64_t count, UnpackedRows &rows) const {
      unpackBlocks<}] # block # [{>(parts[0], k, first, count, rows);
      return ::llvm::Error::success();
    }
    Element $cppClass::emitElement(
        ::mlir::OpBuilder &builder, ::mlir::Location loc,
        ::mlir::ValueRange parts, ::mlir::ValueRange indices, int64_t) const {
      return emitBlockElement<}] # block # [{>(builder, loc, parts, indices);
    }
  }];
}

#endif // QUANT_MLIR_DIALECT_QT_IR_QTATTRBASE_TD
