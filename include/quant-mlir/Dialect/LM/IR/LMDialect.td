// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_LM_IR_LMDIALECT_TD
#define QUANT_MLIR_DIALECT_LM_IR_LMDIALECT_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/DialectBase.td"
include "mlir/IR/EnumAttr.td"

def LM_Dialect : Dialect {
  let name = "lm";
  let summary = "The graph of a language model";
  let description = [{
    The few operations that quantization has to recognise, on tensors, in the
    numbers that the model was trained with. What is common to all tensor
    programs (additions, products, slices) stays in `arith`, `tensor` and
    `linalg`. Every op lowers to `linalg` with `--lm-to-linalg`: that is its
    meaning, against which all optimised code is tested.

    Module attributes, written by importers and carried along:

    - `lm.architecture`: "llama", "bert", …; `lm.name`: the model's own name.
    - `lm.source`: the file or folder that the model came from; the tokenizer
      and the chat template are found there.
    - `lm.context_length`, `lm.vocab_size`, `lm.hidden_size`: i64.
  }];
  let cppNamespace = "::quantmlir::lm";
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = [
    "::quantmlir::qt::QTDialect", "::mlir::arith::ArithDialect",
    "::mlir::tensor::TensorDialect"
  ];
  let extraClassDeclaration = [{
    static constexpr llvm::StringLiteral architectureAttrName = "lm.architecture";
    static constexpr llvm::StringLiteral nameAttrName = "lm.name";
    static constexpr llvm::StringLiteral sourceAttrName = "lm.source";
    static constexpr llvm::StringLiteral contextLengthAttrName = "lm.context_length";
    static constexpr llvm::StringLiteral vocabSizeAttrName = "lm.vocab_size";
    static constexpr llvm::StringLiteral hiddenSizeAttrName = "lm.hidden_size";

  private:
    void registerTypes();
    void registerAttributes();

  public:
  }];
}

def LM_KVCacheType : TypeDef<LM_Dialect, "KVCache"> {
  let mnemonic = "kv_cache";
  let summary = "A session's keys and values";
  let description = [{
    A handle to the keys and values of all layers: LAYERS x KV_HEADS x HEAD_SIZE
    x TYPE for as many positions as the session's context has. `lm.attention`
    writes the positions it is given and reads all up to them.

    TYPE is a float, to which keys and values are rounded, or i8: then each head
    of each position has codes of -127 to 127 and an f32 scale, its largest
    magnitude / 127, behind them in memory.

    ```mlir
    !lm.kv_cache<30 x 3 x 64 x f32>
    ```
  }];
  let parameters = (ins "int64_t":$layers, "int64_t":$kvHeads,
                        "int64_t":$headSize, "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $layers `x` $kvHeads `x` $headSize `x` $elementType `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Bytes of the scale that i8 elements of a head and position have.
    static constexpr int64_t scaleBytes = 4;
  }];
}

def LM_RopeStyle : I32EnumAttr<"RopeStyle", "Which elements rope rotates together", [
    I32EnumAttrCase<"Interleaved", 0, "interleaved">,
    I32EnumAttrCase<"Half", 1, "half">]> {
  let cppNamespace = "::quantmlir::lm";
  let genSpecializedAttr = 0;
}
def LM_RopeStyleAttr : EnumAttr<LM_Dialect, LM_RopeStyle, "rope_style"> {
  let assemblyFormat = "`<` $value `>`";
}

def LM_ActivationKind : I32EnumAttr<"ActivationKind", "An activation function", [
    I32EnumAttrCase<"Silu", 0, "silu">,
    I32EnumAttrCase<"Gelu", 1, "gelu">,
    I32EnumAttrCase<"GeluTanh", 2, "gelu_tanh">,
    I32EnumAttrCase<"Relu", 3, "relu">,
    I32EnumAttrCase<"Tanh", 4, "tanh">,
    I32EnumAttrCase<"Sigmoid", 5, "sigmoid">]> {
  let cppNamespace = "::quantmlir::lm";
  let genSpecializedAttr = 0;
}
def LM_ActivationKindAttr : EnumAttr<LM_Dialect, LM_ActivationKind, "activation_kind">;

#endif // QUANT_MLIR_DIALECT_LM_IR_LMDIALECT_TD
