// Where factors go in the layers of other models than llama's: found from the graph.
// Every activation peaks at 4 and every weight at 1, so that strength 0.5 gives factors of 2:
// columns are doubled, what they fold into is halved.

// RUN: rm -rf %t && split-file %s %t && cd %t
// RUN: %python %S/Inputs/make_safetensors.py w.safetensors gain:F32:4:1 beta:F32:4:1 gain2:F32:4:1 beta2:F32:4:1 post:F32:4:1 headgain:F32:2:1 q:F32:4x4:1 qb:F32:4:1 k:F32:4x4:1 kb:F32:4:1 v:F32:4x4:1 vb:F32:4:1 qkv:F32:12x4:1 qkvb:F32:12:1 o:F32:4x4:1 ob:F32:4:1 fc:F32:4x4:1 fcb:F32:4:1 gate:F32:4x4:1 up:F32:4x4:1 down:F32:4x4:1 downb:F32:4:1
// RUN: %python %S/Inputs/make_safetensors.py s.safetensors "format=quant-mlir statistics 1" model=test tokens=none "weights={\"q\": \"q\", \"k\": \"q\", \"v\": \"q\", \"qkv\": \"qkv\", \"o\": \"o\", \"fc\": \"fc\", \"gate\": \"gate\", \"up\": \"gate\", \"down\": \"down\"}" q.tokens:I64:1:1 q.min:F32:4:-1 q.max:F32:4:4 qkv.tokens:I64:1:1 qkv.min:F32:4:-1 qkv.max:F32:4:4 o.tokens:I64:1:1 o.min:F32:4:-1 o.max:F32:4:4 fc.tokens:I64:1:1 fc.min:F32:4:-1 fc.max:F32:4:4 gate.tokens:I64:1:1 gate.min:F32:4:-1 gate.max:F32:4:4 down.tokens:I64:1:1 down.min:F32:4:-1 down.max:F32:4:4

// RUN: quant-opt gpt2.mlir --qt-smooth="recipe=w8a8 calibration=s.safetensors strength=0.5 measure=max weights-out=gpt2.safetensors" --verify-diagnostics -o /dev/null
// RUN: %python %S/Inputs/print_safetensors.py gpt2.safetensors | FileCheck gpt2.mlir
// RUN: quant-opt opt.mlir --qt-smooth="recipe=w8a8 calibration=s.safetensors strength=0.5 measure=max weights-out=opt.safetensors" --verify-diagnostics -o /dev/null
// RUN: %python %S/Inputs/print_safetensors.py opt.safetensors | FileCheck opt.mlir
// RUN: quant-opt qwen.mlir --qt-smooth="recipe=w8a8 calibration=s.safetensors strength=0.5 measure=max weights-out=qwen.safetensors" --verify-diagnostics -o /dev/null
// RUN: %python %S/Inputs/print_safetensors.py qwen.safetensors | FileCheck qwen.mlir
// RUN: quant-opt gemma3.mlir --qt-smooth="recipe=w8a8 calibration=s.safetensors strength=0.5 measure=max weights-out=gemma3.safetensors" --verify-diagnostics -o /dev/null
// RUN: %python %S/Inputs/print_safetensors.py gemma3.safetensors | FileCheck gemma3.mlir
// RUN: quant-opt bert.mlir --qt-smooth="recipe=w8a8 calibration=s.safetensors strength=0.5 measure=max weights-out=bert.safetensors" --verify-diagnostics -o /dev/null
// RUN: %python %S/Inputs/print_safetensors.py bert.safetensors | FileCheck bert.mlir
// RUN: quant-opt overlap.mlir --qt-smooth="recipe=w8a8 calibration=s.safetensors strength=0.5 measure=max weights-out=overlap.safetensors" --verify-diagnostics -o /dev/null

