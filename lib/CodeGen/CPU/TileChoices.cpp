// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/CodeGen/CPU/TileChoices.h"
#include "quant-mlir/Quantize/YAMLReader.h"
#include "llvm/Support/Errc.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::cpu;
namespace yaml = llvm::yaml;

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

/// What a measurement is true for, besides the kernel.
static std::string machineName(const CPUTarget &target) {
  return llvm::formatv("quant-mlir {0}, {1}, cpu:{2}", QUANT_MLIR_VERSION,
                       llvm::sys::getHostCPUName(), target.name);
}

/// All that its inner loops depend on: the type has sizes, scheme and panels.
static std::string kernelName(kernel::MatmulOpInterface matmul) {
  std::string name;
  llvm::raw_string_ostream os(name);
  os << matmul->getName() << ' ' << matmul.getType();
  if (auto group = matmul->getAttrOfType<IntegerAttr>("group"))
    os << ", group " << group.getInt();
  return name;
}

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//

namespace {

class ChoicesReader : YAMLReader {
public:
  using Kernels = std::map<std::string, TileChoice>;

  ChoicesReader(StringRef path, StringRef text) : YAMLReader(path, text) {}
  llvm::Error read(std::map<std::string, Kernels> &machines);

private:
  bool choice(yaml::Node *node, TileChoice &choice);
};

} // namespace

bool ChoicesReader::choice(yaml::Node *node, TileChoice &choice) {
  choice.rows = 0;
  auto field = [&](StringRef key, yaml::Node *value) {
    constexpr int64_t most = kernel::MatmulOpInterface::mostRows;
    if (key == "rows")
      return number(value, choice.rows) &&
             (choice.rows <= most ||
              fail(value, "a tile has at most " + llvm::Twine(most) +
                              " rows, not " + llvm::Twine(choice.rows)));
    if (key == "gain")
      return positive(value, choice.gain);
    return fail(value, "unknown key '" + key + "'");
  };
  return forEach(node, "a choice", field) &&
         (choice.rows || fail(node, "a choice needs rows"));
}

llvm::Error ChoicesReader::read(std::map<std::string, Kernels> &machines) {
  yaml::document_iterator document = stream.begin();
  if (document != stream.end() && !isNull(document->getRoot()))
    forEach(document->getRoot(), "a file of choices",
            [&](StringRef machine, yaml::Node *node) {
              Kernels &kernels = machines[machine.str()];
              return forEach(node, "a machine",
                             [&](StringRef name, yaml::Node *value) {
                               return choice(value, kernels[name.str()]);
                             });
            });
  if (stream.failed())
    note(1, "is not valid YAML");
  if (!problem.empty())
    return llvm::createStringError(llvm::errc::invalid_argument,
                                   llvm::Twine(problem));
  return llvm::Error::success();
}

llvm::Expected<TileChoices> TileChoices::load(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return llvm::createStringError(buffer.getError(),
                                   path + ": " + buffer.getError().message());
  TileChoices choices;
  if (llvm::Error error =
          ChoicesReader(path, (*buffer)->getBuffer()).read(choices.machines))
    return std::move(error);
  return choices;
}

void TileChoices::print(raw_ostream &os) const {
  os << "# What quantc --tune measured. Whatever is missing is measured again."
        "\n";
  for (auto &[machine, kernels] : machines) {
    os << '\'' << machine << "':\n";
    for (auto &[name, choice] : kernels)
      os << llvm::formatv("  '{0}': {{rows: {1}, gain: {2:f3}}\n", name,
                          choice.rows, choice.gain);
  }
}

//===----------------------------------------------------------------------===//
// Choices
//===----------------------------------------------------------------------===//

std::optional<TileChoice>
TileChoices::lookup(const CPUTarget &target,
                    kernel::MatmulOpInterface matmul) const {
  auto machine = machines.find(machineName(target));
  if (machine == machines.end())
    return std::nullopt;
  auto found = machine->second.find(kernelName(matmul));
  if (found == machine->second.end())
    return std::nullopt;
  return found->second;
}

void TileChoices::set(const CPUTarget &target, kernel::MatmulOpInterface matmul,
                      TileChoice choice) {
  machines[machineName(target)][kernelName(matmul)] = choice;
}
