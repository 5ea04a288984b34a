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

def SmoothPass : Pass<"qt-smooth", "::mlir::ModuleOp"> {
  let summary = "Move outliers of activations into the weights that read them";
  let description = [{
    SmoothQuant (Xiao and others, arXiv:2211.10438). A few channels of an
    activation are a hundred times louder than the rest and use up all eight
    bits. Channel k is divided by

      s[k] = |x[k]|^strength / |w[:, k]|^(1 - strength)

    and the columns of all weights that read it multiplied by s. The division
    folds into whatever makes the activation: the gain and bias of a norm, the
    rows of the linear before a product, attention (heads that share a value
    share factors) or a ReLU. It is found from the graph. Where there is no such
    thing, or something else reads the activation too, the site is left alone
    with a remark, or, with `multiply`, its readers get the product with a vector
    of 1/s, which `--qt-quantize` makes part of the quantization (`qt.quantize
    ... by`).

    `measure` says what |x[k]| and |w[:, k]| are. `max`, the largest magnitudes,
    is the paper's and right for one static scale. `rms`, root mean squares, is
    better where each token has a scale of its own and outliers stay in their
    channels: with strength 0.5 it is the s that makes the product of both norms,
    and with it the expected error of the results, least. `both`, for |x[k]| the
    geometric mean of the two and for |w[:, k]| root mean squares, is as good for
    those and better where outliers come and go (encoders).

    With a negative strength, the one of 0, 0.05, ..., 1 is taken that rounds
    weights and activations to the recipe's formats with the least error of the
    site's results, as far as its statistics tell (measure `max`).

    Before:   weights are `qt.load`, or `qt.dequantize` of one.
    After:    changed weights are f32, in `weights-out`, with the factors of each
              site beside them (`SITE.smoothing`); `qt.fingerprint` on the module
              says that it still is the model that statistics are of.
    Numerics: equal over the reals; rounds differently.
    Example:  test/Dialect/QT/smooth.mlir
  }];
  let options = [
    Option<"recipe", "recipe", "std::string", "\"w8a8\"",
           "The recipe that smoothing is for: which weights, which formats">,
    Option<"calibration", "calibration", "std::string", "\"\"",
           "Statistics of activations">,
    Option<"weightsOut", "weights-out", "std::string",
           "\"smoothed.safetensors\"",
           "The safetensors file to write changed weights to">,
    Option<"strength", "strength", "double", "0.5",
           "0: outliers stay in the activations, 1: all go to the weights; "
           "searched if negative">,
    Option<"measure", "measure", "std::string", "\"both\"",
           "How large a channel is: both, rms or max">,
    Option<"multiply", "multiply", "bool", "false",
           "Divide when the program runs what nothing folds into">,
  ];
  let statistics = [
    Statistic<"numSmoothed", "smoothed", "Activations whose channels were "
                                         "divided">,
    Statistic<"numDeclined", "declined", "Activations that no factors fold "
                                         "into">,
  ];
  let dependentDialects = [
    "::quantmlir::qt::QTDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"
  ];
}

def AWQPass : Pass<"qt-awq", "::mlir::ModuleOp"> {
  let summary = "Scale the channels that matter most so that they round most finely";
  let description = [{
    AWQ (Lin and others, arXiv:2306.00978). Weights of loud channels matter more
    than others; multiplied by s > 1 (and their activation divided by it) they
    are rounded with a smaller relative error. For a site with mean magnitudes m,

      s[k] = m[k]^r, scaled so that max(s) * min(s) = 1

    where r is the one of 0, 0.05, ..., 0.95 with which the recipe's rounding
    changes the results of all linears that read the site least: the sum of
    trace(D H Dᵀ) over them, H being the mean of x xᵀ and D the weight's error.

    Folds as in `--qt-smooth`, and with `multiply` is a product where nothing
    folds.

    Before:   as `--qt-smooth`.
    After:    as `--qt-smooth`.
    Numerics: equal over the reals; rounds differently.
    Example:  test/Dialect/QT/awq.mlir
  }];
  let options = [
    Option<"recipe", "recipe", "std::string", "\"int4-g128-asym\"",
           "The recipe that scaling is for: which weights, which formats">,
    Option<"calibration", "calibration", "std::string", "\"\"",
           "Statistics of activations">,
    Option<"weightsOut", "weights-out", "std::string", "\"awq.safetensors\"",
           "The safetensors file to write changed weights to">,
    Option<"multiply", "multiply", "bool", "false",
           "Divide when the program runs what nothing folds into">,
  ];
  let statistics = [
    Statistic<"numScaled", "scaled", "Activations whose channels were divided">,
    Statistic<"numDeclined", "declined", "Activations that no factors fold "
                                         "into">,
  ];
  let dependentDialects = [
    "::quantmlir::qt::QTDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"
  ];
}