//--- gpt2.mlir
// LayerNorm has a gain and a bias. Queries, keys and values are parts of one product: only
// the values' rows take o's factors. GELU lets none through.
// CHECK-DAG: gain F32 [4] [0.5, 0.5, 0.5, 0.5]
// CHECK-DAG: beta F32 [4] [0.5, 0.5, 0.5, 0.5]
// CHECK-DAG: qkv F32 [12, 4] [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0,
// CHECK-DAG: qkvb F32 [12] [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]
// CHECK-DAG: o F32 [4, 4] [2.0, 2.0,
// CHECK-DAG: fc F32 [4, 4] [2.0, 2.0,
// CHECK-DAG: gain2 F32 [4] [0.5, 0.5, 0.5, 0.5]
// CHECK-DAG: beta2 F32 [4] [0.5, 0.5, 0.5, 0.5]
module attributes {qt.fingerprint = "test"} {
  qt.weight @gain : tensor<4xf32> in "w.safetensors"
  qt.weight @beta : tensor<4xf32> in "w.safetensors"
  qt.weight @gain2 : tensor<4xf32> in "w.safetensors"
  qt.weight @beta2 : tensor<4xf32> in "w.safetensors"
  qt.weight @qkv : tensor<12x4xf32> in "w.safetensors"
  qt.weight @qkvb : tensor<12xf32> in "w.safetensors"
  qt.weight @o : tensor<4x4xf32> in "w.safetensors"
  qt.weight @ob : tensor<4xf32> in "w.safetensors"
  qt.weight @fc : tensor<4x4xf32> in "w.safetensors"
  qt.weight @fcb : tensor<4xf32> in "w.safetensors"
  qt.weight @down : tensor<4x4xf32> in "w.safetensors"
  qt.weight @downb : tensor<4xf32> in "w.safetensors"
  func.func @layer(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
    %c0 = arith.constant 0 : index
    %n = tensor.dim %x, %c0 : tensor<?x4xf32>
    %gain = qt.load @gain : tensor<4xf32>
    %beta = qt.load @beta : tensor<4xf32>
    %gain2 = qt.load @gain2 : tensor<4xf32>
    %beta2 = qt.load @beta2 : tensor<4xf32>
    %wqkv = qt.load @qkv : tensor<12x4xf32>
    %bqkv = qt.load @qkvb : tensor<12xf32>
    %wo = qt.load @o : tensor<4x4xf32>
    %bo = qt.load @ob : tensor<4xf32>
    %wfc = qt.load @fc : tensor<4x4xf32>
    %bfc = qt.load @fcb : tensor<4xf32>
    %wdown = qt.load @down : tensor<4x4xf32>
    %bdown = qt.load @downb : tensor<4xf32>
    %h = lm.layer_norm %x, %gain bias %beta {eps = 1.0e-5} : tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>
    %qkv = lm.linear %h, %wqkv bias %bqkv : tensor<?x4xf32>, tensor<12x4xf32>, tensor<12xf32> -> tensor<?x12xf32>
    %q = tensor.extract_slice %qkv[0, 0] [%n, 4] [1, 1] : tensor<?x12xf32> to tensor<?x4xf32>
    %k = tensor.extract_slice %qkv[0, 4] [%n, 4] [1, 1] : tensor<?x12xf32> to tensor<?x4xf32>
    %v = tensor.extract_slice %qkv[0, 8] [%n, 4] [1, 1] : tensor<?x12xf32> to tensor<?x4xf32>
    %a = lm.attention %q, %k, %v {causal, heads = 2, kv_heads = 2, scale = 0.5} : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>
    %y = lm.linear %a, %wo bias %bo : tensor<?x4xf32>, tensor<4x4xf32>, tensor<4xf32> -> tensor<?x4xf32>
    %r = arith.addf %x, %y : tensor<?x4xf32>
    %h2 = lm.layer_norm %r, %gain2 bias %beta2 {eps = 1.0e-5} : tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>
    %f = lm.linear %h2, %wfc bias %bfc : tensor<?x4xf32>, tensor<4x4xf32>, tensor<4xf32> -> tensor<?x4xf32>
    // expected-remark @below {{the input of 'down' is not smoothed: 'lm.activation' passes no factors on}}
    %g = lm.activation gelu_tanh %f : tensor<?x4xf32>
    %d = lm.linear %g, %wdown bias %bdown : tensor<?x4xf32>, tensor<4x4xf32>, tensor<4xf32> -> tensor<?x4xf32>
    %z = arith.addf %r, %d : tensor<?x4xf32>
    return %z : tensor<?x4xf32>
  }
}

