// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The border between generated code and the runtime: the structures of
// quant_runtime.h as constants, and an entry per function that hands the array
// of arguments over to MLIR's C interface.

#include "Target.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMTypes.h"
#include "quant-mlir/Dialect/Kernel/IR/Kernel.h"
#include "quant-mlir/Runtime/quant_runtime.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

using namespace mlir;
using namespace quantmlir;
using kernel::KernelDialect;

SmallVector<FunctionInfo> quantmlir::describeFunctions(ModuleOp module) {
  SmallVector<FunctionInfo> functions;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (!function.isPublic() || function.isExternal())
      continue;
    FunctionInfo info;
    info.name = function.getSymName();
    if (auto bytes = function->getAttrOfType<IntegerAttr>(
            KernelDialect::workspaceAttrName))
      info.workspaceBytes = bytes.getInt();
    for (auto [index, type] : llvm::enumerate(function.getResultTypes()))
      info.values.push_back({"result", "result" + std::to_string(index), type});
    for (auto [index, type] : llvm::enumerate(function.getArgumentTypes())) {
      auto role = function.getArgAttrOfType<StringAttr>(
          index, KernelDialect::roleAttrName);
      auto name = function.getArgAttrOfType<StringAttr>(index, "lm.name");
      std::string roleName = role ? role.str() : "input";
      info.values.push_back({roleName,
                             name   ? name.str()
                             : role ? roleName
                                    : "input" + std::to_string(index),
                             type});
    }
    functions.push_back(std::move(info));
  }
  return functions;
}

static qm_arg_kind argumentKind(StringRef role) {
  return llvm::StringSwitch<qm_arg_kind>(role)
      .Case("result", QM_ARG_RESULT)
      .Case("input", QM_ARG_INPUT)
      .Case("weights", QM_ARG_WEIGHTS)
      .Case("cache", QM_ARG_CACHE)
      .Case("workspace", QM_ARG_WORKSPACE)
      .Case("thread_id", QM_ARG_THREAD_ID)
      .Case("thread_count", QM_ARG_THREAD_COUNT)
      .Case("barrier", QM_ARG_BARRIER);
}

static qm_dtype argumentType(Type type) {
  Type element = getElementTypeOrSelf(type);
  if (element.isF32())
    return QM_F32;
  if (element.isF16())
    return QM_F16;
  if (element.isBF16())
    return QM_BF16;
  if (element.isF64())
    return QM_F64;
  if (element.isInteger(1))
    return QM_BOOL;
  if (element.isInteger(8))
    return QM_I8;
  if (element.isInteger(16))
    return QM_I16;
  if (element.isInteger(32))
    return QM_I32;
  if (element.isInteger(64))
    return QM_I64;
  return QM_INDEX;
}

namespace {

class DescriptorEmitter {
public:
  DescriptorEmitter(llvm::Module &module)
      : module(module), context(module.getContext()),
        i32(llvm::Type::getInt32Ty(context)),
        i64(llvm::Type::getInt64Ty(context)),
        pointer(llvm::PointerType::getUnqual(context)) {}

  void emit(const ModelInfo &model);
  void emitGPU(const ModelInfo &library);

private:
  using Constant = llvm::Constant;

  Constant *number32(uint32_t value) {
    return llvm::ConstantInt::get(i32, value);
  }
  Constant *number64(uint64_t value) {
    return llvm::ConstantInt::get(i64, value);
  }
  Constant *text(StringRef value) {
    return hidden(llvm::ConstantDataArray::getString(context, value), "text");
  }
  Constant *hidden(Constant *value, const llvm::Twine &name) {
    return new llvm::GlobalVariable(
        module, value->getType(),
        /*isConstant=*/true, llvm::GlobalValue::PrivateLinkage, value, name);
  }
  /// A struct laid out as C would.
  static Constant *record(ArrayRef<Constant *> fields) {
    return llvm::ConstantStruct::getAnon(fields);
  }
  Constant *table(ArrayRef<Constant *> records, const llvm::Twine &name) {
    auto type =
        llvm::ArrayType::get(records.front()->getType(), records.size());
    return hidden(llvm::ConstantArray::get(type, records), name);
  }
  Constant *none() { return llvm::ConstantPointerNull::get(pointer); }
  /// What C defines elsewhere.
  Constant *symbol(StringRef name) {
    return module.getOrInsertGlobal(name, llvm::Type::getInt8Ty(context));
  }
  Constant *gpuRecord(const GPUCode &code);
  Constant *argument(const FunctionValue &value);
  llvm::Function *entry(const llvm::Twine &name, const FunctionInfo &function,
                        StringRef suffix);

  llvm::Module &module;
  llvm::LLVMContext &context;
  llvm::Type *i32, *i64;
  llvm::PointerType *pointer;
};

} // namespace

/// qm_arg
llvm::Constant *DescriptorEmitter::argument(const FunctionValue &value) {
  Constant *dims = none();
  uint32_t rank = 0;
  if (auto type = dyn_cast<MemRefType>(value.type)) {
    rank = type.getRank();
    SmallVector<uint64_t> sizes;
    for (int64_t size : type.getShape())
      sizes.push_back(ShapedType::isDynamic(size) ? -1 : size);
    if (rank)
      dims = hidden(llvm::ConstantDataArray::get(context, sizes), "dims");
  }
  return record({number32(argumentKind(value.role)),
                 number32(argumentType(value.type)), number32(rank), dims,
                 text(value.name)});
}

