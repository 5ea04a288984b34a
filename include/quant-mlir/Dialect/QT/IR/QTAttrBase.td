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
                    list<string> overrides = []>
    : QT_Attr<name, attrMnemonic,
              [DeclareAttrInterfaceMethods<QuantSchemeInterface, overrides>]>;

#endif // QUANT_MLIR_DIALECT_QT_IR_QTATTRBASE_TD
