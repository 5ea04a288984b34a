// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "FirstError.h"
#include "ReadModel.h"
#include "Summary.h"
#include "Tool.h"
#include "mlir/Pass/PassManager.h"
#include "quant-mlir/Calibrate/Calibrate.h"
#include "quant-mlir/Calibrate/ModelCalibration.h"
#include "quant-mlir/CodeGen/CPU/TileChoices.h"
#include "quant-mlir/CodeGen/GPU/Target.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"
#include "quant-mlir/Dialect/LM/Transforms/Passes.h"
#include "quant-mlir/Dialect/QT/Transforms/Passes.h"
#include "quant-mlir/Export/ExportHF.h"
#include "quant-mlir/Import/ImportModel.h"
#include "quant-mlir/Pipelines/Pipelines.h"
#include "quant-mlir/Quantize/Recipe.h"
#include "quant-mlir/Target/Compile.h"
#include "quant-mlir/Target/KernelLibrary.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace quantmlir;
namespace cl = llvm::cl;

static cl::OptionCategory category("quantc options");
static cl::opt<std::string>
    input(cl::Positional, cl::value_desc("MODEL"),
          cl::desc("a .gguf file, a Hugging Face folder, an .onnx file or an "
                   ".mlir file"),
          cl::cat(category));
static cl::opt<std::string>
    kernelList("kernels", cl::value_desc("LIST.yaml"),
               cl::desc("instead of a MODEL: kernels to compile by themselves"),
               cl::cat(category));
static cl::opt<std::string> folder("o", cl::value_desc("DIR"),
                                   cl::desc("folder to write"),
                                   cl::cat(category));
static cl::opt<std::string> recipe("recipe", cl::init("as-stored"),
                                   cl::value_desc("NAME|FILE"),
                                   cl::desc("how to quantize"),
                                   cl::cat(category));
static cl::opt<std::string> tokens(
    "tokens", cl::value_desc("FILE.npy"),
    cl::desc("token ids to calibrate with, for recipes that need it: the "
             "model is run over them while it is quantized"),
    cl::cat(category));
static cl::opt<std::string> calibration(
    "calibration", cl::value_desc("FILE"),
    cl::desc("instead: statistics that were written before (qt-calibrate)"),
    cl::cat(category));
static cl::opt<std::string> imatrix(
    "imatrix", cl::value_desc("FILE"),
    cl::desc("how much columns of weights count where blocks of GGUF choose "
             "their scales: an importance matrix of llama.cpp, or statistics "
             "(qt-calibrate)"),
    cl::cat(category));
static cl::opt<int64_t> windows("windows", cl::init(128),
                                cl::desc("most texts of --tokens to run"),
                                cl::cat(category));
static cl::opt<int64_t> windowLength("window-length", cl::init(512),
                                     cl::desc("most tokens of a text"),
                                     cl::cat(category));
static cl::opt<std::string> target("target", cl::init("cpu:native"),
                                   cl::value_desc("cpu:NAME,...|cuda:NAME"),
                                   cl::desc("what to compile for; of several, "
                                            "the best that its CPU runs is "
                                            "chosen by the program"),
                                   cl::cat(category));
static cl::opt<std::string> exported(
    "export", cl::value_desc("FORMAT"),
    cl::desc("instead of a program: the quantized model as a Hugging Face "
             "folder of the format compressed-tensors, gptq or gptq_v2"),
    cl::cat(category));
static cl::opt<std::string> tune(
    "tune", cl::ValueOptional, cl::value_desc("FILE"),
    cl::desc("measure which register tiles are fastest on this machine, and "
             "keep it in FILE (quant-mlir/tiles.yaml in the user's cache "
             "folder); what it knows is not measured again"),
    cl::cat(category));
static cl::opt<std::string>
    choices("choices", cl::value_desc("FILE"),
            cl::desc("use what --tune has measured, and measure nothing"),
            cl::cat(category));
static cl::opt<std::string>
    cache("cache", cl::value_desc("TYPE"),
          cl::desc("what a session's keys and values are kept as: float32 (the "
                   "default), float16 (of GPUs) or int8"),
          cl::cat(category));
static cl::list<std::string>
    sizes("size", cl::value_desc("NAME=N"),
          cl::desc("of an .onnx file: the size of the dimension of that name, "
                   "which is dynamic otherwise"),
          cl::cat(category));
static cl::opt<std::string> name("name", cl::init(""),
                                 cl::desc("name of the files and C functions"),
                                 cl::cat(category));
static cl::opt<int64_t> batch("batch", cl::init(128),
                              cl::desc("most tokens per call"),
                              cl::cat(category));

/// An identifier made of the input's file name.
static std::string defaultName() {
  std::string result;
  for (char c : llvm::sys::path::stem(StringRef(input).rtrim('/')))
    result += llvm::isAlnum(c) ? llvm::toLower(c) : '_';
  return result.empty() || llvm::isDigit(result[0]) ? "model_" + result
                                                    : result;
}

