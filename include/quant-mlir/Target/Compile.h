// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_TARGET_COMPILE_H
#define QUANT_MLIR_TARGET_COMPILE_H

#include "mlir/IR/BuiltinOps.h"
#include "quant-mlir/CodeGen/CPU/Target.h"
#include "llvm/Support/Error.h"
#include <functional>
#include <string>

namespace quantmlir {

/// Told how many of how many kernels have been measured.
using TuneProgress = std::function<void(int64_t done, int64_t total)>;

/// What quantc is asked for.
struct CompileOptions {
  std::string target = "cpu:native";
  /// Of the files and of the C functions; an identifier.
  std::string name = "model";
  /// The folder that is written; made if it is not there.
  std::string folder;
  /// The recipe's name, for the record in NAME.json.
  std::string recipe;
  /// Most tokens per call, a multiple of 16.
  int64_t batch = 128;
  /// A file of measured choices (--cpu-choose-tiles); "" for none.
  std::string choices;
  /// If there is one, kernels that `choices` does not know are measured first,
  /// on this machine, and what is found is added to the file.
  TuneProgress tune;
  /// Folder with libquant_runtime.a and quant_runtime.h.
  std::string runtimeFolder;
};

/// Compiles a quantized model: NAME.weights.safetensors, NAME.o, NAME.h,
/// NAME.json, quant_runtime.h and the tokenizer's files, and for this machine's
/// architecture NAME.a and NAME.so with the runtime in them. Each file appears
/// whole or not at all. The module is changed.
///
/// Errors are one line. What passes have to say goes to the context's
/// diagnostics.
llvm::Error compileModel(mlir::ModuleOp module, const CompileOptions &options);

/// The CPUs that run what is compiled for `spec`: those of `cpu:...`, or this
/// machine's, which is the host of a GPU.
llvm::Expected<cpu::CPUTargets> parseHostTargets(llvm::StringRef spec);

/// Whether C functions can begin with it.
bool isIdentifier(llvm::StringRef text);

/// Copies what a tokenizer needs from the model's source (`lm.source`) into the
/// folder: returns "gguf", "hf", or "" if the source has none.
llvm::Expected<std::string> writeTokenizer(llvm::StringRef source,
                                           llvm::StringRef folder);

} // namespace quantmlir

#endif // QUANT_MLIR_TARGET_COMPILE_H
