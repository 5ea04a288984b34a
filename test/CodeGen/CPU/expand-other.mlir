// RUN: quant-opt %s --cpu-expand=target=cpu:x86-64-v4+vnni --canonicalize --cse --split-input-file | FileCheck %s

// Two groups of 16, one sum for both: absmax / 127 is the scale, 127 / absmax the
// factor, 0 for a group of zeros; codes are rounded halves to even, four to a word;
// 8 words hold the row's values, 8 more are padding.
// CHECK-LABEL: func.func @quantize(
//  CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?x32xf32>, %[[CODES:[a-z0-9]+]]: memref<?x16xi32>, %[[SCALES:[a-z0-9]+]]: memref<?x2xf32>, %[[SUMS:[a-z0-9]+]]: memref<?x1xi32>
//   CHECK-DAG: %[[C127:.+]] = arith.constant 1.270000e+02 : f32
//   CHECK-DAG: %[[ZERO:.+]] = arith.constant 0.000000e+00 : f32
//   CHECK-DAG: %[[I0:.+]] = arith.constant 0 : i32
//   CHECK-DAG: %[[MAGIC:.+]] = arith.constant dense<0x4B400000> : vector<16xf32>
//   CHECK-DAG: %[[C8:.+]] = arith.constant 8 : index
//   CHECK-DAG: %[[C16:.+]] = arith.constant 16 : index
//       CHECK: scf.for %[[ROW:.+]] =
//       CHECK: %[[TOTAL:.+]] = scf.for {{.*}} step %[[C16]] iter_args
//       CHECK: math.absf
//       CHECK: %[[BITS:.+]] = vector.reduction <maxsi>
//       CHECK: %[[MAX:.+]] = arith.bitcast %[[BITS]] : i32 to f32
//       CHECK: %[[SCALE:.+]] = arith.divf %[[MAX]], %[[C127]]
//       CHECK: memref.store %[[SCALE]], %[[SCALES]][%[[ROW]],
//       CHECK: %[[EMPTY:.+]] = arith.cmpf oeq, %[[MAX]], %[[ZERO]]
//       CHECK: %[[INVERSE:.+]] = arith.divf %[[C127]], %[[MAX]]
//       CHECK: arith.select %[[EMPTY]], %[[ZERO]], %[[INVERSE]]
//       CHECK: %[[RATIO:.+]] = arith.mulf
//       CHECK: %[[SHIFTED:.+]] = arith.addf %[[RATIO]], %[[MAGIC]]
//       CHECK: vector.bitcast %[[SHIFTED]] : vector<16xf32> to vector<16xi32>
//       CHECK: %[[BYTES:.+]] = arith.trunci {{.*}} to vector<16xi8>
//       CHECK: %[[WORDS:.+]] = vector.bitcast %[[BYTES]] : vector<16xi8> to vector<4xi32>
//       CHECK: vector.store %[[WORDS]], %[[CODES]][%[[ROW]],
//       CHECK: memref.store %[[TOTAL]], %[[SUMS]][%[[ROW]],
//       CHECK: scf.for {{.*}} = %[[C8]] to %[[C16]]
//  CHECK-NEXT: memref.store %[[I0]], %[[CODES]][%[[ROW]],
func.func @quantize(%x: memref<?x32xf32>, %codes: memref<?x16xi32>, %scales: memref<?x2xf32>, %sums: memref<?x1xi32>, %thread: index, %threads: index) {
  kernel.quantize %x into %codes, %scales, %sums {group = 16, sumGroup = 32} : memref<?x32xf32>, memref<?x16xi32>, memref<?x2xf32>, memref<?x1xi32>
  return
}

// -----

