// RUN: quant-opt %s --cpu-pack=target=cpu:x86-64-v2 --split-input-file --verify-diagnostics
// RUN: not quant-opt %s --cpu-expand=target=cpu:x86-64-v2 2>&1 | FileCheck %s --check-prefix=EXPAND
// RUN: not quant-opt %s --cpu-pack=target=gpu:sm80 2>&1 | FileCheck %s --check-prefix=GPU
// RUN: not quant-opt %s --cpu-pack=target=cpu:x86-64-v3,x86-64-v2 2>&1 | FileCheck %s --check-prefix=LIST
// RUN: not quant-opt %s --cpu-pack=target=cpu:x86-64-v3, 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: not quant-opt %s --cpu-pack=target=cpu:x86-64-v3,cpu:x86-64-v3 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: not quant-opt %s --cpu-pack=target=cpu:x86-64-v3,aarch64 2>&1 | FileCheck %s --check-prefix=MIXED
// RUN: not quant-opt %s --cpu-pack=target=cpu:native,x86-64-v3 2>&1 | FileCheck %s --check-prefix=NATIVE

// LIST: error: unknown target 'cpu:x86-64-v2'; known are
// EMPTY: error: unknown target 'cpu:'; known are
// TWICE: error: target 'cpu:x86-64-v3,cpu:x86-64-v3': x86-64-v3 is there twice
// MIXED: error: target 'cpu:x86-64-v3,aarch64': x86-64-v3 and aarch64 cannot be in one object
// NATIVE: error: target 'cpu:native,x86-64-v3': native is for one machine, not for a list
// EXPAND: error: unknown target 'cpu:x86-64-v2'; known are cpu:native, cpu:x86-64-v3, cpu:x86-64-v3+vnni, cpu:x86-64-v4, cpu:x86-64-v4+vnni, cpu:x86-64-v4+bf16, cpu:x86-64-v4+amx, cpu:aarch64, cpu:aarch64+i8mm
// GPU: error: unknown target 'gpu:sm80'; known are cpu:native,

// expected-error @below {{unknown target 'cpu:x86-64-v2'; known are cpu:native, cpu:x86-64-v3, cpu:x86-64-v3+vnni, cpu:x86-64-v4, cpu:x86-64-v4+vnni, cpu:x86-64-v4+bf16, cpu:x86-64-v4+amx, cpu:aarch64, cpu:aarch64+i8mm}}
module {
  func.func @nothing() {
    return
  }
}
