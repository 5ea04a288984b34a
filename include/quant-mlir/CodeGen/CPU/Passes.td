// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CODEGEN_CPU_PASSES_TD
#define QUANT_MLIR_CODEGEN_CPU_PASSES_TD

include "mlir/Pass/PassBase.td"

//===----------------------------------------------------------------------===//
// Stage "pack"
//===----------------------------------------------------------------------===//

def CPUPackPass : Pass<"cpu-pack", "::mlir::ModuleOp"> {
  let summary = "Choose how weights and activations lie in memory";
  let description = [{
    Writes a layout into the type of every quantized weight and activation and
    the place of every weight in the packed file: `qt.weight ... at OFFSET`. It
    moves no number; `quantc` does, following these decisions.

    Before:   every weight of a `qt.matmul` or `qt.gather` is a `qt.load`.
    After:    every `!qt.tensor` has a layout, every `qt.weight` an offset that is
              a multiple of 64.
    Numerics: unchanged.
    Example:  test/CodeGen/CPU/pack.mlir
  }];
  let options = [
    Option<"target", "target", "std::string", "\"cpu:native\"",
           "Target to choose for, such as cpu:x86-64-v4+vnni">,
  ];
}

//===----------------------------------------------------------------------===//
// Stage "codegen-cpu"
//===----------------------------------------------------------------------===//

def CPUChooseTilesPass : Pass<"cpu-choose-tiles", "::mlir::ModuleOp"> {
  let summary = "Choose how many rows a register tile of a matmul has";
  let description = [{
    Writes `rows` into every matmul that has none: what the file `choices` says of
    this kernel on this machine, as `quantc --tune` measures it, else what the
    table of targets says. Rows of a call that make no whole tile take smaller
    ones, of a power of two rows, so a single row is the same for any choice.

    Before:   weights are packed for the target.
    After:    every matmul has `rows`.
    Numerics: unchanged for integers without factors. Other formats sum a tile of
              few rows in another order than one of many, and which rows are in a
              small tile depends on the choice.
    Example:  test/CodeGen/CPU/choose-tiles.mlir
  }];
  let options = [
    Option<"target", "target", "std::string", "\"cpu:native\"",
           "Target to choose for">,
    Option<"choices", "choices", "std::string", "\"\"",
           "File of measured choices; those of other machines are ignored">,
  ];
  let statistics = [
    Statistic<"numMeasured", "measured", "Matmuls that the file knows">,
  ];
}

def CPUExpandPass : Pass<"cpu-expand", "::mlir::func::FuncOp"> {
  let summary = "Expand kernels into loops over vectors";
  let description = [{
    Emits, for each kernel, loops over `vector`, `arith` and `math` operations
    and, for integer dot products, the target's instruction as an intrinsic.

    Before:   each kernel is alone in a function (`--kernel-distribute`), and
              matmuls have `rows` (`--cpu-choose-tiles`).
    After:    no kernel op but `kernel.barrier`.
    Numerics: sums are reassociated over the lanes of a vector; exp, tanh and
              erf are polynomials with errors of a few ulp.
    Example:  test/CodeGen/CPU/expand-*.mlir
  }];
  let options = [
    Option<"target", "target", "std::string", "\"cpu:native\"",
           "Target to generate for">,
  ];
  let dependentDialects = [
    "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"
  ];
}

#endif // QUANT_MLIR_CODEGEN_CPU_PASSES_TD
