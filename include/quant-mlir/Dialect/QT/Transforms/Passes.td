// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_DIALECT_QT_TRANSFORMS_PASSES_TD
#define QUANT_MLIR_DIALECT_QT_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def LowerToLinalgPass : Pass<"qt-to-linalg", "::mlir::ModuleOp"> {
  let summary = "Turn qt operations into linalg: their meaning, in plain loops";
  let description = [{
    The reference lowering, like `--lm-to-linalg`. A `!qt.tensor` becomes the
    tensors that it is stored as, also where functions take and return one.
    Every scheme says itself how an element is read from its parts
    (`emitElement`) and, if values can be quantized while the program runs, how
    the parts are made (`emitQuantize`).

    Before:   weights are values: `--qt-materialize-weights` or function
              arguments. No tensor has a layout.
    After:    no qt operation but `qt.weight` and no `!qt.tensor` is left.
    Numerics: `qt.dequantize` equals the scheme's own `unpackRows` bit by bit. A
              `qt.matmul` is the f32 product of the dequantized operands, summed
              in the order of k.
    Example:  test/Dialect/QT/lower-to-linalg.mlir; with numbers,
              test/Dialect/QT/run-*.mlir
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"
  ];
}

def MaterializeWeightsPass
    : Pass<"qt-materialize-weights", "::mlir::ModuleOp"> {
  let summary = "Read weights from their files into constants";
  let description = [{
    Puts a constant for every storage part where a weight is loaded, and a
    `qt.assemble` of them where it is quantized, so that the program can run
    without its files: for `--qt-to-linalg`, tests and small models. All numbers
    are in memory at once.

    Before:   every `qt.weight` that is loaded is in its file, with the type that
              it is declared with; a plain float weight is `tensor<...xf32>`, in
              the file f32, f16 or bf16.
    After:    no `qt.load` is left, nor a `qt.weight` that nothing refers to.
    Numerics: unchanged.
    Example:  test/Dialect/QT/materialize-weights.mlir
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"
  ];
}

def ExternalizeConstantsPass
    : Pass<"qt-externalize-constants", "::mlir::ModuleOp"> {
  let summary = "Move weights from constants into a safetensors file";
  let description = [{
    Writes float constants (f64, f32, f16, bf16) into one file, in the order in
    which they appear, and loads them from there: what the quantizer and the
    packer work on. Weights of operations that can be quantized always move,
    other constants if they take at least `min-bytes` and are no splats. A weight
    is called what its `dense_resource` is called. Constants with the same
    attribute become one weight; a constant that is transposed, [K, N] for a
    linear, is written as [N, K].

    Before:   weights are `arith.constant`s, such as `--lm-raise-linalg` leaves.
    After:    they are `qt.weight` and `qt.load`; the file has all of them.
    Numerics: unchanged.
    Example:  test/Dialect/QT/externalize-constants.mlir
  }];
  let options = [
    Option<"file", "file", "std::string", "\"\"",
           "The safetensors file to write; required">,
    Option<"minBytes", "min-bytes", "uint64_t", "1024",
           "Constants smaller than this stay in the IR, but for weights">,
  ];
  let statistics = [
    Statistic<"numWeights", "weights", "Weights written">,
    Statistic<"numBytes", "bytes", "Bytes written">,
  ];
  let dependentDialects = ["::quantmlir::qt::QTDialect"];
}

def QuantizePass : Pass<"qt-quantize", "::mlir::ModuleOp"> {
  let summary = "Give weights and activations the schemes of a recipe";
  let description = [{
    Replaces each op with a weight that comes from a file (`lm.linear`,
    `lm.embedding`, whatever implements `QuantizableOpInterface`) by its
    quantized form. The recipe decides by the op's class and the weight's name;
    see docs/recipes.md. Weights that change are rounded to the nearest point of
    their new grid and written, tensor by tensor, to `weights-out`.

    Ops that read the same weight share its decision. If one of them looks rows
    up (an embedding whose table is the head, too), the weight counts as an
    embedding.

    Integer weights and codebooks are multiplied with int8 activations, computed
    when the program runs, also by recipes for weights alone: integer dot products
    are what CPUs do fastest. If the recipe does not say how they are grouped, it is
    by 32 values (by the weight's own group where neither divides the other); an
    activation is then off by at most 1/254 of the largest in its group. A recipe
    with `input_activations: float` leaves them float; weights are then
    dequantized as they are multiplied, which is slower and rounds nothing else.

    A recipe with an outlier threshold (LLM.int8) takes loud columns of an
    activation apart before it is rounded and adds their product:
    `qt.split_outliers`.

    Before:   weights are `qt.load`, or `qt.dequantize` of one. Other ops are
              left alone, with a warning.
    After:    every such op is quantized; `qt.recipe` on the module names the
              recipe. Weights are `!qt.tensor`, plain floats `#qt.float`.
    Numerics: rounds weights and activations to nearest; "keep" changes no
              weight.
    Example:  test/Dialect/QT/quantize.mlir
  }];
  let dependentDialects = ["::quantmlir::qt::QTDialect"];
  let options = [
    Option<"recipe", "recipe", "std::string", "\"as-stored\"",
           "Name of a built-in recipe, or a YAML file">,
    Option<"weightsOut", "weights-out", "std::string", "\"\"",
           "The safetensors file to write changed weights to; "
           "MODEL.RECIPE.safetensors unless given">,
  ];
  let statistics = [
    Statistic<"numRounded", "rounded", "Weights rounded to a new grid">,
    Statistic<"numKept", "kept", "Weights kept as they are stored">,
    Statistic<"numFloat", "float", "Ops left float: their weight is not in a "
                                   "file">,
  ];
}

#endif // QUANT_MLIR_DIALECT_QT_TRANSFORMS_PASSES_TD
