// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What must hold for every model, however broken: an importer ends with one
// line of error or with a module that is valid, and each of its weights can be
// read or is refused in one line. An input is
//
//   {…}              the config.json of a folder, a line, and behind it
//   …                the folder's model.safetensors
//
// or else a GGUF file, an ONNX file, an importance matrix or a recipe, each
// reader being asked.

#include "Driver.h"
#include "FirstError.h"
#include "mlir/IR/Verifier.h"
#include "quant-mlir/Import/ImportModel.h"
#include "quant-mlir/Import/WeightSource.h"
#include "quant-mlir/Pipelines/Pipelines.h"
#include "quant-mlir/Quantize/ImportanceFile.h"
#include "quant-mlir/Quantize/Recipe.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace quantmlir;

namespace {

/// A folder for the inputs, gone with the program.
class Workplace {
public:
  Workplace() {
    REQUIRE(!llvm::sys::fs::createUniqueDirectory("fuzz", path));
    REQUIRE(!llvm::sys::fs::create_directory(at("model")));
  }
  ~Workplace() { llvm::sys::fs::remove_directories(path); }

  std::string at(StringRef name) const {
    SmallString<128> full(path);
    llvm::sys::path::append(full, name);
    return full.str().str();
  }
  /// A file of its own: that of the last input may still be mapped.
  std::string write(StringRef name, StringRef bytes) const {
    std::string file = at(name);
    llvm::sys::fs::remove(file);
    std::error_code error;
    llvm::raw_fd_ostream(file, error) << bytes;
    REQUIRE(!error);
    return file;
  }

private:
  SmallString<128> path;
};

} // namespace

static std::string checkError(llvm::Error error) {
  std::string message = llvm::toString(std::move(error));
  REQUIRE(!message.empty() && message.size() < 2000);
  REQUIRE(StringRef(message).find_first_of(StringRef("\n\r\0", 3)) ==
          StringRef::npos);
  return message;
}

template <typename T> static std::string checkResult(llvm::Expected<T> result) {
  return result ? "accepted" : checkError(result.takeError());
}

using Importer =
    llvm::function_ref<llvm::Expected<OwningOpRef<ModuleOp>>(MLIRContext *)>;

static std::string import(StringRef path, Importer importer) {
  // What attributes and types take is never given back, so a context is not
  // kept for ever.
  static std::unique_ptr<MLIRContext> context;
  static int uses = 0;
  if (uses++ % 500 == 0) {
    DialectRegistry registry;
    registerAllDialects(registry);
    context = std::make_unique<MLIRContext>(registry,
                                            MLIRContext::Threading::DISABLED);
  }
  FirstError diagnostics(context.get(), path);
  llvm::Expected<OwningOpRef<ModuleOp>> module = importer(context.get());
  if (!module)
    return checkError(diagnostics.explain(module.takeError()));
  REQUIRE(succeeded(verify(**module)));
  WeightSource source;
  std::string outcome = "accepted";
  (*module)->walk([&](qt::WeightOp weight) {
    if (auto data = source.read(weight); !data)
      outcome = checkError(diagnostics.explain(data.takeError()));
  });
  return outcome;
}

std::string fuzzOne(const uint8_t *data, size_t size) {
  static Workplace place;
  StringRef bytes(reinterpret_cast<const char *>(data), size);
  if (bytes.starts_with("{")) {
    auto [config, weights] = bytes.split('\n');
    place.write("model/config.json", config);
    place.write("model/model.safetensors", weights);
    std::string folder = place.at("model");
    return import(folder, [&](MLIRContext *context) {
      return importHF(folder, context);
    });
  }
  bool isGGUF = bytes.starts_with("GGUF");
  std::string path = place.write(isGGUF ? "model.gguf" : "model.onnx", bytes);
  std::string model = import(path, [&](MLIRContext *context) {
    return isGGUF ? importGGUF(path, context) : importONNX(path, context);
  });
  auto importance = ImportanceFile::open(path);
  std::string columns = importance
                            ? checkResult((*importance)->read("a.weight", 8))
                            : checkError(importance.takeError());
  std::string recipe = place.write("recipe.yaml", bytes);
  return model + "\n" + columns + "\n" + checkResult(Recipe::load(recipe));
}

std::vector<Bytes> fuzzSeeds() { return {}; }

Bytes fuzzMake(Random &) { return {}; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzzOne(data, size);
  return 0;
}
