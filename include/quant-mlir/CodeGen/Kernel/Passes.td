// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_CODEGEN_KERNEL_PASSES_TD
#define QUANT_MLIR_CODEGEN_KERNEL_PASSES_TD

include "mlir/Pass/PassBase.td"

// What every target shares: from tensors to kernels on buffers, run by threads.

def ConvertToKernelPass : Pass<"convert-to-kernel", "::mlir::ModuleOp"> {
  let summary = "Turn lm and qt ops on tensors into kernels on buffers";
  let description = [{
    Tensors of function signatures become buffers, `!lm.kv_cache` becomes a
    buffer [layers, 2, kv_heads, positions, head_size], and each function gets
    the packed weights as a last argument. Each result gets a buffer of its own.
    What is neither lm nor qt stays on tensors, with bufferization.to_tensor and
    to_buffer at the border.

    Before:   all weights packed (`--cpu-pack`, `--gpu-pack`).
    After:    no lm or qt op but `qt.weight` declarations.
    Numerics: unchanged; a residual addition after a matmul moves into it.
    Example:  test/CodeGen/Kernel/convert-to-kernel.mlir
  }];
  let options = [
    Option<"batch", "batch", "int64_t", "128",
           "Bound of dynamic dimensions, recorded as kernel.batch">,
  ];
  let dependentDialects = [
    "::mlir::bufferization::BufferizationDialect", "::mlir::memref::MemRefDialect",
    "::quantmlir::kernel::KernelDialect"
  ];
}

def KernelJoinMatmulsPass : Pass<"kernel-join-matmuls", "::mlir::func::FuncOp"> {
  let summary = "Multiply an activation by neighbouring weights at once";
  let description = [{
    Matmuls of one activation whose weights are alike but for their rows, and lie
    one behind the other without a gap, become one: q, k and v, or gate and up.
    Its results are columns of one buffer. Whatever is added in a matmul's last
    step keeps it apart, and so does a last panel that is not full.

    Before:   each matmul's result is a buffer of its own (`--convert-to-kernel`).
    After:    the same, or columns of one.
    Numerics: unchanged.
    Example:  test/CodeGen/Kernel/join-matmuls.mlir
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect"];
  let statistics = [
    Statistic<"numJoined", "joined", "Matmuls that became part of one">,
  ];
}

def KernelOwnBuffersPass : Pass<"kernel-own-buffers", "::mlir::func::FuncOp"> {
  let summary = "Give every op on tensors a buffer of its own to write into";
  let description = [{
    An empty tensor that several ops write into becomes one for each: equal ones
    were joined by then. Bufferization follows what ops on tensors read, but not
    who reads a buffer behind bufferization.to_buffer, such as the caller; so two
    results could have the same one.

    Before:   ops on tensors, behind the last pass that joins equal ops.
    After:    every empty tensor has one use.
    Numerics: unchanged.
    Example:  test/CodeGen/Kernel/own-buffers.mlir
  }];
}

def KernelResultsToArgumentsPass
    : Pass<"kernel-results-to-arguments", "::mlir::func::FuncOp"> {
  let summary = "Let the caller say where results go";
  let description = [{
    Each result becomes an argument (`kernel.role = "output"`) in front of the
    weights, and what was allocated for it is gone: for kernels that an
    application calls by themselves.

    Before:   every result is a buffer that the function allocates.
    After:    no results.
    Numerics: unchanged.
    Example:  test/CodeGen/Kernel/results-to-arguments.mlir
  }];
}

def KernelPlanWorkspacePass : Pass<"kernel-plan-workspace", "::mlir::func::FuncOp"> {
  let summary = "Give every buffer a place in one workspace";
  let description = [{
    Replaces `memref.alloc` by views of a new last argument, the workspace.
    Buffers whose lives do not overlap share memory. Dynamic dimensions are
    bounded by the function's `kernel.batch`.

    Before:   all allocations are in the function's only block.
    After:    no allocation; `kernel.workspace_bytes` says how much is needed.
    Numerics: unchanged.
    Example:  test/CodeGen/Kernel/plan-workspace.mlir
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
  let statistics = [
    Statistic<"numBuffers", "buffers", "Buffers placed">,
  ];
}

def KernelDistributePass : Pass<"kernel-distribute", "::mlir::ModuleOp"> {
  let summary = "Run the function on all threads, with barriers where they are needed";
  let description = [{
    The function becomes one program that every thread runs: it gets a thread
    id, a thread count and a barrier as last arguments, kernels move into
    functions of their own (one for all that are alike) which split their work
    by thread id, and `kernel.barrier` stands wherever a kernel touches a buffer
    that another thread may have written since the last one. Row-local kernels
    that follow each other on the same rows do not wait. Other ops that write
    memory, such as loops, are run by thread 0, in functions of their own, too.

    Before:   buffers only, no allocation.
    After:    the function calls kernels; each kernel is alone in a function.
    Numerics: unchanged.
    Example:  test/CodeGen/Kernel/distribute.mlir
  }];
  let dependentDialects = [
    "::mlir::func::FuncDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::scf::SCFDialect",
    "::quantmlir::kernel::KernelDialect"
  ];
  let statistics = [
    Statistic<"numBarriers", "barriers", "Barriers inserted">,
    Statistic<"numKernels", "kernels", "Distinct kernels">,
  ];
}

def KernelToLLVMPass : Pass<"kernel-to-llvm", "::mlir::ModuleOp"> {
  let summary = "Lower barriers to calls of the runtime";
  let description = [{
    `kernel.barrier` becomes a call of `qm_barrier(barrier, thread_count)`; weights
    that nothing refers to any more are removed.

    Before:   kernels are expanded.
    After:    no op of this project is left.
    Numerics: unchanged.
    Example:  test/CodeGen/Kernel/to-llvm.mlir
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // QUANT_MLIR_CODEGEN_KERNEL_PASSES_TD
