// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_TARGET_TARGET_H
#define QUANT_MLIR_LIB_TARGET_TARGET_H

// The steps of compileModel.

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "quant-mlir/CodeGen/CPU/Target.h"
#include "quant-mlir/CodeGen/GPU/Target.h"
#include "quant-mlir/Runtime/quant_runtime.h"
#include "quant-mlir/Target/Compile.h"
#include "llvm/Support/JSON.h"
#include <memory>

namespace llvm {
class Constant;
class Function;
class GlobalVariable;
class LLVMContext;
class Module;
class TargetMachine;
namespace orc {
class LLJIT;
} // namespace orc
} // namespace llvm

namespace mlir {
class PassManager;
} // namespace mlir

namespace quantmlir {

struct CodegenCPUOptions;

/// An argument or result of a function that the runtime calls.
struct FunctionValue {
  /// "result", "input", the argument's kernel.role, or in a library of kernels
  /// "unused".
  std::string role;
  std::string name;
  mlir::Type type; ///< a MemRefType, index, or LLVM pointer
};

/// A function as the runtime sees it, read off after kernel-distribute.
struct FunctionInfo {
  std::string name;
  int64_t workspaceBytes = 0;
  /// Results first, then arguments in order.
  llvm::SmallVector<FunctionValue> values;
};

/// Machine code, and what ptxas says of registers. Empty without ptxas.
struct Cubin {
  std::string code, log;

  bool empty() const { return code.empty(); }
  /// Registers, shared memory and spills of each.
  llvm::json::Object describeFunctions() const;
};

/// A model's code for a GPU: what becomes a qm_gpu.
struct GPUCode {
  std::string target; ///< "cuda:sm_80"; "" if the model runs on the CPU
  llvm::SmallVector<std::string> functions;
  /// Nothing for an emulated GPU, whose code is the host's.
  std::string ptx;
  Cubin cubin;
};

/// What the module's attributes say about the model.
struct ModelInfo {
  std::string name, task, architecture, source, modelName;
  int64_t vocabulary = 0, hidden = 0, context = 0, batch = 0;
  uint64_t weightsBytes = 0, weightsHash = 0;
  llvm::SmallVector<FunctionInfo> functions;
  /// Whose code the object has, the best first.
  cpu::CPUTargets targets;
  /// Of a library of kernels: the GPU whose code that of `targets` emulates; ""
  /// if it is their own.
  std::string emulated;
  GPUCode gpu;

  /// What follows the names of a version's functions where there are several.
  std::string suffix(unsigned version) const {
    return targets.size() > 1 ? "." + targets[version].name : "";
  }
};

/// A packed tensor, for NAME.json.
struct PackedTensor {
  std::string name, scheme;
  llvm::SmallVector<int64_t> shape;
  int64_t bytes = 0;
  /// Relative error of rounding; not there if the weight is as stored.
  std::optional<double> error;
};

struct PackedWeights {
  uint64_t fileBytes = 0, headerHash = 0;
  llvm::SmallVector<PackedTensor> tensors;
};

/// Writes the weights of a packed module in their layouts.
llvm::Expected<PackedWeights> writePackedWeights(mlir::ModuleOp module,
                                                 llvm::StringRef path);

/// Reads the public functions' signatures; call after kernel-distribute.
llvm::SmallVector<FunctionInfo> describeFunctions(mlir::ModuleOp module);

/// Adds NAME_descriptor, and for each function an entry that takes its
/// arguments as an array of pointers.
void emitDescriptor(llvm::Module &module, const ModelInfo &model);

/// The versions of an object's code, and the choice among them: NAME_versions,
/// a qm_versions, and functions that call the version which this CPU runs.
class VersionEmitter {
public:
  VersionEmitter(llvm::Module &module, const ModelInfo &model);

  /// NAME_versions.
  llvm::Constant *table() const { return versions; }
  /// The function `name`, of which `emit(name, suffix)` makes each version,
  /// to call functions with the suffix.
  llvm::Function *
  entry(llvm::StringRef name,
        llvm::function_ref<llvm::Function *(const llvm::Twine &name,
                                            llvm::StringRef suffix)>
            emit);

private:
  llvm::Function *dispatch(llvm::StringRef name,
                           llvm::ArrayRef<llvm::Function *> callees);

