// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The C functions of a library of kernels: plain pointers become descriptors of
// buffers, the team becomes thread, threads and barrier. On a GPU, where all of
// it is a launch or several, there is one thread, which says to the runtime
// whose they are and on which stream.

#include "Target.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

using namespace mlir;
using namespace quantmlir;

static const char *cType(Type element) {
  if (element.isF32())
    return "float";
  if (element.isInteger(32))
    return "int32_t";
  return "void";
}

/// Bytes, as many as it takes.
static bool isBytes(const FunctionValue &value) {
  return value.role == "weights" || value.role == "workspace" ||
         value.role == "unused";
}

/// The one dynamic size that a buffer may have.
static const char *sizeName(const FunctionValue &value) {
  return value.role == "cache" ? "positions" : "rows";
}

static std::string parameterName(const FunctionValue &value) {
  return value.role == "output" ? "out" : value.name;
}

SmallVector<KernelParameter>
quantmlir::kernelParameters(const FunctionInfo &function, bool onGPU) {
  SmallVector<KernelParameter> parameters;
  if (onGPU)
    parameters.push_back({"qm_gpu_kernels *", "kernels"});
  auto addSize = [&](const FunctionValue &value) {
    auto type = dyn_cast<MemRefType>(value.type);
    if (!type || type.hasStaticShape() || isBytes(value))
      return;
    StringRef name = sizeName(value);
    if (llvm::none_of(parameters,
                      [&](const auto &other) { return other.name == name; }))
      parameters.push_back({"int64_t", name.str()});
  };
  for (const FunctionValue &value : function.values)
    addSize(value);
  for (const FunctionValue &value : function.values) {
    if (value.role == "thread_id" || value.role == "thread_count" ||
        value.role == "barrier" || value.role == "unused")
      continue;
    if (value.type.isIndex()) {
      parameters.push_back({"int64_t", value.name, &value});
      continue;
    }
    std::string type = cType(cast<MemRefType>(value.type).getElementType());
    bool isRead = value.role == "input" || value.role == "weights";
    if (isBytes(value))
      type = "void";
    parameters.push_back(
        {(isRead ? "const " : "") + type + " *", parameterName(value), &value});
  }
  if (onGPU)
    parameters.push_back({"void *", "stream"});
  else
    parameters.push_back({"const qm_team *", "team"});
  return parameters;
}

namespace {

class EntryEmitter {
public:
  EntryEmitter(llvm::Module &module, bool onGPU)
      : module(module), context(module.getContext()), onGPU(onGPU),
        i32(llvm::Type::getInt32Ty(context)),
        i64(llvm::Type::getInt64Ty(context)),
        pointer(llvm::PointerType::getUnqual(context)) {}

  llvm::Function *emit(const llvm::Twine &name, const FunctionInfo &function,
                       StringRef suffix);

private:
  /// What a function is told of its threads.
  struct Team {
    llvm::Value *thread, *threads, *barrier;
  };
  Team readTeam(llvm::IRBuilder<> &b, llvm::Value *team);
  void call(llvm::IRBuilder<> &b, const FunctionInfo &function,
            StringRef suffix, const Team &team,
            llvm::function_ref<llvm::Value *(StringRef)> argument);
  llvm::Value *describe(llvm::IRBuilder<> &b, const FunctionValue &value,
                        llvm::Value *data, llvm::Value *size);
  llvm::Value *null() { return llvm::ConstantPointerNull::get(pointer); }

  llvm::Module &module;
  llvm::LLVMContext &context;
  bool onGPU;
  llvm::Type *i32, *i64;
  llvm::PointerType *pointer;
};

} // namespace

/// A descriptor { allocated, aligned, offset, sizes, strides } on the stack.
llvm::Value *EntryEmitter::describe(llvm::IRBuilder<> &b,
                                    const FunctionValue &value,
                                    llvm::Value *data, llvm::Value *size) {
  auto type = cast<MemRefType>(value.type);
  int64_t rank = type.getRank();
  auto *numbers = llvm::ArrayType::get(i64, 1 + 2 * rank);
  auto *layout = llvm::StructType::get(context, {pointer, pointer, numbers});
  llvm::Value *memory = b.CreateAlloca(layout);
  b.CreateStore(data, b.CreateStructGEP(layout, memory, 0));
  b.CreateStore(data, b.CreateStructGEP(layout, memory, 1));
  llvm::Value *array = b.CreateStructGEP(layout, memory, 2);
  auto set = [&](int64_t index, llvm::Value *number) {
    b.CreateStore(number, b.CreateConstGEP2_64(numbers, array, 0, index));
  };
  set(0, b.getInt64(0));
  llvm::Value *stride = b.getInt64(1);
  for (int64_t dim = rank - 1; dim >= 0; --dim) {
    llvm::Value *extent =
        type.isDynamicDim(dim) ? size : b.getInt64(type.getDimSize(dim));
    set(1 + dim, extent);
    set(1 + rank + dim, stride);
    stride = b.CreateMul(stride, extent);
  }
  return memory;
}

