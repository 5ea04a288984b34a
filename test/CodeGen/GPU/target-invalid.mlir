// RUN: quant-opt %s --gpu-pack=target=cuda:sm_75 --verify-diagnostics
// RUN: not quant-opt %s --gpu-choose-kernels=target=cuda 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not quant-opt %s --gpu-expand=target=sm_80 2>&1 | FileCheck %s --check-prefix=BARE

// NONE: error: unknown target 'cuda'; the GPUs are cuda:sm_80, cuda:sm_89, cuda:sm_90a
// BARE: error: unknown target 'sm_80'; the GPUs are

// expected-error @below {{unknown target 'cuda:sm_75'; the GPUs are cuda:sm_80, cuda:sm_89, cuda:sm_90a}}
module {
  func.func @nothing() {
    return
  }
}
