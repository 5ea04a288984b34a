// RUN: rm -rf %t && split-file %s %t && cd %t

// What a GGUF file needs beside weights is that of the model's source.
// RUN: not quant-translate --export-gguf nowhere.mlir -o out.gguf 2>&1 | FileCheck %s --check-prefix=NOWHERE
// NOWHERE: error: the module does not say where it came from (lm.source)
// RUN: not quant-translate --export-gguf folder.mlir -o out.gguf 2>&1 | FileCheck %s --check-prefix=FOLDER
// FOLDER: error: {{.*}}config.json: cannot be read: No such file or directory
// RUN: not quant-translate --export-gguf other.mlir -o out.gguf 2>&1 | FileCheck %s --check-prefix=OTHER
// OTHER: error: other.mlir: is not a GGUF file
// RUN: not quant-translate --export-gguf gone.mlir -o out.gguf 2>&1 | FileCheck %s --check-prefix=GONE
// GONE: error: gone.gguf: cannot be read: No such file or directory
// RUN: not ls out.gguf

// RUN: not quant-translate --export-gguf nowhere.mlir 2>&1 | FileCheck %s --check-prefix=OUTPUT
// OUTPUT: --export-gguf needs -o FILE.gguf
// RUN: not quant-translate --export-gguf a.mlir --import-gguf a.gguf -o b 2>&1 | FileCheck %s --check-prefix=ONE
// ONE: one of --import-gguf, --import-hf, --import-onnx, --export-gguf and --export-hf is needed

//--- nowhere.mlir
module {}
//--- folder.mlir
module attributes {lm.source = "."} {}
//--- other.mlir
module attributes {lm.source = "other.mlir"} {}
//--- gone.mlir
module attributes {lm.source = "gone.gguf"} {}