/// bin/quantc and lib/libquant_runtime.a stand beside each other.
static std::string findRuntime(const char *program) {
  namespace path = llvm::sys::path;
  llvm::SmallString<256> folder(
      path::parent_path(path::parent_path(llvm::sys::fs::getMainExecutable(
          program, reinterpret_cast<void *>(&defaultName)))));
  path::append(folder, "lib");
  return folder.str().str();
}

static bool tunes() { return tune.getNumOccurrences(); }

static llvm::Error checkTargets() {
  llvm::Expected<cpu::CPUTargets> targets = parseHostTargets(target);
  if (!targets)
    return targets.takeError();
  if (cuda::isGPUTarget(target) && (tunes() || !choices.empty()))
    return llvm::createStringError("target " + target +
                                   ": nothing can be tuned for GPUs yet");
  if (tunes())
    for (const cpu::CPUTarget &each : *targets)
      if (llvm::Error error = cpu::checkRunsHere(each))
        return llvm::createStringError("--tune: " +
                                       llvm::toString(std::move(error)));
  if (choices.empty() || (tunes() && !llvm::sys::fs::exists(choices)))
    return llvm::Error::success();
  return cpu::TileChoices::load(choices).takeError();
}

/// What can be known without reading the model: seconds are not spent before a
/// typing error is found.
static llvm::Error checkOptions() {
  if (llvm::Error error = checkTargets())
    return error;
  llvm::Expected<Recipe> loaded = Recipe::load(recipe);
  if (!loaded)
    return loaded.takeError();
  if (loaded->needsCalibration() && tokens.empty() && calibration.empty())
    return llvm::createStringError("recipe '" + recipe +
                                   "' needs calibration: --tokens FILE.npy or "
                                   "--calibration FILE");
  return llvm::Error::success();
}

static llvm::Expected<OwningOpRef<ModuleOp>> readInput(MLIRContext *context) {
  if (sizes.empty())
    return readModel(input, context);
  if (!StringRef(input).ends_with_insensitive(".onnx"))
    return llvm::createStringError("--size is for .onnx files");
  llvm::StringMap<int64_t> given;
  for (StringRef each : sizes) {
    auto [symbol, number] = each.rsplit('=');
    int64_t &size = given[symbol];
    if (number.getAsInteger(10, size) || size < 1)
      return llvm::createStringError("--size " + each + ": expected NAME=N");
  }
  return importONNX(input, context, given);
}

/// What caches are to hold; empty for what they do. Importers make f32, which
/// tensor cores do not multiply.
static std::string chooseCache(ModuleOp module) {
  if (!cache.empty() || !cuda::isGPUTarget(target) ||
      StringRef(input).ends_with(".mlir"))
    return cache;
  for (auto function : module.getOps<func::FuncOp>())
    for (Type type : function.getArgumentTypes())
      if (isa<lm::KVCacheType>(type))
        return "float16";
  return "";
}

static llvm::Error quantize(ModuleOp module, StringRef weightsFolder) {
  // Of the new weights; they are there until they are packed.
  auto path = [&](StringRef file) {
    llvm::SmallString<256> result(weightsFolder);
    llvm::sys::path::append(result, file);
    return result.str().str();
  };
  PassManager pm(module.getContext());
  // Graphs that others wrote: what they mean is found first.
  if (StringRef(input).ends_with(".mlir") ||
      StringRef(input).ends_with_insensitive(".onnx")) {
    RaiseOptions raise;
    raise.weightsOut = path("constants");
    buildRaisePipeline(pm, raise);
  }
  QuantizeOptions options;
  options.recipe = recipe;
  options.weightsOut = path("requantized");
  options.calibration = calibration;
  options.imatrix = imatrix;
  options.tokens = tokens;
  options.cache = chooseCache(module);
  buildQuantizePipeline(
      pm, options,
      tokens.empty() ? nullptr
                     : makeModelCalibration(tokens, {windows, windowLength}));
  if (failed(pm.run(module)))
    return llvm::createStringError("quantizing with recipe '" + recipe +
                                   "' failed");
  return llvm::Error::success();
}

/// Where --tune without a file keeps what it measures; "" without a home.
static std::string defaultChoices() {
  llvm::SmallString<256> path;
  if (!llvm::sys::path::cache_directory(path))
    return "";
  llvm::sys::path::append(path, "quant-mlir", "tiles.yaml");
  return path.str().str();
}

/// Says how far --tune is, and in the end how much there was to measure.
static TuneProgress reportTuning() {
  auto line = std::make_shared<std::optional<ProgressLine>>();
  return [line](int64_t done, int64_t total) {
    if (done == 0)
      line->emplace("tuning");
    (**line)(done, total);
    if (done < total)
      return;
    line->reset();
    llvm::errs() << "measured " << total
                 << (total == 1 ? " kernel" : " kernels") << " for " << choices
                 << "\n";
  };
}