// CHECK-LABEL: func.func @rms_norm(
//   CHECK-DAG: %[[ONE:.+]] = arith.constant 1.000000e+00 : f32
//   CHECK-DAG: %[[PART:.+]] = arith.constant 3.125000e-02 : f32
//   CHECK-DAG: %[[EPS:.+]] = arith.constant 2.500000e-01 : f32
//       CHECK: %[[SUM:.+]] = vector.reduction <add>
//       CHECK: %[[MEAN:.+]] = arith.mulf %[[SUM]], %[[PART]]
//       CHECK: %[[MORE:.+]] = arith.addf %[[MEAN]], %[[EPS]]
//       CHECK: %[[ROOT:.+]] = math.sqrt %[[MORE]]
//       CHECK: arith.divf %[[ONE]], %[[ROOT]]
//   CHECK-NOT: vector.reduction
//       CHECK: vector.store
func.func @rms_norm(%x: memref<?x32xf32>, %gain: memref<32xf32>, %thread: index, %threads: index) {
  kernel.rms_norm %x, %gain into %x {eps = 0.25} : memref<?x32xf32>, memref<32xf32>, memref<?x32xf32>
  return
}

// The mean first, then the squares of the differences from it.
// CHECK-LABEL: func.func @layer_norm(
//       CHECK: vector.reduction <add>
//       CHECK: %[[DIFFERENCE:.+]] = arith.subf
//       CHECK: arith.mulf %[[DIFFERENCE]], %[[DIFFERENCE]]
//       CHECK: vector.reduction <add>
//       CHECK: math.sqrt
//       CHECK: arith.subf
//       CHECK: arith.addf
//       CHECK: vector.store
func.func @layer_norm(%x: memref<?x32xf32>, %gain: memref<32xf32>, %thread: index, %threads: index) {
  kernel.layer_norm %x, %gain bias %gain into %x {eps = 0.25} : memref<?x32xf32>, memref<32xf32>, memref<32xf32>, memref<?x32xf32>
  return
}

// -----

