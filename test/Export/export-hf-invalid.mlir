// What cannot be said in a checkpoint is one line that names the weight, and nothing is written.

// RUN: rm -rf %t && split-file %s %t && cd %t
// RUN: %python %S/../Dialect/QT/Inputs/make_safetensors.py m/model.safetensors table.weight:F32:8x64:1,-2 a.weight:F32:32x64:1,2
// DEFINE: %{recipe} =
// DEFINE: %{format} =
// DEFINE: %{export} = quant-opt model.mlir --quantize='recipe=%{recipe} weights-out=q.safetensors' -o q.mlir && not quant-translate --export-hf q.mlir --format %{format} -o out

// REDEFINE: %{recipe} = int4-g32-asym
// REDEFINE: %{format} = gptq
// RUN: %{export} 2>&1 | FileCheck %s --match-full-lines --check-prefix=ZERO
// ZERO: {{.*}}q.safetensors: tensor 'a.weight': row 0 has a zero point of 0, which readers of version 1 take for different numbers; gptq_v2 can store it

// RUN: mkdir odd && cp m/config.json odd
// RUN: %python %S/../Dialect/QT/Inputs/make_safetensors.py odd/model.safetensors table.weight:F32:8x60:1,-2 a.weight:F32:30x60:1,2
// RUN: sed 's/x64x/x60x/g; s/32x60/30x60/g; s/?x32x/?x30x/g; s/"m/"odd/g' model.mlir | quant-opt --quantize='recipe=int4-g32 weights-out=odd.safetensors' -o odd.mlir
// RUN: not quant-translate --export-hf odd.mlir --format gptq -o out 2>&1 | FileCheck %s --check-prefix=WORDS
// WORDS: odd.safetensors: tensor 'a.weight': 30 rows or 60 columns of 4 bits are no whole words, which gptq packs them in

// REDEFINE: %{recipe} = int8
// RUN: %{export} 2>&1 | FileCheck %s --check-prefix=SCALES
// SCALES: tensor 'a.weight': #qt.int<8, channel> cannot be stored as gptq; what can: #qt.int<B, group = G, scale = f16>

// REDEFINE: %{recipe} = nf4
// REDEFINE: %{format} = compressed-tensors
// RUN: %{export} 2>&1 | FileCheck %s --check-prefix=NF4
// NF4: tensor 'a.weight': #qt.codebook<nf4, group = 64> cannot be stored as compressed-tensors; what can: #qt.int, #qt.float<f8E4M3FN>

// REDEFINE: %{recipe} = gptq-w8a8.yaml
// REDEFINE: %{format} = gptq_v2
// RUN: %{export} 2>&1 | FileCheck %s --check-prefix=INPUT
// INPUT: tensor 'a.weight': its input is quantized to #qt.int<8, token>, which gptq_v2 cannot say; compressed-tensors can

// REDEFINE: %{recipe} = int8-llm
// REDEFINE: %{format} = compressed-tensors
// RUN: %{export} 2>&1 | FileCheck %s --check-prefix=OUTLIERS
// OUTLIERS: tensor 'a.weight': outliers of its input stay floats

// REDEFINE: %{recipe} = table.yaml
// RUN: %{export} 2>&1 | FileCheck %s --check-prefix=TABLE
// TABLE: tensor 'table.weight': is a table of tokens; checkpoints have them as floats

// REDEFINE: %{recipe} = as-stored
// RUN: %{export} 2>&1 | FileCheck %s --check-prefix=FLOAT
// FLOAT: m: no weight is quantized; a recipe says how

// RUN: not quant-translate --export-hf model.mlir -o out 2>&1 | FileCheck %s --check-prefix=RECIPE
// RECIPE: m: the module is not quantized (--quantize)

// RUN: quant-opt model.mlir --quantize='recipe=int8 weights-out=q.safetensors' -o q.mlir
// RUN: sed 's/lm.source = "m"/lm.source = "m.gguf"/' q.mlir > gguf.mlir
// RUN: not quant-translate --export-hf gguf.mlir -o out 2>&1 | FileCheck %s --check-prefix=GGUF
// GGUF: m.gguf: is no Hugging Face folder; only what was imported from one can become one
// RUN: not quant-translate --export-hf q.mlir -o ./m 2>&1 | FileCheck %s --check-prefix=SAME
// SAME: m: would be overwritten
// RUN: sed 's/@a.weight/@another/' q.mlir > another.mlir
// RUN: not quant-translate --export-hf another.mlir -o out 2>&1 | FileCheck %s --check-prefix=PLACE
// PLACE: tensor 'another': has no place in a folder like m
// RUN: not ls out

// RUN: not quant-translate --export-hf q.mlir --format awq -o out 2>&1 | FileCheck %s --check-prefix=NAME
// NAME: --format 'awq' is none of compressed-tensors, gptq and gptq_v2
// RUN: not quantc m --export awq -o out 2>&1 | FileCheck %s --check-prefix=QUANTC
// QUANTC: --export 'awq' is none of compressed-tensors, gptq and gptq_v2
// RUN: not quantc m --export gptq --batch 32 -o out 2>&1 | FileCheck %s --check-prefix=PROGRAM
// PROGRAM: --batch is for programs, not for --export

//--- gptq-w8a8.yaml
config_groups:
  all:
    targets: [Linear]
    weights: {num_bits: 8, scale_dtype: float16}
    input_activations: {num_bits: 8}
ignore: [Embedding]

//--- table.yaml
config_groups:
  all: {targets: [Linear, Embedding], weights: {num_bits: 8}}

//--- m/config.json
{"hidden_size": 64}

//--- model.mlir
module attributes {lm.source = "m"} {
qt.weight @table.weight : tensor<8x64xf32> in "m/model.safetensors"
qt.weight @a.weight : tensor<32x64xf32> in "m/model.safetensors"
func.func @forward(%ids: tensor<?xi32>) -> tensor<?x32xf32> {
  %table = qt.load @table.weight : tensor<8x64xf32>
  %a = qt.load @a.weight : tensor<32x64xf32>
  %0 = lm.embedding %ids, %table : tensor<?xi32>, tensor<8x64xf32> -> tensor<?x64xf32>
  %1 = lm.linear %0, %a : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  return %1 : tensor<?x32xf32>
}
}
