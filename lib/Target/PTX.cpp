// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GPU functions as PTX, by LLVM and in this process; machine code by ptxas,
// where there is one.

#include "Target.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"
#include <map>

using namespace mlir;
using namespace quantmlir;

llvm::Expected<std::string> quantmlir::emitPTX(mlir::gpu::GPUModuleOp functions,
                                               const cuda::GPUTarget &target) {
  llvm::InitializeAllTargetInfos();
  llvm::InitializeAllTargets();
  llvm::InitializeAllTargetMCs();
  llvm::InitializeAllAsmPrinters();
  llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string error;
  const llvm::Target *found = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!found)
    return llvm::createStringError("target cuda:" + target.chip + ": " + error);
  std::unique_ptr<llvm::TargetMachine> machine(found->createTargetMachine(
      triple, target.chip, target.features, llvm::TargetOptions(), std::nullopt,
      std::nullopt, llvm::CodeGenOptLevel::Aggressive));

  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module =
      translateModuleToLLVMIR(functions, context, functions.getName());
  if (!module)
    return llvm::createStringError("translation to LLVM IR failed");
  module->setTargetTriple(triple);
  module->setDataLayout(machine->createDataLayout());
  optimizeModule(*module, *machine);

  llvm::SmallVector<char, 0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr,
                                   llvm::CodeGenFileType::AssemblyFile))
    return llvm::createStringError("target cuda:" + target.chip +
                                   " cannot write PTX");
  passes.run(*module);
  return std::string(text.begin(), text.end());
}

/// On the PATH, or in the toolkit that CUDA_HOME or CUDA_PATH names.
static std::optional<std::string> findAssembler() {
  if (auto program = llvm::sys::findProgramByName("ptxas"))
    return *program;
  for (StringRef variable : {"CUDA_HOME", "CUDA_PATH"})
    if (std::optional<std::string> folder =
            llvm::sys::Process::GetEnv(variable)) {
      llvm::SmallString<256> path(*folder);
      llvm::sys::path::append(path, "bin");
      if (auto program = llvm::sys::findProgramByName("ptxas", {path.str()}))
        return *program;
    }
  return std::nullopt;
}

/// A file's content; "" if there is none.
static std::string contentOf(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  return buffer ? (*buffer)->getBuffer().str() : "";
}

llvm::Expected<Cubin> quantmlir::assemblePTX(StringRef ptx,
                                             const cuda::GPUTarget &target) {
  std::optional<std::string> program = findAssembler();
  if (!program)
    return Cubin();
  llvm::SmallString<128> input, output, log;
  std::pair<llvm::SmallString<128> *, StringRef> files[] = {
      {&input, "ptx"}, {&output, "cubin"}, {&log, "log"}};
  for (auto [path, suffix] : files)
    if (std::error_code code =
            llvm::sys::fs::createTemporaryFile("kernels", suffix, *path))
      return llvm::createStringError(code, "no temporary file for ptxas: " +
                                               code.message());
  llvm::FileRemover removers[] = {llvm::FileRemover(input),
                                  llvm::FileRemover(output),
                                  llvm::FileRemover(log)};
  if (llvm::Error error = writeFile(input, ptx))
    return std::move(error);
  std::string chip = ("-arch=" + target.chip).str();
  std::string message;
  int status = llvm::sys::ExecuteAndWait(
      *program, {*program, chip, "-v", "-o", output, input}, std::nullopt,
      {std::nullopt, StringRef(log), StringRef(log)}, 0, 0, &message);
  std::string said = contentOf(log);
  if (status != 0)
    return llvm::createStringError(
        "ptxas does not take the kernels: " +
        (message.empty() ? StringRef(said).split('\n').first.str() : message));
  return Cubin{contentOf(output), said};
}

llvm::json::Object Cubin::describeFunctions() const {
  llvm::json::Object functions;
  llvm::Regex start("Compiling entry function '([^']*)'");
  llvm::Regex used("Used ([0-9]+) registers");
  llvm::Regex spills("([0-9]+) bytes spill stores, ([0-9]+) bytes spill loads");
  llvm::Regex shared("([0-9]+) bytes smem");
  llvm::Regex remark("\\((C75[0-9]+)\\) (.*) in (the )?function '([^']*)'");
  std::string name;
  llvm::json::Object properties;
  auto number = [](StringRef text) {
    int64_t value = 0;
    text.getAsInteger(10, value);
    return value;
  };
  SmallVector<StringRef> lines, match;
  StringRef(log).split(lines, '\n');
  // What it had to add for products of four warps, or to run one by one, which
  // costs time: it comes in front of all else.
  std::map<std::string, llvm::json::Array> remarks;
  for (StringRef line : lines)
    if (remark.match(line, &match))
      remarks[match[4].str()].push_back((match[1] + ": " + match[2]).str());
  for (StringRef line : lines) {
    if (start.match(line, &match)) {
      name = match[1].str();
      properties = llvm::json::Object();
    } else if (spills.match(line, &match)) {
      properties["spill_bytes"] = number(match[1]) + number(match[2]);
    } else if (used.match(line, &match)) {
      properties["registers"] = number(match[1]);
      properties["shared_bytes"] =
          shared.match(line, &match) ? number(match[1]) : 0;
      if (auto found = remarks.find(name); found != remarks.end())
        properties["remarks"] = std::move(found->second);
      functions[name] = std::move(properties);
    }
  }
  return functions;
}