// Heads of 8 of which 4 elements turn, in pairs two apart: frequencies 10000^0 and
// 10000^-0.5, angles in f64. The other 4 are copied.
// CHECK-LABEL: func.func @rope(
//  CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?x8xf32>, %[[Y:[a-z0-9]+]]: memref<?x8xf32>, %[[POSITION:[a-z0-9]+]]: index
//   CHECK-DAG: %[[FREQUENCIES:.+]] = arith.constant dense<[1.000000e+00, 1.000000e-02]> : vector<2xf64>
//   CHECK-DAG: %[[C0:.+]] = arith.constant 0 : index
//   CHECK-DAG: %[[C2:.+]] = arith.constant 2 : index
//   CHECK-DAG: %[[C4:.+]] = arith.constant 4 : index
//       CHECK: arith.addi %[[POSITION]], %[[ROW:[a-z0-9]+]]
//       CHECK: arith.mulf %{{.*}}, %[[FREQUENCIES]] : vector<2xf64>
//   CHECK-DAG: vector.load %[[X]][%[[ROW]], %[[C0]]] {{.*}} vector<2xf32>
//   CHECK-DAG: vector.load %[[X]][%[[ROW]], %[[C2]]] {{.*}} vector<2xf32>
//   CHECK-DAG: vector.store %{{.*}}, %[[Y]][%[[ROW]], %[[C0]]]
//   CHECK-DAG: vector.store %{{.*}}, %[[Y]][%[[ROW]], %[[C2]]]
//       CHECK: %[[REST:.+]] = vector.load %[[X]][%[[ROW]], %[[C4]]] {{.*}} vector<4xf32>
//       CHECK: vector.store %[[REST]], %[[Y]][%[[ROW]], %[[C4]]]
func.func @rope(%x: memref<?x8xf32>, %y: memref<?x8xf32>, %position: index, %thread: index, %threads: index) {
  kernel.rope %x at %position into %y {base = 1.0e+04, headSize = 8, rotarySize = 4, style = #lm.rope_style<half>} : memref<?x8xf32> into memref<?x8xf32>
  return
}

// Frequencies 1 and 10000^-0.5, divided by 4 and 2.
// CHECK-LABEL: func.func @stretched_rope(
//       CHECK: arith.constant dense<[2.500000e-01, 5.000000e-03]> : vector<2xf64>
func.func @stretched_rope(%x: memref<?x8xf32>, %position: index, %thread: index, %threads: index) {
  kernel.rope %x at %position into %x {base = 1.0e+04, divisors = array<f64: 4.0, 2.0>, headSize = 8, rotarySize = 4, style = #lm.rope_style<half>} : memref<?x8xf32> into memref<?x8xf32>
  return
}

// Neighbours turn together.
// CHECK-LABEL: func.func @interleaved(
//       CHECK: %[[BOTH:.+]] = vector.load {{.*}} vector<8xf32>
//       CHECK: vector.deinterleave %[[BOTH]]
//       CHECK: vector.interleave
//       CHECK: vector.store
func.func @interleaved(%x: memref<?x8xf32>, %position: index, %thread: index, %threads: index) {
  kernel.rope %x at %position into %x {base = 1.0e+04, headSize = 8, rotarySize = 8, style = #lm.rope_style<interleaved>} : memref<?x8xf32> into memref<?x8xf32>
  return
}

// -----

// A table of single rows is copied by whole registers.
// CHECK-LABEL: func.func @gather_rows(
//       CHECK: %[[BYTES:.+]] = vector.load {{.*}} vector<32xi8>
//       CHECK: %[[HALVES:.+]] = vector.bitcast %[[BYTES]] : vector<32xi8> to vector<16xf16>
//       CHECK: arith.extf %[[HALVES]]
//       CHECK: vector.store
func.func @gather_rows(%ids: memref<?xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x32xf32>, %thread: index, %threads: index) {
  kernel.gather %ids, %weights[%offset] into %out {type = !qt.tensor<16x32xf32, #qt.float<f16>, #qt.panels<lanes = 1, vectors = 1, depth = 1, group = 32>>} : memref<?xi32>, memref<?xi8>, index, memref<?x32xf32>
  return
}

// A token's row is id % 16 of panel id / 16; panels of 256 bytes of codes and 16
// scales of two bytes.
// CHECK-LABEL: func.func @gather(
//  CHECK-SAME: %[[IDS:[a-z0-9]+]]: memref<?xi32>, %[[WEIGHTS:[a-z0-9]+]]: memref<?xi8>
//   CHECK-DAG: %[[C16:.+]] = arith.constant 16 : index
//   CHECK-DAG: %[[C288:.+]] = arith.constant 288 : index
//   CHECK-DAG: %[[EIGHT:.+]] = arith.constant dense<8> : vector<4xi32>
//       CHECK: %[[ID32:.+]] = memref.load %[[IDS]]
//       CHECK: %[[ID:.+]] = arith.index_cast %[[ID32]] : i32 to index
//       CHECK: %[[PANEL:.+]] = arith.divui %[[ID]], %[[C16]]
//       CHECK: arith.muli %[[PANEL]], %[[C288]]
//       CHECK: arith.remui %[[ID]], %[[C16]]
//       CHECK: vector.load %[[WEIGHTS]]{{.*}} vector<4xi8>
//       CHECK: %[[CODE:.+]] = arith.subi %{{.*}}, %[[EIGHT]]
//       CHECK: arith.sitofp %[[CODE]]
//       CHECK: arith.mulf
//       CHECK: vector.store
func.func @gather(%ids: memref<?xi32>, %weights: memref<?xi8>, %offset: index, %out: memref<?x32xf32>, %thread: index, %threads: index) {
  kernel.gather %ids, %weights[%offset] into %out {type = !qt.tensor<16x32xf32, #qt.q4_0, #qt.panels<lanes = 16, vectors = 1, depth = 4, group = 32>>} : memref<?xi32>, memref<?xi8>, index, memref<?x32xf32>
  return
}

// -----

// Keys in blocks of 16 positions times 16 elements, element by element; values row by
// row. What follows in a block that is begun is zeroed.
// CHECK-LABEL: func.func @cache_write(
//  CHECK-SAME: %[[K:[a-z0-9]+]]: memref<?x32xf32>, %[[V:[a-z0-9]+]]: memref<?x32xf32>, %[[CACHE:[a-z0-9]+]]: memref<1x2x2x?x16xf16>
//   CHECK-DAG: %[[C0:.+]] = arith.constant 0 : index
//   CHECK-DAG: %[[C1:.+]] = arith.constant 1 : index
//   CHECK-DAG: %[[ZERO:.+]] = arith.constant 0.000000e+00 : f16
//       CHECK: %[[FLAT:.+]] = memref.collapse_shape %[[CACHE]] {{.*}} into memref<1x2x2x?xf16>
//       CHECK: %[[BEGINS:.+]] = arith.cmpi ult
//       CHECK: %[[END:.+]] = arith.select %[[BEGINS]],
//       CHECK: %[[K0:.+]] = memref.load %[[K]]
//       CHECK: %[[KEY:.+]] = arith.truncf %[[K0]] : f32 to f16
//       CHECK: memref.store %[[KEY]], %[[FLAT]][%{{.*}}, %[[C0]], %[[HEAD:.+]], %{{.*}}]
//       CHECK: %[[V0:.+]] = memref.load %[[V]]
//       CHECK: %[[VALUE:.+]] = arith.truncf %[[V0]] : f32 to f16
//       CHECK: memref.store %[[VALUE]], %[[FLAT]][%{{.*}}, %[[C1]], %[[HEAD]], %{{.*}}]
//       CHECK: scf.for {{.*}} to %[[END]]
//       CHECK: memref.store %[[ZERO]], %[[FLAT]][%{{.*}}, %[[C0]],
//       CHECK: memref.store %[[ZERO]], %[[FLAT]][%{{.*}}, %[[C1]],
func.func @cache_write(%k: memref<?x32xf32>, %v: memref<?x32xf32>, %cache: memref<1x2x2x?x16xf16>, %layer: index, %position: index, %thread: index, %threads: index) {
  kernel.cache_write %k, %v into %cache[%layer] at %position : memref<?x32xf32>, memref<?x32xf32> into memref<1x2x2x?x16xf16>
  return
}

// Causal: row r sees position + r + 1 keys. exp is a polynomial, not a call.
// CHECK-LABEL: func.func @attention(
//  CHECK-SAME: %{{[a-z0-9]+}}: memref<?x32xf32>, %{{[a-z0-9]+}}: memref<1x2x1x?x16xf16>, %{{[a-z0-9]+}}: index, %[[POSITION:[a-z0-9]+]]: index, %[[OUT:[a-z0-9]+]]: memref<?x32xf32>, %[[THREAD:[a-z0-9]+]]: index, %[[THREADS:[a-z0-9]+]]: index)
//   CHECK-DAG: %[[C0:.+]] = arith.constant 0 : index
//   CHECK-DAG: %[[C1:.+]] = arith.constant 1 : index
//   CHECK-DAG: %[[C7:.+]] = arith.constant 7 : index
//   CHECK-DAG: %[[C256:.+]] = arith.constant 256 : index
//       CHECK: %[[SCORES:.+]] = memref.alloca() {alignment = 64 : i64} : memref<8x256xf32>
//       CHECK: scf.for {{.*}} = %[[THREAD]] to %{{.*}} step %[[THREADS]]
// Two heads read the same keys: rows of a tile are four tokens of both.
//       CHECK: %[[OWN:.+]] = arith.addi %[[POSITION]],
//       CHECK: %[[LIMIT:.+]] = arith.addi %[[OWN]], %[[C1]]
//       CHECK: memref.store %[[LIMIT]], %[[LIMITS:.+]][%{{.*}}] : memref<8xindex>
//       CHECK: %[[KEYS:.+]] = memref.load %[[LIMITS]][%[[C7]]]
//       CHECK: scf.for %[[FIRST:.+]] = %{{.*}} to %[[KEYS]] step %[[C256]]
// A vector of keys serves eight rows.
//       CHECK: %[[KEY:.+]] = vector.load %{{.*}} : memref<1x2x1x?xf16>, vector<16xf16>
//       CHECK: arith.extf %[[KEY]]
// CHECK-COUNT-8: vector.fma
//       CHECK: %[[LEFT:.+]] = arith.subi %{{.*}}, %{{.*}} : index
//       CHECK: vector.create_mask %[[LEFT]] : vector<16xi1>
//       CHECK: vector.store %{{.*}}, %[[SCORES]][%[[C0]],
//       CHECK: arith.cmpf ogt
//   CHECK-NOT: math.exp
//       CHECK: vector.reduction <add>
//       CHECK: arith.divf
//       CHECK: vector.store %{{.*}}, %[[OUT]]
func.func @attention(%q: memref<?x32xf32>, %cache: memref<1x2x1x?x16xf16>, %layer: index, %position: index, %out: memref<?x32xf32>, %thread: index, %threads: index) {
  kernel.attention %q, %cache[%layer] at %position into %out {causal, heads = 2, scale = 0.25} : memref<?x32xf32>, memref<1x2x1x?x16xf16>, index, index, memref<?x32xf32>
  return
}

// Bytes are stored in pairs, keys' pairs of elements and values' of positions, the
// scale behind the block's codes.
// CHECK-LABEL: func.func @cache_write_int8(
//   CHECK-DAG: %[[LIMIT:.+]] = arith.constant 1.270000e+02 : f32
//       CHECK: memref.collapse_shape {{.*}} into memref<1x2x2x?xi8>
//       CHECK: %[[MOST:.+]] = vector.reduction <maximumf>
//       CHECK: arith.divf %[[LIMIT]], %[[MOST]]
//       CHECK: %[[SCALE:.+]] = arith.divf %[[MOST]], %[[LIMIT]]
//       CHECK: vector.bitcast %{{.*}} : vector<1xf32> to vector<4xi8>
//       CHECK: vector.store {{.*}} vector<4xi8>
//       CHECK: math.roundeven
// CHECK-COUNT-8: vector.store {{.*}} vector<2xi8>
//       CHECK: vector.reduction <maximumf>
// CHECK-COUNT-16: memref.store {{.*}} memref<1x2x2x?xi8>
func.func @cache_write_int8(%k: memref<?x32xf32>, %v: memref<?x32xf32>, %cache: memref<1x2x2x?x20xi8>, %layer: index, %position: index, %thread: index, %threads: index) {
  kernel.cache_write %k, %v into %cache[%layer] at %position : memref<?x32xf32>, memref<?x32xf32> into memref<1x2x2x?x20xi8>
  return
}

// Queries of 16 bits against pairs of bytes; the scores are multiplied by the scales of
// their keys, the weights by those of their values.
// CHECK-LABEL: func.func @attention_int8(
//       CHECK: %[[SCORES:.+]] = memref.alloca() {alignment = 64 : i64} : memref<8x256xf32>
//       CHECK: %[[QUERIES:.+]] = memref.alloca() {alignment = 64 : i64} : memref<8x8xi32>
//       CHECK: %[[WEIGHTS:.+]] = memref.alloca() {alignment = 64 : i64} : memref<8x128xi32>
//       CHECK: vector.store %{{.*}}, %[[QUERIES]]
//       CHECK: %[[BYTES:.+]] = vector.load {{.*}} : memref<1x2x1x?xi8>, vector<32xi8>
//       CHECK: %[[WORDS:.+]] = arith.extsi %[[BYTES]]
// CHECK-COUNT-8: llvm.call_intrinsic "llvm.x86.avx512.pmaddw.d.512"(%[[WORDS]],
//       CHECK: vector.bitcast %{{.*}} : vector<64xi8> to vector<16xf32>
//       CHECK: vector.store %{{.*}}, %[[SCORES]]
//       CHECK: vector.store %{{.*}}, %[[WEIGHTS]]
//       CHECK: "llvm.x86.avx512.pmaddw.d.512"
func.func @attention_int8(%q: memref<?x32xf32>, %cache: memref<1x2x1x?x20xi8>, %layer: index, %position: index, %out: memref<?x32xf32>, %thread: index, %threads: index) {
  kernel.attention %q, %cache[%layer] at %position into %out {causal, heads = 2, scale = 0.25} : memref<?x32xf32>, memref<1x2x1x?x20xi8>, index, index, memref<?x32xf32>
  return
}

// Few rows are split over eight segments of the positions, whole chunks, whose parts a
// kernel of its own puts together.
// CHECK-LABEL: func.func @split_attention(
//  CHECK-SAME: %[[PARTS:[a-z0-9]+]]: memref<8x1x8x32xf32>
//       CHECK: %[[FEW:.+]] = arith.cmpi ule
//       CHECK: %[[LONG:.+]] = arith.cmpi ugt
//       CHECK: %[[SPLIT:.+]] = arith.andi %[[FEW]], %[[LONG]]
//       CHECK: arith.select %[[SPLIT]], %c8, %c1
//       CHECK: scf.if %[[SPLIT]]
//       CHECK: vector.store %{{.*}}, %[[PARTS]]
//       CHECK: } else {
//   CHECK-NOT: %[[PARTS]]
//       CHECK: arith.divf
// CHECK-LABEL: func.func @merge_attention(
//       CHECK: arith.cmpi ule
//       CHECK: arith.cmpi ugt
//       CHECK: arith.select
// CHECK-COUNT-8: memref.load %{{.*}} : memref<8x1x8x32xf32>
// CHECK-COUNT-7: arith.maximumf
//       CHECK: arith.divf
// CHECK-COUNT-8: vector.fma
func.func @split_attention(%q: memref<?x32xf32>, %cache: memref<1x2x1x?x16xf16>, %partials: memref<8x1x8x32xf32>, %layer: index, %position: index, %out: memref<?x32xf32>, %thread: index, %threads: index) {
  kernel.attention %q, %cache[%layer] at %position partials %partials into %out {causal, heads = 2, scale = 0.25} : memref<?x32xf32>, memref<1x2x1x?x16xf16>, index, index, memref<8x1x8x32xf32>, memref<?x32xf32>
  return
}
func.func @merge_attention(%partials: memref<8x1x8x32xf32>, %position: index, %out: memref<?x32xf32>, %thread: index, %threads: index) {
  kernel.merge_attention %partials at %position into %out {heads = 2} : memref<8x1x8x32xf32> into memref<?x32xf32>
  return
}

// A mask is added before the maximum is taken, a cap squashes scores before that.
// CHECK-LABEL: func.func @masked_attention(
//   CHECK-NOT: math.tanh
//       CHECK: %[[ADDED:.+]] = vector.maskedload
//       CHECK: %[[SUM:.+]] = arith.addf %{{.*}}, %[[ADDED]]
//       CHECK: arith.maximumf %[[SUM]],
//       CHECK: arith.cmpf ogt
func.func @masked_attention(%q: memref<?x32xf32>, %cache: memref<1x2x1x?x16xf16>, %layer: index, %position: index, %mask: memref<?x?xf32>, %out: memref<?x32xf32>, %thread: index, %threads: index) {
  kernel.attention %q, %cache[%layer] at %position mask %mask into %out {heads = 2, scale = 0.25, softcap = 30.0} : memref<?x32xf32>, memref<1x2x1x?x16xf16>, index, index, memref<?x?xf32>, memref<?x32xf32>
  return
}

// -----

#all = affine_map<(d0, d1) -> (d0, d1)>
#column = affine_map<(d0, d1) -> (d1)>
#row = affine_map<(d0, d1) -> (d0)>

// Elementwise code is vectors of the last dimension; a value for the whole row is
// spread over the vector.
// CHECK-LABEL: func.func @elementwise(
//  CHECK-SAME: %[[A:[a-z0-9]+]]: memref<24xf32>, %[[B:[a-z0-9]+]]: memref<?xf32>, %[[OUT:[a-z0-9]+]]: memref<?x24xf32>
//   CHECK-DAG: %[[C8:.+]] = arith.constant 8 : index
//   CHECK-DAG: %[[HALF:.+]] = arith.constant dense<5.000000e-01> : vector<8xf32>
//       CHECK: scf.for %[[I:.+]] =
//       CHECK: scf.for %[[J:.+]] = {{.*}} step %[[C8]]
//   CHECK-DAG: %[[X:.+]] = vector.load %[[A]][%[[J]]] : memref<24xf32>, vector<8xf32>
//   CHECK-DAG: %[[S:.+]] = memref.load %[[B]][%[[I]]]
//   CHECK-DAG: %[[Y:.+]] = vector.broadcast %[[S]] : f32 to vector<8xf32>
//       CHECK: %[[SUM:.+]] = arith.addf %[[X]], %[[Y]] : vector<8xf32>
//       CHECK: %[[Z:.+]] = arith.mulf %[[SUM]], %[[HALF]] : vector<8xf32>
//       CHECK: vector.store %[[Z]], %[[OUT]][%[[I]], %[[J]]]
//   CHECK-NOT: linalg
func.func @elementwise(%a: memref<24xf32>, %b: memref<?xf32>, %out: memref<?x24xf32>, %thread: index, %threads: index) {
  linalg.generic {indexing_maps = [#column, #row, #all], iterator_types = ["parallel", "parallel"]} ins(%a, %b : memref<24xf32>, memref<?xf32>) outs(%out : memref<?x24xf32>) {
  ^bb0(%x: f32, %y: f32, %z: f32):
    %half = arith.constant 0.5 : f32
    %0 = arith.addf %x, %y : f32
    %1 = arith.mulf %0, %half : f32
    linalg.yield %1 : f32
  }
  return
}

// A sum along rows is plain loops; the outermost is shared.
// CHECK-LABEL: func.func @row_sums(
//  CHECK-SAME: %[[THREAD:[a-z0-9]+]]: index, %[[THREADS:[a-z0-9]+]]: index)
//       CHECK: %[[BEGIN:.+]] = arith.divui %{{.*}}, %[[THREADS]]
//       CHECK: %[[END:.+]] = arith.divui %{{.*}}, %[[THREADS]]
//       CHECK: scf.for {{.*}} = %[[BEGIN]] to %[[END]]
//       CHECK: scf.for
//       CHECK: memref.load
//   CHECK-NOT: linalg
func.func @row_sums(%x: memref<8x24xf32>, %out: memref<8xf32>, %thread: index, %threads: index) {
  linalg.generic {indexing_maps = [#all, #row], iterator_types = ["parallel", "reduction"]} ins(%x : memref<8x24xf32>) outs(%out : memref<8xf32>) {
  ^bb0(%a: f32, %sum: f32):
    %0 = arith.addf %a, %sum : f32
    linalg.yield %0 : f32
  }
  return
}

// A sum of everything into one element cannot be shared: thread 0 does it.
// CHECK-LABEL: func.func @total(
//  CHECK-SAME: %[[THREAD:[a-z0-9]+]]: index, %{{[a-z0-9]+}}: index)
//       CHECK: %[[FIRST:.+]] = arith.cmpi eq, %[[THREAD]], %{{.*}} : index
//       CHECK: scf.if %[[FIRST]] {
//       CHECK: scf.for
func.func @total(%x: memref<8xf32>, %out: memref<f32>, %thread: index, %threads: index) {
  linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> ()>], iterator_types = ["reduction"]} ins(%x : memref<8xf32>) outs(%out : memref<f32>) {
  ^bb0(%a: f32, %sum: f32):
    %0 = arith.addf %a, %sum : f32
    linalg.yield %0 : f32
  }
  return
}

// What is no kernel stays.
// CHECK-LABEL: func.func @barrier(
//  CHECK-NEXT: kernel.barrier
//  CHECK-NEXT: return
func.func @barrier(%thread: index, %threads: index) {
  kernel.barrier
  return
}
