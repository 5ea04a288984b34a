// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_IR_QTDIALECT_TD
#define QUANT_MLIR_DIALECT_QT_IR_QTDIALECT_TD

include "mlir/IR/DialectBase.td"

def QT_Dialect : Dialect {
  let name = "qt";
  let summary = "Quantized tensors, the schemes they are stored in, and the ops between them";
  let description = [{
    A `!qt.tensor` is a logical tensor of numbers that is stored quantized. Its
    *scheme* says what the stored bits mean, its *layout* where they lie. The
    scheme is part of the program's semantics; only packing and code generation
    read the layout.

    Scales, zero points and codes are values, never attributes, because a weight
    may have a million scales. A weight itself is a symbol with a place in a
    file (`qt.weight`), so that the IR of a large model stays small.

    A number format is an attribute that implements `QuantSchemeInterface`. It
    lives in a folder of its own under `lib/Dialect/QT/Schemes` and is listed in
    `Schemes.def`; nothing else in the compiler needs to know its class.
  }];
  let cppNamespace = "::quantmlir::qt";
  let useDefaultAttributePrinterParser = 0;
  let useDefaultTypePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let extraClassDeclaration = [{
    /// On a weight that was rounded: its relative error, f64.
    static constexpr llvm::StringLiteral errorAttrName = "qt.error";
    /// On a module whose numbers changed but not what it computes: the
    /// fingerprint that it had before, see Import/Fingerprint.h.
    static constexpr llvm::StringLiteral fingerprintAttrName = "qt.fingerprint";
    /// On a module: every weight that an observed activation meets, and the
    /// name of that activation (`qt.observe`'s site).
    static constexpr llvm::StringLiteral sitesAttrName = "qt.sites";
    /// On a function made by `qt-split-stages`: its number; the site that it
    /// ends with, and that site's readers.
    static constexpr llvm::StringLiteral stageAttrName = "qt.stage";
    static constexpr llvm::StringLiteral siteAttrName = "qt.site";
    static constexpr llvm::StringLiteral readersAttrName = "qt.readers";
    /// On its arguments and results: the number of a value that one stage makes
    /// and later ones read; the number of an argument of the whole function;
    /// the name of a statistic.
    static constexpr llvm::StringLiteral liveAttrName = "qt.live";
    static constexpr llvm::StringLiteral argumentAttrName = "qt.argument";
    static constexpr llvm::StringLiteral statisticAttrName = "qt.statistic";

    /// Registers an attribute of this dialect. A scheme does it in its own
    /// `register…Scheme` function, which is reached through Schemes.def.
    template <typename AttrT> void addAttribute() {
      addAttributes<AttrT>();
      hooks[AttrT::getMnemonic()] = {
          [](mlir::AsmParser &parser) { return AttrT::parse(parser, {}); },
          [](mlir::Attribute attr, mlir::AsmPrinter &printer) {
            mlir::cast<AttrT>(attr).print(printer);
          }};
    }

    mlir::Attribute parseAttribute(mlir::DialectAsmParser &parser,
                                   mlir::Type type) const override;
    void printAttribute(mlir::Attribute attr,
                        mlir::DialectAsmPrinter &printer) const override;

  private:
    struct AttributeHooks {
      mlir::Attribute (*parse)(mlir::AsmParser &);
      void (*print)(mlir::Attribute, mlir::AsmPrinter &);
    };
    llvm::StringMap<AttributeHooks> hooks;
    void registerTypes();

  public:
  }];
}

#endif // QUANT_MLIR_DIALECT_QT_IR_QTDIALECT_TD
