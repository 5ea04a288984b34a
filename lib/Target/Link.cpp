// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Target.h"
#include "quant-mlir/Import/WeightFile.h"
#include "llvm/Object/Archive.h"
#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

using namespace quantmlir;
using llvm::StringRef;

static std::string join(StringRef folder, const llvm::Twine &name) {
  llvm::SmallString<256> path(folder);
  llvm::sys::path::append(path, name);
  return path.str().str();
}

/// The object and the members of archives in one archive.
static llvm::Error writeArchive(StringRef object,
                                llvm::ArrayRef<std::string> libraries,
                                StringRef path) {
  std::vector<llvm::NewArchiveMember> members;
  auto own = llvm::NewArchiveMember::getFile(object, /*Deterministic=*/true);
  if (!own)
    return own.takeError();
  own->MemberName = llvm::sys::path::filename(own->MemberName);
  members.push_back(std::move(*own));
  // They hold what `members` refer to.
  std::vector<std::unique_ptr<llvm::MemoryBuffer>> buffers;
  std::vector<std::unique_ptr<llvm::object::Archive>> archives;
  for (const std::string &library : libraries) {
    auto buffer = llvm::MemoryBuffer::getFile(library);
    if (!buffer)
      return fileError(library, buffer.getError().message());
    auto archive = llvm::object::Archive::create((*buffer)->getMemBufferRef());
    if (!archive)
      return archive.takeError();
    llvm::Error failure = llvm::Error::success();
    for (auto &child : (*archive)->children(failure)) {
      auto member =
          llvm::NewArchiveMember::getOldMember(child, /*Deterministic=*/true);
      if (!member)
        return member.takeError();
      members.push_back(std::move(*member));
    }
    if (failure)
      return failure;
    buffers.push_back(std::move(*buffer));
    archives.push_back(std::move(*archive));
  }
  return llvm::writeArchive(path, members,
                            llvm::SymtabWritingMode::NormalSymtab,
                            llvm::object::Archive::K_GNU,
                            /*Deterministic=*/true, /*Thin=*/false);
}

/// Links with the system's C compiler, which knows where its libraries are.
static llvm::Error linkShared(StringRef object,
                              llvm::ArrayRef<std::string> libraries,
                              StringRef path) {
  llvm::ErrorOr<std::string> compiler =
      std::make_error_code(std::errc::no_such_file_or_directory);
  for (StringRef name : {"cc", "gcc", "clang"})
    if ((compiler = llvm::sys::findProgramByName(name)))
      break;
  if (!compiler)
    return llvm::createStringError(
        "no C compiler (cc, gcc or clang) is on the PATH to link " +
        llvm::sys::path::filename(path));
  std::string temporary = (path + ".tmp").str();
  // What it has to say, in many lines, becomes part of our one.
  std::string log = (path + ".log").str();
  llvm::FileRemover remover(log);
  std::vector<StringRef> arguments = {
      *compiler, "-shared", "-o", temporary, object, "-Wl,--whole-archive"};
  arguments.insert(arguments.end(), libraries.begin(), libraries.end());
  arguments.insert(arguments.end(),
                   {"-Wl,--no-whole-archive", "-lpthread", "-lm", "-ldl"});
  std::string message;
  int status = llvm::sys::ExecuteAndWait(
      *compiler, arguments, std::nullopt,
      {std::nullopt, std::nullopt, StringRef(log)}, 0, 0, &message);
  if (status != 0) {
    llvm::sys::fs::remove(temporary);
    if (auto said = llvm::MemoryBuffer::getFile(log); said && message.empty())
      message = (*said)->getBuffer().take_front(1000).str();
    return fileError(path, "linking failed" +
                               (message.empty() ? "" : ": " + message));
  }
  if (std::error_code code = llvm::sys::fs::rename(temporary, path))
    return fileError(path, code.message());
  return llvm::Error::success();
}

llvm::Error quantmlir::linkLibraries(const CompileOptions &options) {
  std::vector<std::string> libraries = {
      join(options.runtimeFolder, "libquant_runtime.a")};
  if (cuda::isGPUTarget(options.target))
    libraries.push_back(join(options.runtimeFolder, "libquant_gpu.a"));
  if (cuda::isEmulated(options.target))
    libraries.push_back(join(options.runtimeFolder, "libquant_gpu_emulator.a"));
  std::string object = join(options.folder, options.name + ".o");
  if (llvm::Error error = writeArchive(
          object, libraries, join(options.folder, options.name + ".a")))
    return error;
  return linkShared(object, libraries,
                    join(options.folder, options.name + ".so"));
}