  llvm::Module &module;
  const ModelInfo &model;
  llvm::Constant *versions;
  /// Of several, the chosen one's number; -1 before the first call.
  llvm::GlobalVariable *chosen = nullptr;
};

/// Optimizes and compiles to an object file in memory.
llvm::Expected<std::string> emitObject(llvm::Module &module,
                                       const cpu::CPUTargets &targets);

/// LLVM's passes, for code that is vectors and tiles already.
void optimizeModule(llvm::Module &module, llvm::TargetMachine &machine);

/// The PTX of a `gpu.module` in the LLVM dialect.
llvm::Expected<std::string> emitPTX(mlir::gpu::GPUModuleOp functions,
                                    const cuda::GPUTarget &target);

/// Assembles it with ptxas, if there is one.
llvm::Expected<Cubin> assemblePTX(llvm::StringRef ptx,
                                  const cuda::GPUTarget &target);

/// The weight that each function of a library of kernels reads; it is all that
/// the function is given, so it lies at the front.
llvm::StringMap<mlir::Type> placeWeights(mlir::ModuleOp module);

/// Takes the weights of functions that have none from their C parameters.
void dropUnusedWeights(ModelInfo &library,
                       const llvm::StringMap<mlir::Type> &weights);

/// `compileKernels` for a GPU: NAME.ptx, NAME.cubin if there is a ptxas,
/// NAME.json, and a library whose C functions launch.
llvm::Error compileGPUKernels(mlir::ModuleOp module,
                              const CompileOptions &options);

/// Adds for each function what C calls: NAME_function with a pointer for each
/// buffer, numbers by value, and a qm_team, or for a GPU the opened kernels and
/// a stream. Nothing else stays visible.
void emitKernelEntries(llvm::Module &module, const ModelInfo &library);

/// Adds NAME_gpu, a qm_gpu. Nothing but what it points to is changed.
void emitGPUCode(llvm::Module &module, const ModelInfo &library);

/// Stage "codegen-cpu", its second half for each of `model.targets`, all in one
/// LLVM module. Fills in `model.functions`. With `tune` kernels are measured
/// between the halves. The MLIR module is changed.
llvm::Expected<std::unique_ptr<llvm::Module>>
lowerToLLVM(mlir::ModuleOp module, ModelInfo &model,
            const CodegenCPUOptions &codegen, llvm::LLVMContext &context,
            const TuneProgress &tune = nullptr);

/// The second half for one target, `cpu:NAME` or `cuda-emulated:NAME`.
llvm::Expected<std::unique_ptr<llvm::Module>>
lowerVersion(mlir::ModuleOp module, llvm::StringRef name,
             llvm::StringRef target, llvm::StringRef choices,
             llvm::LLVMContext &context);

/// From functions of kernels to host code that launches them, and to
/// `model.gpu`, whose target says for which GPU.
llvm::Expected<std::unique_ptr<llvm::Module>>
lowerForGPU(mlir::ModuleOp module, ModelInfo &model,
            llvm::LLVMContext &context);

/// The second half of it: from functions that launch.
llvm::Expected<std::unique_ptr<llvm::Module>>
lowerLaunches(mlir::ModuleOp module, ModelInfo &model,
              llvm::LLVMContext &context);

/// Runs passes; an error names the stage.
llvm::Error runStage(mlir::ModuleOp module, llvm::StringRef stage,
                     llvm::function_ref<void(mlir::PassManager &)> build);

/// The last step from the LLVM dialect on.
llvm::Expected<std::unique_ptr<llvm::Module>>
translateToLLVM(mlir::ModuleOp module, llvm::StringRef name,
                llvm::LLVMContext &context);

/// Stage "codegen-cpu" and everything after it, up to the bytes of an object
/// file. Fills in `model.functions`. The module is changed.
llvm::Expected<std::string> compileToObject(mlir::ModuleOp module,
                                            ModelInfo &model,
                                            const CodegenCPUOptions &codegen,
                                            const TuneProgress &tune = nullptr);

/// An object in this process, and the descriptor NAME_descriptor in it.
struct LoadedObject {
  std::unique_ptr<llvm::orc::LLJIT> jit;
  const qm_descriptor *descriptor;
};
llvm::Expected<LoadedObject> loadObject(llvm::StringRef object,
                                        llvm::StringRef name);

/// Measures register tiles of the distributed kernels that the file `path` does
/// not know, for calls of `rows` rows, and adds the fastest to the file. The
/// module stays as it is.
llvm::Error tuneTiles(mlir::ModuleOp module, const cpu::CPUTargets &targets,
                      llvm::StringRef path, int64_t rows,
                      const TuneProgress &progress);

/// The text of NAME.h.
std::string makeHeader(const ModelInfo &model, llvm::StringRef target);

/// The text of NAME.h for a library of kernels.
std::string makeKernelHeader(const ModelInfo &library,
                             const CompileOptions &options,
                             const llvm::StringMap<mlir::Type> &weights);

/// A C parameter of a function of kernels.
struct KernelParameter {
  std::string type, name;
  /// What it stands for in the function; null for sizes and for who calls.
  const FunctionValue *value = nullptr;
};

/// In order; valid as long as `function`.
llvm::SmallVector<KernelParameter>
kernelParameters(const FunctionInfo &function, bool onGPU);

/// What NAME.json says of each kernel: its parameters, workspace and weight.
llvm::json::Object describeKernels(const ModelInfo &library,
                                   const llvm::StringMap<mlir::Type> &weights);

/// NAME.json.
llvm::Error writeKernelManifest(const CompileOptions &options,
                                llvm::json::Object manifest);

/// The content of NAME.json.
llvm::json::Object makeManifest(const ModelInfo &model,
                                const PackedWeights &weights,
                                const CompileOptions &options,
                                llvm::StringRef tokenizer);

/// NAME.o, NAME.h and quant_runtime.h, and what `linkLibraries` makes of them
/// if the target is of this machine's architecture.
llvm::Error writeLibrary(const CompileOptions &options,
                         const cpu::CPUTarget &target, llvm::StringRef object,
                         llvm::StringRef header);

/// NAME.a and NAME.so out of NAME.o and the runtime.
llvm::Error linkLibraries(const CompileOptions &options);

/// Writes a file beside its place and renames it.
llvm::Error writeFile(llvm::StringRef path, llvm::StringRef content);

} // namespace quantmlir

#endif // QUANT_MLIR_LIB_TARGET_TARGET_H
