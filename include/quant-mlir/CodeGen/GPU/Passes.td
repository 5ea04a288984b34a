// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CODEGEN_GPU_PASSES_TD
#define QUANT_MLIR_CODEGEN_GPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def GPUPackPass : Pass<"gpu-pack", "::mlir::ModuleOp"> {
  let summary = "Choose how weights and activations lie in a GPU's memory";
  let description = [{
    What `--cpu-pack` does, for panels of 16 rows: a word of four values is what
    a thread's dot product takes, and what it holds of a tensor core's operand.
    Floats lie in words, too. Activations that are floats are rounded once for
    all who multiply them, by a `qt.quantize` to f16 (bf16 for weights of that),
    unless their weights are f32, they are outliers, or rows have no multiple of
    4 values.

    Before:   every weight of a `qt.matmul` is a `qt.load`.
    After:    every `!qt.tensor` has a layout, every `qt.weight` an offset.
    Numerics: unchanged but for that rounding, which saturates.
    Example:  test/CodeGen/GPU/pack.mlir
  }];
  let options = [
    Option<"target", "target", "std::string", "\"cuda:sm_80\"",
           "Target to choose for, such as cuda:sm_90a">,
  ];
}

def GPUChooseKernelsPass : Pass<"gpu-choose-kernels", "::mlir::ModuleOp"> {
  let summary = "Choose which forms a kernel has, and the sizes of their blocks";
  let description = [{
    Writes `gpu.forms` on every kernel that has none: a list of
    `{form, tokens, warps}`, `tokens` being the rows of the activation that a
    block takes. A call takes the first whose `most` (if it says nothing else,
    `tokens`) are as many as its rows, and whose `positions`, if it has them, as
    few as attention sees, or else the last.

    | form | |
    |---|---|
    | `dot` | each lane multiplies words of four values of four rows by vector instructions; lanes share K |
    | `stream` | a block multiplies 32 or 64 `rows` of the weight, from memory right into registers, by `tokens` on tensor cores; its warps share K |
    | `mma` | the same with 16 rows or a few times as many, of any groups |
    | `tiles` | a block multiplies `rows` of the weight by `tokens` on tensor cores, from shared memory, where `stages` steps along K are being read or on their way |
    | `wgmma` | the same, by products of four warps that read activations from there by themselves; `rows` are a multiple of 128, of GPUs that have it. With `scaled` weights meet their scale before they are multiplied |
    | `rows` | a block has a row of the activation |
    | `heads` | of attention: a block has a head of a row |
    | `split` | a block has one of several segments of the positions that a head of a row sees; `segments` merges them |
    | `flash` | a block has all heads that share keys and values, of `tokens` rows, on tensor cores: of caches that are not f32 |

    Before:   each kernel is alone in a function (`--kernel-distribute`).
    After:    every kernel that the GPU has says in which forms.
    Numerics: unchanged; see `--gpu-expand` for those of the forms.
    Example:  test/CodeGen/GPU/choose-kernels.mlir
  }];
  let options = [
    Option<"target", "target", "std::string", "\"cuda:sm_80\"",
           "Target to choose for">,
  ];
}

def GPUExpandPass : Pass<"gpu-expand", "::mlir::ModuleOp"> {
  let summary = "Expand kernels into GPU functions and launches of them";
  let description = [{
    For each form of a kernel, a function in `gpu.module @kernels`; the kernel
    itself becomes a launch of the form that fits its rows. Schemes say how
    codes become lanes (`QuantSchemeInterface`); nothing here knows one. A linalg
    op becomes a function with a thread for each element of its results; what
    thread 0 of a CPU does alone, one of which a single thread does it.

    Before:   matmuls, quantizations and attention have forms (`--gpu-choose-kernels`).
    After:    no kernel op but `kernel.barrier`, no linalg.
    Numerics: `dot` sums a group of K over lanes of a warp. A product of
              integers is exact up to its scales; with one scale a row it is the
              CPU's, bit by bit. The others with float activations round these to
              f16 (saturating; to bf16 for weights of bf16) if that has not been
              done, and codebooks of fractions too; sums are f32. With `scaled`
              what a scale makes of a weight is rounded to f16, brought there by
              a power of two for each row. `kernel.matmul_float8` is exact up to its
              sums, which tensor cores may keep in fewer bits than f32 has where
              they multiply 8-bit floats as they are (`tiles` on sm_89, `wgmma`).
              `flash` rounds queries, what an int8 cache stands for, and the
              weights of values to f16. Sums of a norm or of attention are
              added in another order than a CPU's. What lies in a cache behind
              the last position is not cleared: nothing here reads it.
    Example:  test/CodeGen/GPU/expand.mlir, expand-layers.mlir,
              expand-serial.mlir, expand-tiles.mlir, expand-wgmma.mlir
  }];
  let options = [
    Option<"target", "target", "std::string", "\"cuda:sm_80\"",
           "Target to generate for">,
  ];
  let dependentDialects = [
    "::mlir::gpu::GPUDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"
  ];
  let statistics = [
    Statistic<"numFunctions", "functions", "GPU functions emitted">,
  ];
}

def GPULaunchPass : Pass<"gpu-launch", "::mlir::ModuleOp"> {
  let summary = "Launch GPU functions through the runtime";
  let description = [{
    `gpu.launch_func` becomes a call of `qm_gpu_launch(number, arguments, blocks
    along x, along y, threads, bytes of shared memory)`, by the number of the function in `gpu.module`.
    Arguments are a list of pointers to 8 bytes each that ends with a null: a
    call's can be compared with those of another. What the host's functions are given are addresses of the GPU's memory.

    Before:   GPU functions are in the LLVM dialect.
    After:    no launch; the host reads and writes no buffer.
    Numerics: unchanged.
    Example:  test/CodeGen/GPU/launch.mlir
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::arith::ArithDialect"];
}

def GPUEmulatePass : Pass<"gpu-emulate", "::mlir::ModuleOp"> {
  let summary = "Let the CPU run GPU functions, a thread after the other";
  let description = [{
    For tests without a GPU: functions of `gpu.module` move to the host, what
    they ask of a GPU (`llvm.nvvm` intrinsics) becomes calls of an emulator, and
    a launch a call that runs all threads of all blocks.

    Before:   GPU functions are in the LLVM dialect.
    After:    no gpu op; calls of `qm_emulate_launch` and `qm_emulate_OP`.
    Numerics: those of the GPU, but for the order of sums inside an `mma`.
    Example:  test/CodeGen/GPU/emulate.mlir
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::arith::ArithDialect"];
}

#endif // QUANT_MLIR_CODEGEN_GPU_PASSES_TD
