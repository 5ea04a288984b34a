// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CALIBRATE_PASSES_TD
#define QUANT_MLIR_CALIBRATE_PASSES_TD

include "mlir/Pass/PassBase.td"

def CalibratePass : Pass<"qt-calibrate", "::mlir::ModuleOp"> {
  let summary = "Run the float model over texts and write statistics of its activations";
  let description = [{
    Compiles a copy of the module with f32 weights and observers
    (`--qt-observe`), cut into stages (`--qt-split-stages`), runs it here over
    calibration texts, and writes what the activations in front of linears look
    like to a safetensors file: docs/calibration.md. The module itself stays as
    it is.

    Before:   weights are `qt.load`, or `qt.dequantize` of one; the function
              with linears takes tokens alone, or tokens, position, outputs and
              a cache.
    After:    unchanged.
    Numerics: the module's are unchanged; statistics are sums in f32.
    Example:  test/Calibrate/calibrate.mlir
  }];
  let options = [
    Option<"tokens", "tokens", "std::string", "\"\"",
           "The .npy file of token ids: one long text, or a text a row">,
    Option<"out", "out", "std::string", "\"\"",
           "The statistics file to write">,
    Option<"windows", "windows", "int64_t", "128", "Most texts to run">,
    Option<"windowLength", "window-length", "int64_t", "512",
           "Most tokens of a text">,
    ListOption<"collect", "statistics", "std::string",
               "What to collect: range, mean, mean_abs, hessian, histogram; all "
               "unless given">,
    Option<"source", "source", "std::string", "\"\"",
           "Where the tokens came from, for the record; the tokens' path unless "
           "given">,
    Option<"target", "target", "std::string", "\"cpu:native\"",
           "What to compile for; must be able to run here">,
    Option<"threads", "threads", "int64_t", "0",
           "Threads to run on; all cores unless given">,
  ];
}

def ProbeWeightsPass : Pass<"qt-probe-weights", "::mlir::ModuleOp"> {
  let summary = "Measure what each weight, rounded by itself, does to the "
                "model's output";
  let description = [{
    Runs the float model over texts, and beside it, for each matrix that
    activations are multiplied with, a variant in which that one is rounded to
    `scheme`. The mean divergence KL(float model ‖ variant) of a language model's
    predictions, or |y - ŷ|² / |ŷ|² of other outputs, is written to `out`, for
    `--qt-allocate-bits=effects=…`: JSON, see Quantize/WeightEffects.h.

    A variant starts from the float model's hidden states at the first layer that
    is another, so all of them take as long as half as many runs of the model.
    Beside what calibration keeps in memory there are the probabilities of all
    tokens and the hidden states of 32 variants. Weights that are looked up, too
    (a table that is the head) are left out.

    Before:   as for `--qt-calibrate`.
    After:    unchanged; the file is written.
    Numerics: unchanged.
    Example:  test/Calibrate/probe-weights.mlir
  }];
  let options = [
    Option<"tokens", "tokens", "std::string", "\"\"",
           "The .npy file of token ids: one long text, or a text a row">,
    Option<"out", "out", "std::string", "\"\"", "The file to write">,
    Option<"windows", "windows", "int64_t", "2", "Most texts to run">,
    Option<"windowLength", "window-length", "int64_t", "512",
           "Most tokens of a text">,
    Option<"scheme", "scheme", "std::string",
           "\"\"",
           "What a weight is rounded to; coarse enough to stand out from noise "
           "unless given: #qt.int<3, group = 32, scale = f16, zero = i3>">,
    Option<"source", "source", "std::string", "\"\"",
           "Where the tokens came from, for the record; the tokens' path unless "
           "given">,
    Option<"target", "target", "std::string", "\"cpu:native\"",
           "What to compile for; must be able to run here">,
    Option<"threads", "threads", "int64_t", "0",
           "Threads to run on; all cores unless given">,
  ];
}

#endif // QUANT_MLIR_CALIBRATE_PASSES_TD
