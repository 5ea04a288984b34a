// RUN: quant-opt %s --cpu-pack=target=cpu:x86-64-v2 --split-input-file --verify-diagnostics
// RUN: not quant-opt %s --kernel-expand=target=cpu:x86-64-v2 2>&1 | FileCheck %s --check-prefix=EXPAND
// RUN: not quant-opt %s --cpu-pack=target=gpu:sm80 2>&1 | FileCheck %s --check-prefix=GPU

// EXPAND: error: unknown target 'cpu:x86-64-v2'; known are cpu:native, cpu:x86-64-v3, cpu:x86-64-v3+vnni, cpu:x86-64-v4, cpu:x86-64-v4+vnni, cpu:x86-64-v4+bf16, cpu:aarch64
// GPU: error: unknown target 'gpu:sm80'; known are cpu:native,

// expected-error @below {{unknown target 'cpu:x86-64-v2'; known are cpu:native, cpu:x86-64-v3, cpu:x86-64-v3+vnni, cpu:x86-64-v4, cpu:x86-64-v4+vnni, cpu:x86-64-v4+bf16, cpu:aarch64}}
module {
  func.func @nothing() {
    return
  }
}