def AllocateBitsPass : Pass<"qt-allocate-bits", "::mlir::ModuleOp"> {
  let summary = "Choose a format for each linear within a budget of bits, and "
                "write the recipe";
  let description = [{
    Mixed precision by search. Each weight of a linear is rounded as each of
    `recipes` would round it. With D the error of the weight W and H the mean of
    x xᵀ over the calibration text, that costs

      loss = trace(D H Dᵀ) / trace(W H Wᵀ)

    the relative squared error of the linear's results. Of all ways to pick one
    recipe for each weight that stay within `budget`, the one with the least sum
    of losses is written to `out`: a recipe file as any other (docs/recipes.md),
    with the weights' names as targets, what was reached in its comments.

    Such losses count the same in all layers. With `effects`, the file of
    `--qt-probe-weights`, they are scaled by what the weight does to the model's
    output: with loss' of the rounding that the effect is of,

      loss = effect · trace(D H Dᵀ) / trace(W H Wᵀ) / loss'

    A weight that a recipe keeps has no loss by it and the bits it is stored
    with. Weights that all recipes keep, and tables, which are looked up, take no
    part; the file leaves them as they are stored. Bits are those of codes,
    scales and zero points, divided by the number of all weights that take part.

    `measure=nearest` rounds to nearest, with the ranges that the recipe asks
    for, also where the recipe says GPTQ: faster, and what GPTQ gains is much the
    same for all formats. `measure=gptq` does as the recipe says.

    Before:   weights are `qt.load`, or `qt.dequantize` of one.
    After:    unchanged; the file is written.
    Numerics: unchanged. One site's Hessian is in memory at a time.
    Example:  test/Dialect/QT/allocate-bits.mlir
  }];
  let options = [
    Option<"recipes", "recipes", "std::string",
           "\"w2a16-g64-asym-gptq,w3a16-g128-asym-gptq,w4a16-g128-asym-gptq,"
           "w4a16-g64-asym-gptq,w5a16-g128-asym-gptq,w5a16-g64-gptq,"
           "w6a16-g128-asym-gptq,w8a16-g128-gptq\"",
           "What to choose from: recipes, separated by commas">,
    Option<"budget", "budget", "double", "4.5",
           "Bits per weight over the linears that a recipe changes">,
    Option<"calibration", "calibration", "std::string", "\"\"",
           "Statistics of activations; required">,
    Option<"out", "out", "std::string", "\"\"",
           "The recipe file to write; required">,
    Option<"measure", "measure", "std::string", "\"nearest\"",
           "How weights are rounded to measure losses: nearest or gptq">,
    Option<"effects", "effects", "std::string", "\"\"",
           "What --qt-probe-weights found; without it all layers count the "
           "same">,
    Option<"maxRows", "max-rows", "int64_t", "512",
           "Rows of a weight, evenly spread, that stand for all; 0 for all">,
  ];
  let statistics = [
    Statistic<"numMeasured", "measured", "Weights that formats were tried on">,
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

    A recipe's `rounding` may be GPTQ, which needs to know the layer's inputs:
    from a statistics file (`calibration`, see `--qt-calibrate`), or, in the stage
    `--quantize` with `tokens`, from the model itself, run layer by layer so that
    each layer is rounded for inputs that the rounded layers before it make.
    Static scales of activations come from there, too: `NAME.input_scale` beside
    the weights. A remark names each activation that the recipe's `max_crest`
    leaves with a scale a token instead.

    `imatrix` has a number for each column of a weight: how much its error counts
    where blocks of GGUF, or groups with the range of least squares, choose their
    scales. Weights that it does not know count as without it.

    Before:   weights are `qt.load`, or `qt.dequantize` of one. Other ops are
              left alone, with a warning.
    After:    every such op is quantized; `qt.recipe` on the module names the
              recipe. Weights are `!qt.tensor`, plain floats `#qt.float`.
    Numerics: rounds weights and activations; "keep" changes no weight. The
              relative error of each is left as `qt.error` on its declaration.
    Example:  test/Dialect/QT/quantize.mlir
  }];
  let dependentDialects = ["::quantmlir::qt::QTDialect"];
  let options = [
    Option<"recipe", "recipe", "std::string", "\"as-stored\"",
           "Name of a built-in recipe, or a YAML file">,
    Option<"weightsOut", "weights-out", "std::string", "\"\"",
           "The safetensors file to write changed weights to; "
           "MODEL.RECIPE.safetensors unless given">,
    Option<"calibration", "calibration", "std::string", "\"\"",
           "Statistics of activations, for recipes that need them">,
    Option<"imatrix", "imatrix", "std::string", "\"\"",
           "How much each column of a weight counts where it is rounded: an "
           "importance matrix of llama.cpp, or statistics of activations">,
  ];
  let statistics = [
    Statistic<"numRounded", "rounded", "Weights rounded to a new grid">,
    Statistic<"numKept", "kept", "Weights kept as they are stored">,
    Statistic<"numFloat", "float", "Ops left float: their weight is not in a "
                                   "file">,
  ];
}