/// Of a qm_team, or of one thread alone.
EntryEmitter::Team EntryEmitter::readTeam(llvm::IRBuilder<> &b,
                                          llvm::Value *team) {
  llvm::BasicBlock *start = b.GetInsertBlock();
  auto *inTeam = llvm::BasicBlock::Create(context, "team", start->getParent());
  auto *call = llvm::BasicBlock::Create(context, "call", start->getParent());
  b.CreateCondBr(b.CreateIsNull(team), call, inTeam);
  b.SetInsertPoint(inTeam);
  auto member = [&](unsigned index, llvm::Type *type) {
    return b.CreateLoad(type, b.CreateConstGEP1_64(i64, team, index));
  };
  Team members = {member(0, i64), member(1, i64), member(2, pointer)};
  b.CreateBr(call);
  b.SetInsertPoint(call);
  auto either = [&](llvm::Value *alone, llvm::Value *inTheTeam) {
    llvm::PHINode *phi = b.CreatePHI(alone->getType(), 2);
    phi->addIncoming(alone, start);
    phi->addIncoming(inTheTeam, inTeam);
    return phi;
  };
  return {either(b.getInt64(0), members.thread),
          either(b.getInt64(1), members.threads),
          either(null(), members.barrier)};
}

void EntryEmitter::call(llvm::IRBuilder<> &b, const FunctionInfo &function,
                        StringRef suffix, const Team &team,
                        llvm::function_ref<llvm::Value *(StringRef)> argument) {
  SmallVector<llvm::Value *> operands;
  for (const FunctionValue &value : function.values) {
    if (value.role == "thread_id") {
      operands.push_back(team.thread);
    } else if (value.role == "thread_count") {
      operands.push_back(team.threads);
    } else if (value.role == "barrier") {
      operands.push_back(team.barrier);
    } else if (value.type.isIndex()) {
      operands.push_back(argument(value.name));
    } else {
      llvm::Value *size = nullptr;
      if (isBytes(value))
        size = b.getInt64(INT64_MAX);
      else if (!cast<MemRefType>(value.type).hasStaticShape())
        size = argument(sizeName(value));
      llvm::Value *data = null();
      if (value.role != "unused")
        data = argument(parameterName(value));
      operands.push_back(describe(b, value, data, size));
    }
  }
  b.CreateCall(
      module.getFunction(("_mlir_ciface_" + function.name + suffix).str()),
      operands);
}

llvm::Function *EntryEmitter::emit(const llvm::Twine &name,
                                   const FunctionInfo &function,
                                   StringRef suffix) {
  auto parameters = kernelParameters(function, onGPU);
  SmallVector<llvm::Type *> types;
  for (const KernelParameter &parameter : parameters)
    types.push_back(parameter.type == "int64_t" ? i64 : pointer);
  auto *entry = llvm::Function::Create(
      llvm::FunctionType::get(onGPU ? i32 : llvm::Type::getVoidTy(context),
                              types, false),
      llvm::GlobalValue::ExternalLinkage, name, module);
  auto argument = [&](StringRef name) -> llvm::Value * {
    for (auto [index, parameter] : llvm::enumerate(parameters))
      if (parameter.name == name)
        return entry->getArg(index);
    llvm_unreachable("no such parameter");
  };
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "", entry));
  if (!onGPU) {
    call(b, function, suffix, readTeam(b, argument("team")), argument);
    b.CreateRetVoid();
    return entry;
  }

  llvm::Value *kernels = argument("kernels");
  llvm::Value *status = b.CreateCall(
      module.getOrInsertFunction("qm_gpu_begin", i32, pointer, pointer),
      {kernels, argument("stream")});
  auto *launch = llvm::BasicBlock::Create(context, "launch", entry);
  auto *refused = llvm::BasicBlock::Create(context, "refused", entry);
  b.CreateCondBr(b.CreateIsNull(status), launch, refused);
  b.SetInsertPoint(refused);
  b.CreateRet(status);
  b.SetInsertPoint(launch);
  call(b, function, suffix, {b.getInt64(0), b.getInt64(1), null()}, argument);
  b.CreateRet(b.CreateCall(
      module.getOrInsertFunction("qm_gpu_end", i32, pointer), {kernels}));
  return entry;
}

void quantmlir::emitKernelEntries(llvm::Module &module,
                                  const ModelInfo &library) {
  for (llvm::Function &function : module)
    if (!function.isDeclaration())
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
  bool onGPU = !library.gpu.target.empty();
  EntryEmitter emitter(module, onGPU);
  if (onGPU) {
    for (const FunctionInfo &function : library.functions)
      emitter.emit(library.name + "_" + function.name, function, "");
    return;
  }
  VersionEmitter versions(module, library);
  for (const FunctionInfo &function : library.functions)
    versions.entry(library.name + "_" + function.name,
                   [&](const llvm::Twine &name, StringRef suffix) {
                     return emitter.emit(name, function, suffix);
                   });
}
