// RUN: quant-opt %s --kernel-plan-workspace --split-input-file --verify-diagnostics

func.func @unbounded(%rows: index) -> memref<?x8xf32> {
  // expected-error @below {{has a dynamic size, but the function has no kernel.batch to bound it}}
  %a = memref.alloc(%rows) : memref<?x8xf32>
  return %a : memref<?x8xf32>
}

// -----

// Lives are counted in the order of one block.
// expected-error @below {{has control flow between blocks; its buffers cannot be planned}}
func.func @blocks(%condition: i1) {
  cf.cond_br %condition, ^a, ^b
^a:
  cf.br ^b
^b:
  return
}

// -----

func.func @in_a_branch(%condition: i1) {
  scf.if %condition {
    // expected-error @below {{is inside a loop or branch; its place in the workspace cannot be planned}}
    %a = memref.alloc() : memref<8xf32>
    memref.dealloc %a : memref<8xf32>
  }
  return
}
