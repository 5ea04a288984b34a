// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The C functions of a library of kernels: plain pointers become descriptors of
// buffers, the team becomes thread, threads and barrier.

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

SmallVector<std::pair<std::string, std::string>>
quantmlir::kernelParameters(const FunctionInfo &function) {
  SmallVector<std::pair<std::string, std::string>> parameters;
  auto addSize = [&](const FunctionValue &value) {
    auto type = dyn_cast<MemRefType>(value.type);
    if (!type || type.hasStaticShape() || isBytes(value))
      return;
    std::pair<std::string, std::string> size("int64_t", sizeName(value));
    if (!llvm::is_contained(parameters, size))
      parameters.push_back(std::move(size));
  };
  for (const FunctionValue &value : function.values)
    addSize(value);
  for (const FunctionValue &value : function.values) {
    if (value.role == "thread_id" || value.role == "thread_count" ||
        value.role == "barrier" || value.role == "unused")
      continue;
    if (value.type.isIndex()) {
      parameters.push_back({"int64_t", value.name});
      continue;
    }
    std::string type = cType(cast<MemRefType>(value.type).getElementType());
    bool isRead = value.role == "input" || value.role == "weights";
    if (isBytes(value))
      type = "void";
    parameters.push_back(
        {(isRead ? "const " : "") + type + " *", parameterName(value)});
  }
  parameters.push_back({"const qm_team *", "team"});
  return parameters;
}

namespace {

class EntryEmitter {
public:
  EntryEmitter(llvm::Module &module)
      : module(module), context(module.getContext()),
        i64(llvm::Type::getInt64Ty(context)),
        pointer(llvm::PointerType::getUnqual(context)) {}

  llvm::Function *emit(const llvm::Twine &name, const FunctionInfo &function,
                       StringRef suffix);

private:
  llvm::Value *describe(llvm::IRBuilder<> &b, const FunctionValue &value,
                        llvm::Value *data, llvm::Value *size);

  llvm::Module &module;
  llvm::LLVMContext &context;
  llvm::Type *i64, *pointer;
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

llvm::Function *EntryEmitter::emit(const llvm::Twine &name,
                                   const FunctionInfo &function,
                                   StringRef suffix) {
  auto parameters = kernelParameters(function);
  SmallVector<llvm::Type *> types;
  for (auto &[type, name] : parameters)
    types.push_back(type == "int64_t" ? i64 : pointer);
  auto *entry = llvm::Function::Create(
      llvm::FunctionType::get(llvm::Type::getVoidTy(context), types, false),
      llvm::GlobalValue::ExternalLinkage, name, module);
  auto argument = [&](StringRef name) {
    for (auto [index, parameter] : llvm::enumerate(parameters))
      if (parameter.second == name)
        return entry->getArg(index);
    llvm_unreachable("no such parameter");
  };

  auto *start = llvm::BasicBlock::Create(context, "", entry);
  auto *inTeam = llvm::BasicBlock::Create(context, "team", entry);
  auto *call = llvm::BasicBlock::Create(context, "call", entry);
  llvm::IRBuilder<> b(start);
  llvm::Value *team = argument("team");
  b.CreateCondBr(b.CreateIsNull(team), call, inTeam);
  b.SetInsertPoint(inTeam);
  auto member = [&](unsigned index, llvm::Type *type) {
    return b.CreateLoad(type, b.CreateConstGEP1_64(i64, team, index));
  };
  llvm::Value *members[] = {member(0, i64), member(1, i64), member(2, pointer)};
  b.CreateBr(call);
  b.SetInsertPoint(call);
  llvm::Value *alone[] = {
      b.getInt64(0), b.getInt64(1),
      llvm::ConstantPointerNull::get(cast<llvm::PointerType>(pointer))};
  auto teamValue = [&](unsigned index) {
    llvm::PHINode *phi = b.CreatePHI(alone[index]->getType(), 2);
    phi->addIncoming(alone[index], start);
    phi->addIncoming(members[index], inTeam);
    return phi;
  };
  llvm::Value *thread = teamValue(0), *threads = teamValue(1),
              *barrier = teamValue(2);

  SmallVector<llvm::Value *> operands;
  for (const FunctionValue &value : function.values) {
    if (value.role == "thread_id") {
      operands.push_back(thread);
    } else if (value.role == "thread_count") {
      operands.push_back(threads);
    } else if (value.role == "barrier") {
      operands.push_back(barrier);
    } else if (value.type.isIndex()) {
      operands.push_back(argument(value.name));
    } else {
      llvm::Value *size = nullptr;
      if (isBytes(value))
        size = b.getInt64(INT64_MAX);
      else if (!cast<MemRefType>(value.type).hasStaticShape())
        size = argument(sizeName(value));
      llvm::Value *data = alone[2];
      if (value.role != "unused")
        data = argument(parameterName(value));
      operands.push_back(describe(b, value, data, size));
    }
  }
  b.CreateCall(
      module.getFunction(("_mlir_ciface_" + function.name + suffix).str()),
      operands);
  b.CreateRetVoid();
  return entry;
}

void quantmlir::emitKernelEntries(llvm::Module &module,
                                  const ModelInfo &library) {
  for (llvm::Function &function : module)
    if (!function.isDeclaration())
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
  EntryEmitter emitter(module);
  VersionEmitter versions(module, library);
  for (const FunctionInfo &function : library.functions)
    versions.entry(library.name + "_" + function.name,
                   [&](const llvm::Twine &name, StringRef suffix) {
                     return emitter.emit(name, function, suffix);
                   });
}
