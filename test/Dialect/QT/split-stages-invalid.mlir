// RUN: quant-opt %s --qt-split-stages --verify-diagnostics --split-input-file

func.func @first(%x: tensor<?x8xf32>) {
  %0 = qt.observe %x [sum_abs] site "w" : tensor<?x8xf32> -> tensor<8xf32>
  return
}
// expected-error @below {{is observed, and so is @first; stages are of one function}}
func.func @second(%x: tensor<?x8xf32>) {
  %0 = qt.observe %x [sum_abs] site "w" : tensor<?x8xf32> -> tensor<8xf32>
  return
}

// -----

// expected-error @below {{has control flow between blocks and cannot be cut into stages}}
func.func @branches(%x: tensor<?x8xf32>) {
  %0 = qt.observe %x [sum_abs] site "w" : tensor<?x8xf32> -> tensor<8xf32>
  cf.br ^end
^end:
  return
}

// -----

func.func @loop(%x: tensor<?x8xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = qt.observe %x [sum_abs] site "w" : tensor<?x8xf32> -> tensor<8xf32>
  scf.for %i = %c0 to %n step %c1 {
    // expected-error @below {{is inside a loop or branch, where no stage can end}}
    %1 = qt.observe %x [sum_abs] site "w" : tensor<?x8xf32> -> tensor<8xf32>
  }
  return
}