//--- opt.mlir
// ReLU commutes with positive factors: rows and bias of the linear in front take them.
// CHECK-DAG: down F32 [4, 4] [2.0, 2.0,
// CHECK-DAG: fc F32 [4, 4] [1.0, 1.0, 1.0, 1.0, 1.0,
// CHECK-DAG: fcb F32 [4] [0.5, 0.5, 0.5, 0.5]
// CHECK-DAG: gain F32 [4] [0.5, 0.5, 0.5, 0.5]
// CHECK-DAG: beta F32 [4] [0.5, 0.5, 0.5, 0.5]
module attributes {qt.fingerprint = "test"} {
  qt.weight @gain : tensor<4xf32> in "w.safetensors"
  qt.weight @beta : tensor<4xf32> in "w.safetensors"
  qt.weight @fc : tensor<4x4xf32> in "w.safetensors"
  qt.weight @fcb : tensor<4xf32> in "w.safetensors"
  qt.weight @down : tensor<4x4xf32> in "w.safetensors"
  func.func @mlp(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
    %gain = qt.load @gain : tensor<4xf32>
    %beta = qt.load @beta : tensor<4xf32>
    %wfc = qt.load @fc : tensor<4x4xf32>
    %bfc = qt.load @fcb : tensor<4xf32>
    %wdown = qt.load @down : tensor<4x4xf32>
    %h = lm.layer_norm %x, %gain bias %beta {eps = 1.0e-5} : tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>
    %f = lm.linear %h, %wfc bias %bfc : tensor<?x4xf32>, tensor<4x4xf32>, tensor<4xf32> -> tensor<?x4xf32>
    %g = lm.activation relu %f : tensor<?x4xf32>
    %d = lm.linear %g, %wdown : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
    %z = arith.addf %x, %d : tensor<?x4xf32>
    return %z : tensor<?x4xf32>
  }
}

