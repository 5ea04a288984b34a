// A quantized module as a Hugging Face folder: what quantization_config says of it.

// RUN: rm -rf %t && split-file %s %t && cd %t
// RUN: %python %S/../Dialect/QT/Inputs/make_safetensors.py m/model.safetensors table.weight:F32:8x64:1,-2 a.weight:F32:64x64:1,-2,3 b.weight:F32:64x64:4,5 a.bias:F32:64:1 other.weight:F16:4x64:1
// RUN: quant-opt model.mlir --quantize='recipe=recipe.yaml weights-out=q.safetensors' -o q.mlir

// RUN: quant-translate --export-hf q.mlir --format gptq -o gptq
// RUN: FileCheck %s --check-prefix=GPTQ < gptq/config.json
// RUN: ls -A gptq | FileCheck %s --check-prefix=FILES
// What most layers have is said for all.
//      GPTQ: "hidden_size": 64,
// GPTQ-NEXT: "quantization_config": {
// GPTQ-NEXT:   "bits": 4,
// GPTQ-NEXT:   "checkpoint_format": "gptq",
// GPTQ-NEXT:   "desc_act": false,
// GPTQ-NEXT:   "dynamic": {
// GPTQ-NEXT:     "+:b$": {
// GPTQ-NEXT:       "bits": 8,
// GPTQ-NEXT:       "group_size": -1,
// GPTQ-NEXT:       "sym": true
// GPTQ-NEXT:     },
// GPTQ-NEXT:     "-:other$": {}
// GPTQ-NEXT:   },
// GPTQ-NEXT:   "group_size": 32,
// GPTQ-NEXT:   "lm_head": false,
// GPTQ-NEXT:   "quant_method": "gptq",
// GPTQ-NEXT:   "sym": false
// GPTQ-NEXT: }

// Weights in other forms and hidden files stay behind.
//      FILES: config.json
// FILES-NEXT: model.safetensors
// FILES-NEXT: tokenizer.json
//  FILES-NOT: {{.}}

// RUN: quant-translate --export-hf q.mlir -o packed
// RUN: FileCheck %s --check-prefix=PACKED < packed/config.json
//      PACKED: "group_0": {
// PACKED-NEXT:   "format": "pack-quantized",
// PACKED-NEXT:   "input_activations": null,
// PACKED-NEXT:   "output_activations": null,
// PACKED-NEXT:   "targets": [
// PACKED-NEXT:     "Linear"
// PACKED-NEXT:   ],
// PACKED-NEXT:   "weights": {
// PACKED-NEXT:     "block_structure": null,
// PACKED-NEXT:     "dynamic": false,
// PACKED-NEXT:     "group_size": 32,
// PACKED-NEXT:     "num_bits": 4,
// PACKED-NEXT:     "strategy": "group",
// PACKED-NEXT:     "symmetric": false,
// PACKED-NEXT:     "type": "int"
//      PACKED: "group_1": {
//      PACKED:   "targets": [
// PACKED-NEXT:     "b"
//      PACKED:   "strategy": "channel",
//      PACKED: "format": "pack-quantized",
// PACKED-NEXT: "ignore": [
// PACKED-NEXT:   "other",
// PACKED-NEXT:   "lm_head"
// PACKED-NEXT: ],

//--- recipe.yaml
config_groups:
  most:
    targets: [a, c]
    weights: {num_bits: 4, group_size: 32, symmetric: false, scale_dtype: float16}
  other:
    targets: [b]
    weights: {num_bits: 8, scale_dtype: float16}
ignore: [Embedding]

//--- m/config.json
{"hidden_size": 64}

//--- m/tokenizer.json
{}

//--- m/pytorch_model.bin
not copied

//--- m/.hidden
not copied

//--- model.mlir
module attributes {lm.source = "m"} {
qt.weight @table.weight : tensor<8x64xf32> in "m/model.safetensors"
qt.weight @a.weight : tensor<64x64xf32> in "m/model.safetensors"
qt.weight @b.weight : tensor<64x64xf32> in "m/model.safetensors"
qt.weight @a.bias : tensor<64xf32> in "m/model.safetensors"
func.func @forward(%ids: tensor<?xi32>) -> tensor<?x64xf32> {
  %table = qt.load @table.weight : tensor<8x64xf32>
  %a = qt.load @a.weight : tensor<64x64xf32>
  %b = qt.load @b.weight : tensor<64x64xf32>
  %bias = qt.load @a.bias : tensor<64xf32>
  %0 = lm.embedding %ids, %table : tensor<?xi32>, tensor<8x64xf32> -> tensor<?x64xf32>
  %1 = lm.linear %0, %a bias %bias : tensor<?x64xf32>, tensor<64x64xf32>, tensor<64xf32> -> tensor<?x64xf32>
  %2 = lm.linear %1, %b : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  return %2 : tensor<?x64xf32>
}
}
