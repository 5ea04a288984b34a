// RUN: quant-opt %s --kernel-to-llvm --split-input-file --verify-diagnostics

func.func @not_distributed(%barrier: !llvm.ptr) {
  // expected-error @below {{is in a function without a barrier argument (--kernel-distribute)}}
  kernel.barrier
  return
}

// -----

// A barrier needs to know for how many to wait.
func.func @no_thread_count(%barrier: !llvm.ptr {kernel.role = "barrier"}) {
  // expected-error @below {{is in a function without a barrier argument (--kernel-distribute)}}
  kernel.barrier
  return
}