//--- qwen.mlir
// Biases of q, k, v (qwen2) and norms of heads (qwen3): only v's rows and bias take factors.
// CHECK-DAG: gain F32 [4] [0.5, 0.5, 0.5, 0.5]
// CHECK-DAG: q F32 [4, 4] [2.0, 2.0,
// CHECK-DAG: k F32 [4, 4] [2.0, 2.0,
// CHECK-DAG: v F32 [4, 4] [1.0, 1.0, 1.0, 1.0, 1.0,
// CHECK-DAG: vb F32 [4] [0.5, 0.5, 0.5, 0.5]
// CHECK-DAG: o F32 [4, 4] [2.0, 2.0,
// CHECK-NOT: {{^(qb|kb|headgain) }}
module attributes {qt.fingerprint = "test"} {
  qt.weight @gain : tensor<4xf32> in "w.safetensors"
  qt.weight @headgain : tensor<2xf32> in "w.safetensors"
  qt.weight @q : tensor<4x4xf32> in "w.safetensors"
  qt.weight @qb : tensor<4xf32> in "w.safetensors"
  qt.weight @k : tensor<4x4xf32> in "w.safetensors"
  qt.weight @kb : tensor<4xf32> in "w.safetensors"
  qt.weight @v : tensor<4x4xf32> in "w.safetensors"
  qt.weight @vb : tensor<4xf32> in "w.safetensors"
  qt.weight @o : tensor<4x4xf32> in "w.safetensors"
  func.func @attention(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
    %gain = qt.load @gain : tensor<4xf32>
    %headgain = qt.load @headgain : tensor<2xf32>
    %wq = qt.load @q : tensor<4x4xf32>
    %bq = qt.load @qb : tensor<4xf32>
    %wk = qt.load @k : tensor<4x4xf32>
    %bk = qt.load @kb : tensor<4xf32>
    %wv = qt.load @v : tensor<4x4xf32>
    %bv = qt.load @vb : tensor<4xf32>
    %wo = qt.load @o : tensor<4x4xf32>
    %h = lm.rms_norm %x, %gain {eps = 1.0e-6} : tensor<8x4xf32>, tensor<4xf32>
    %q0 = lm.linear %h, %wq bias %bq : tensor<8x4xf32>, tensor<4x4xf32>, tensor<4xf32> -> tensor<8x4xf32>
    %q1 = tensor.expand_shape %q0 [[0], [1, 2]] output_shape [8, 2, 2] : tensor<8x4xf32> into tensor<8x2x2xf32>
    %q2 = lm.rms_norm %q1, %headgain {eps = 1.0e-6} : tensor<8x2x2xf32>, tensor<2xf32>
    %q = tensor.collapse_shape %q2 [[0], [1, 2]] : tensor<8x2x2xf32> into tensor<8x4xf32>
    %k = lm.linear %h, %wk bias %bk : tensor<8x4xf32>, tensor<4x4xf32>, tensor<4xf32> -> tensor<8x4xf32>
    %v = lm.linear %h, %wv bias %bv : tensor<8x4xf32>, tensor<4x4xf32>, tensor<4xf32> -> tensor<8x4xf32>
    %a = lm.attention %q, %k, %v {causal, heads = 2, kv_heads = 2, scale = 0.5} : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>
    %y = lm.linear %a, %wo : tensor<8x4xf32>, tensor<4x4xf32> -> tensor<8x4xf32>
    %z = arith.addf %x, %y : tensor<8x4xf32>
    return %z : tensor<8x4xf32>
  }
}

//--- gemma3.mlir
// A norm behind the block, too, which nothing folds into; gate goes through GELU, up takes
// the factors.
// CHECK-DAG: down F32 [4, 4] [2.0, 2.0,
// CHECK-DAG: up F32 [4, 4] [1.0, 1.0, 1.0, 1.0, 1.0,
// CHECK-DAG: gate F32 [4, 4] [2.0, 2.0,
// CHECK-DAG: gain F32 [4] [0.5, 0.5, 0.5, 0.5]
// CHECK-NOT: {{^post }}
module attributes {qt.fingerprint = "test"} {
  qt.weight @gain : tensor<4xf32> in "w.safetensors"
  qt.weight @post : tensor<4xf32> in "w.safetensors"
  qt.weight @gate : tensor<4x4xf32> in "w.safetensors"
  qt.weight @up : tensor<4x4xf32> in "w.safetensors"
  qt.weight @down : tensor<4x4xf32> in "w.safetensors"
  func.func @mlp(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
    %gain = qt.load @gain : tensor<4xf32>
    %post = qt.load @post : tensor<4xf32>
    %wgate = qt.load @gate : tensor<4x4xf32>
    %wup = qt.load @up : tensor<4x4xf32>
    %wdown = qt.load @down : tensor<4x4xf32>
    %h = lm.rms_norm %x, %gain {eps = 1.0e-6} : tensor<?x4xf32>, tensor<4xf32>
    %g = lm.linear %h, %wgate : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
    %s = lm.activation gelu_tanh %g : tensor<?x4xf32>
    %u = lm.linear %h, %wup : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
    %p = arith.mulf %s, %u : tensor<?x4xf32>
    %d = lm.linear %p, %wdown : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
    %n = lm.rms_norm %d, %post {eps = 1.0e-6} : tensor<?x4xf32>, tensor<4xf32>
    %z = arith.addf %x, %n : tensor<?x4xf32>
    return %z : tensor<?x4xf32>
  }
}