def ObservePass : Pass<"qt-observe", "::mlir::ModuleOp"> {
  let summary = "Observe the activations that weights are multiplied with";
  let description = [{
    Puts a `qt.observe` in front of the first op that reads an activation
    together with a weight from a file (`QuantizableOpInterface`), one for each
    activation: linears that share their input share its statistics. An
    activation is called after the first weight that it meets; the module's
    attribute `qt.sites` maps every weight to its activation's name.

    The observers' results are unused until `--qt-split-stages` returns them.

    Before:   weights are `qt.load`, or `qt.dequantize` of one; others are not
              observed.
    After:    as before, with observers.
    Numerics: unchanged.
    Example:  test/Dialect/QT/observe.mlir
  }];
  let options = [
    ListOption<"statistics", "statistics", "std::string",
               "What to compute: range, sum, sum_abs, gram, histogram; all "
               "unless given">,
  ];
  let statistics = [
    Statistic<"numSites", "sites", "Activations observed">,
  ];
  let dependentDialects = ["::quantmlir::qt::QTDialect"];
}

def SplitStagesPass : Pass<"qt-split-stages", "::mlir::ModuleOp"> {
  let summary = "Cut an observed function behind each observer";
  let description = [{
    `@f` with n observers becomes `@f_stage0` to `@f_stageN`. Stage i computes
    what lies between observer i - 1 and observer i from values that earlier
    stages left, and returns what later ones need and the statistics. The last
    stage returns what `@f` did. Whoever runs the stages can change weights
    between them: no stage reads a weight of an activation that it observes
    itself.

    Arguments and results say what they are: `qt.live = N`, a value handed from
    the stage that makes it to any that read it; `qt.argument = N`, an argument
    of `@f`; `qt.statistic = "gram"`. Weights, constants and sizes are made again
    in each stage.

    Before:   one function of the module has `qt.observe` ops, all in its only
              block.
    After:    the stages, in place of the function.
    Numerics: unchanged.
    Example:  test/Dialect/QT/split-stages.mlir
  }];
  let dependentDialects = ["::mlir::func::FuncDialect"];
}

#endif // QUANT_MLIR_DIALECT_QT_TRANSFORMS_PASSES_TD