/// void NAME_function(void **args): an argument's pointer is passed on, for
/// scalars what it points to. Results go in front, behind a pointer to a struct
/// of their descriptors if there are several.
llvm::Function *DescriptorEmitter::entry(const llvm::Twine &name,
                                         const FunctionInfo &function,
                                         StringRef suffix) {
  llvm::Function *target =
      module.getFunction(("_mlir_ciface_" + function.name + suffix).str());
  auto *type =
      llvm::FunctionType::get(llvm::Type::getVoidTy(context), {pointer}, false);
  auto *wrapper = llvm::Function::Create(
      type, llvm::GlobalValue::ExternalLinkage, name, module);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "", wrapper));
  llvm::Value *array = wrapper->getArg(0);
  auto argumentAt = [&](unsigned index) {
    return b.CreateLoad(pointer, b.CreateConstGEP1_64(pointer, array, index));
  };

  SmallVector<llvm::Value *> operands;
  SmallVector<std::pair<unsigned, llvm::Type *>> results;
  for (auto [index, value] : llvm::enumerate(function.values)) {
    if (value.role != "result")
      continue;
    int64_t rank = cast<MemRefType>(value.type).getRank();
    auto *sizes = llvm::ArrayType::get(i64, rank);
    SmallVector<llvm::Type *> fields = {pointer, pointer, i64};
    if (rank)
      fields.append({sizes, sizes});
    results.push_back({index, llvm::StructType::get(context, fields)});
  }
  llvm::Value *together = nullptr;
  llvm::StructType *togetherType = nullptr;
  if (results.size() == 1) {
    operands.push_back(argumentAt(results.front().first));
  } else if (results.size() > 1) {
    togetherType = llvm::StructType::get(
        context, llvm::to_vector(llvm::make_second_range(results)));
    together = b.CreateAlloca(togetherType);
    operands.push_back(together);
  }
  for (auto [index, value] : llvm::enumerate(function.values)) {
    if (value.role == "result")
      continue;
    llvm::Value *argument = argumentAt(index);
    if (value.type.isIndex())
      argument = b.CreateLoad(i64, argument);
    operands.push_back(argument);
  }
  b.CreateCall(target, operands);
  for (auto [index, result] : llvm::enumerate(results)) {
    if (!together)
      break;
    llvm::Value *part = b.CreateStructGEP(togetherType, together, index);
    b.CreateStore(b.CreateLoad(result.second, part), argumentAt(result.first));
  }
  b.CreateRetVoid();
  return wrapper;
}

/// qm_gpu
llvm::Constant *DescriptorEmitter::gpuRecord(const GPUCode &code) {
  bool emulated = cuda::isEmulated(code.target);
  SmallVector<Constant *> names, records;
  for (const std::string &name : code.functions) {
    names.push_back(text(name));
    if (emulated)
      records.push_back(
          record({names.back(), module.getFunction(name + ".thread")}));
  }
  Constant *image = none(), *cubin = none();
  if (emulated) {
    records.push_back(record({none(), none()}));
    image = table(records, "image");
  } else {
    image = text(code.ptx);
    // As the driver's linker wants it.
    if (!code.cubin.empty()) {
      auto *bytes = cast<llvm::GlobalVariable>(
          hidden(llvm::ConstantDataArray::getString(context, code.cubin.code,
                                                    /*AddNull=*/false),
                 "cubin"));
      bytes->setAlignment(llvm::Align(64));
      cubin = bytes;
    }
  }
  names.push_back(none());
  return record({symbol("qm_gpu_device"),
                 emulated ? symbol("qm_emulated_driver") : none(),
                 text(code.target), number32(code.functions.size()),
                 table(names, "functions"), image, cubin});
}

void DescriptorEmitter::emitGPU(const ModelInfo &library) {
  Constant *code = gpuRecord(library.gpu);
  new llvm::GlobalVariable(module, code->getType(), /*isConstant=*/true,
                           llvm::GlobalValue::ExternalLinkage, code,
                           library.name + "_gpu");
}

void DescriptorEmitter::emit(const ModelInfo &model) {
  VersionEmitter versions(module, model);
  SmallVector<Constant *> functions;
  for (const FunctionInfo &function : model.functions) {
    SmallVector<Constant *> arguments;
    for (const FunctionValue &value : function.values)
      arguments.push_back(argument(value));
    llvm::Function *code =
        versions.entry(model.name + "_" + function.name,
                       [&](const llvm::Twine &name, StringRef suffix) {
                         return entry(name, function, suffix);
                       });
    functions.push_back(record(
        {text(function.name), code, number32(arguments.size()),
         table(arguments, "arguments"), number64(function.workspaceBytes)}));
  }
  Constant *gpu =
      model.gpu.target.empty() ? none() : hidden(gpuRecord(model.gpu), "gpu");
  Constant *descriptor =
      record({number32(QM_ABI_VERSION), text(model.name), text(model.task),
              number64(model.weightsBytes), number64(model.weightsHash),
              number64(model.vocabulary), number64(model.hidden),
              number64(model.context), number64(model.batch),
              number32(functions.size()), table(functions, "functions"),
              versions.table(), gpu});
  new llvm::GlobalVariable(module, descriptor->getType(), /*isConstant=*/true,
                           llvm::GlobalValue::ExternalLinkage, descriptor,
                           model.name + "_descriptor");
  // Only the descriptor and the entries it points to are the interface.
  for (llvm::Function &function : module)
    if (!function.isDeclaration())
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
}

void quantmlir::emitDescriptor(llvm::Module &module, const ModelInfo &model) {
  DescriptorEmitter(module).emit(model);
}

void quantmlir::emitGPUCode(llvm::Module &module, const ModelInfo &library) {
  DescriptorEmitter(module).emitGPU(library);
}