static CompileOptions makeOptions(const char *program,
                                  const OutputFolder &output,
                                  StringRef unnamed) {
  CompileOptions options;
  options.folder = output.path().str();
  options.recipe = recipe;
  options.target = target;
  options.batch = batch;
  options.name = name.empty() ? unnamed.str() : name;
  options.runtimeFolder = findRuntime(program);
  options.choices = choices;
  if (tunes())
    options.tune = reportTuning();
  return options;
}

/// The kernels of a list instead of a model.
static llvm::Error runKernels(const char *program) {
  if (llvm::Error error = checkTargets())
    return error;
  llvm::Expected<OutputFolder> output = OutputFolder::create(folder);
  if (!output)
    return output.takeError();
  DialectRegistry registry;
  registerAllDialects(registry);
  MLIRContext context(registry);
  FirstError diagnostics(&context, kernelList);
  CompileOptions options = makeOptions(program, *output, "kernels");
  auto module = readKernelList(kernelList, &context, options.batch);
  if (!module)
    return diagnostics.explain(module.takeError());
  if (llvm::Error error = compileKernels(**module, options))
    return diagnostics.explain(std::move(error));
  return diagnostics.explain(output->commit());
}

static llvm::Error run(const char *program) {
  if (llvm::Error error = checkOptions())
    return error;
  llvm::Expected<OutputFolder> output = OutputFolder::create(folder);
  if (!output)
    return output.takeError();
  // Never committed. On the same disk, because it may be as large as the model.
  llvm::Expected<OutputFolder> scratch = OutputFolder::create(folder);
  if (!scratch)
    return scratch.takeError();

  DialectRegistry registry;
  registerAllDialects(registry);
  MLIRContext context(registry);
  FirstError diagnostics(&context, input);
  llvm::Expected<OwningOpRef<ModuleOp>> module = readInput(&context);
  if (!module)
    return diagnostics.explain(module.takeError());
  if (llvm::Error error = quantize(**module, scratch->path()))
    return diagnostics.explain(std::move(error));
  std::string summary = summarizeWeights(**module);

  auto encoder = CheckpointEncoder::create(exported);
  llvm::Error error =
      encoder ? exportHF(**module, *encoder, *output)
              : compileModel(**module,
                             makeOptions(program, *output, defaultName()));
  if (!error && !encoder)
    error = output->commit();
  error = diagnostics.explain(std::move(error));
  if (!error)
    llvm::errs() << summary;
  return error;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  if (!parseOptions(argc, argv,
                    "quant-mlir compiler: a model becomes an object, a header "
                    "and packed weights\n"))
    return 2;
  if (input.empty() == kernelList.empty() || folder.empty())
    return usageError("quantc",
                      "a MODEL or --kernels LIST, and -o DIR are needed");
  if (!kernelList.empty())
    for (cl::Option *option : std::initializer_list<cl::Option *>{
             &recipe, &tokens, &calibration, &imatrix, &windows, &windowLength,
             &batch, &cache, &exported})
      if (option->getNumOccurrences())
        return usageError("quantc", "--" + option->ArgStr +
                                        " is for models, not for --kernels");
  if (exported.getNumOccurrences()) {
    if (!CheckpointEncoder::create(exported))
      return usageError("quantc", "--export '" + exported + "' is none of " +
                                      CheckpointEncoder::names());
    for (cl::Option *option : std::initializer_list<cl::Option *>{
             &target, &name, &batch, &cache, &tune, &choices})
      if (option->getNumOccurrences())
        return usageError("quantc", "--" + option->ArgStr +
                                        " is for programs, not for --export");
  }
  if (!cache.empty()) {
    MLIRContext types(MLIRContext::Threading::DISABLED);
    if (!lm::parseCacheElement(cache, &types))
      return usageError("quantc", "--cache '" + cache +
                                      "' is none of float32, float16, int8");
  }
  if (!name.empty() && !isIdentifier(name))
    return usageError("quantc", "--name '" + name + "' is not an identifier");
  if (!tokens.empty() && !calibration.empty())
    return usageError("quantc",
                      "--tokens and --calibration exclude each other");
  if (tunes()) {
    if (!choices.empty())
      return usageError("quantc", "--tune and --choices exclude each other");
    choices = tune.empty() ? defaultChoices() : std::string(tune);
    if (choices.empty())
      return usageError("quantc", "--tune finds no home folder to keep what it "
                                  "measures; --tune=FILE");
  }
  if (windows < 1 || windowLength < 1)
    return usageError("quantc", "--windows and --window-length are positive");
  if (batch < 16 || batch > 4096 || batch % 16 != 0)
    return usageError("quantc", "--batch " + llvm::Twine(batch) +
                                    " is not a multiple of 16 up to 4096");
  return finish("quantc",
                kernelList.empty() ? run(argv[0]) : runKernels(argv[0]));
}
