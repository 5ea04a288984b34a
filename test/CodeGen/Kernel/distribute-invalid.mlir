// RUN: quant-opt %s --kernel-distribute --split-input-file --verify-diagnostics

#id = affine_map<(d0) -> (d0)>

func.func @on_tensors(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @below {{is on tensors, not on buffers}}
  %0 = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel"]} outs(%x : tensor<8xf32>) {
  ^bb0(%out: f32):
    %1 = arith.negf %out : f32
    linalg.yield %1 : f32
  } -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

// Only thread 0 would come here, and do only its own share.
func.func @in_a_loop(%x: memref<8x32xf32>, %gain: memref<32xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    // expected-error @below {{is inside a loop or branch, where threads cannot share it}}
    kernel.rms_norm %x, %gain into %x {eps = 1.0e-5} : memref<8x32xf32>, memref<32xf32>, memref<8x32xf32>
  }
  return
}