//--- bert.mlir
// Norms behind the blocks, which the residual reads, too. Only o's input folds, into v.
// CHECK-DAG: v F32 [4, 4] [0.5, 0.5, 0.5, 0.5, 0.5,
// CHECK-DAG: vb F32 [4] [0.5, 0.5, 0.5, 0.5]
// CHECK-DAG: o F32 [4, 4] [2.0, 2.0,
// CHECK-NOT: {{^(gain|q|k|fc|fcb) }}
module attributes {qt.fingerprint = "test"} {
  qt.weight @gain : tensor<4xf32> in "w.safetensors"
  qt.weight @beta : tensor<4xf32> in "w.safetensors"
  qt.weight @q : tensor<4x4xf32> in "w.safetensors"
  qt.weight @k : tensor<4x4xf32> in "w.safetensors"
  qt.weight @v : tensor<4x4xf32> in "w.safetensors"
  qt.weight @vb : tensor<4xf32> in "w.safetensors"
  qt.weight @o : tensor<4x4xf32> in "w.safetensors"
  func.func @attention(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
    %gain = qt.load @gain : tensor<4xf32>
    %beta = qt.load @beta : tensor<4xf32>
    %wq = qt.load @q : tensor<4x4xf32>
    %wk = qt.load @k : tensor<4x4xf32>
    %wv = qt.load @v : tensor<4x4xf32>
    %bv = qt.load @vb : tensor<4xf32>
    %wo = qt.load @o : tensor<4x4xf32>
    // expected-remark @below {{the input of 'q' is not smoothed: 'arith.addf' reads it too}}
    %h = lm.layer_norm %x, %gain bias %beta {eps = 1.0e-12} : tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>
    %q = lm.linear %h, %wq : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
    %k = lm.linear %h, %wk : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
    %v = lm.linear %h, %wv bias %bv : tensor<?x4xf32>, tensor<4x4xf32>, tensor<4xf32> -> tensor<?x4xf32>
    %a = lm.attention %q, %k, %v {heads = 2, kv_heads = 2, scale = 0.5} : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>
    %y = lm.linear %a, %wo : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
    %z = arith.addf %h, %y : tensor<?x4xf32>
    return %z : tensor<?x4xf32>
  }
}

//--- overlap.mlir
// Parts that share channels cannot differ in factors.
module attributes {qt.fingerprint = "test"} {
  qt.weight @qkv : tensor<12x4xf32> in "w.safetensors"
  qt.weight @o : tensor<4x4xf32> in "w.safetensors"
  // expected-remark @below {{the input of 'qkv' is not smoothed: it is an argument of the function}}
  func.func @attention(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
    %wqkv = qt.load @qkv : tensor<12x4xf32>
    %wo = qt.load @o : tensor<4x4xf32>
    %qkv = lm.linear %x, %wqkv : tensor<8x4xf32>, tensor<12x4xf32> -> tensor<8x12xf32>
    %q = tensor.extract_slice %qkv[0, 5] [8, 4] [1, 1] : tensor<8x12xf32> to tensor<8x4xf32>
    %v = tensor.extract_slice %qkv[0, 8] [8, 4] [1, 1] : tensor<8x12xf32> to tensor<8x4xf32>
    // expected-remark @below {{the input of 'o' is not smoothed: what it is made of has other readers}}
    %a = lm.attention %q, %q, %v {heads = 2, kv_heads = 2, scale = 0.5} : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>
    %y = lm.linear %a, %wo : tensor<8x4xf32>, tensor<4x4xf32> -> tensor<8x4xf32>
    return %y : tensor<8x4xf32>
  }
}
