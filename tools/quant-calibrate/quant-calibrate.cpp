// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "FirstError.h"
#include "ReadModel.h"
#include "Tool.h"
#include "mlir/Pass/PassManager.h"
#include "quant-mlir/Calibrate/Calibrate.h"
#include "quant-mlir/Dialect/LM/IR/LM.h"
#include "quant-mlir/Export/OutputFolder.h"
#include "quant-mlir/Import/WeightFile.h"
#include "quant-mlir/Pipelines/Pipelines.h"
#include "quant-mlir/Target/Compile.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace quantmlir;
namespace cl = llvm::cl;

static cl::OptionCategory category("quant-calibrate options");
static cl::list<std::string> inputs(
    cl::Positional, cl::value_desc("MODEL"),
    cl::desc("a .gguf file, a Hugging Face folder or an .mlir file; with "
             "--merge, statistics files"),
    cl::cat(category));
static cl::opt<std::string> output("o", cl::value_desc("FILE"),
                                   cl::desc("the statistics file to write"),
                                   cl::cat(category));
static cl::opt<std::string> tokens(
    "tokens", cl::value_desc("FILE.npy"),
    cl::desc("token ids: one long text, or a text a row that ends at -1"),
    cl::cat(category));
static cl::opt<int64_t>
    windows("windows", cl::init(128),
            cl::desc("most texts to run; with --probe, 2 unless given"),
            cl::cat(category));
static cl::opt<int64_t> windowLength("window-length", cl::init(512),
                                     cl::desc("most tokens of a text"),
                                     cl::cat(category));
static cl::list<std::string> statistics(
    "statistics", cl::CommaSeparated,
    cl::desc("range, mean, mean_abs, hessian, histogram; default: all"),
    cl::cat(category));
static cl::opt<std::string>
    source("source", cl::value_desc("TEXT"),
           cl::desc("where the tokens came from, for the record"),
           cl::cat(category));
// MLIR has an option --threads of its own.
static cl::opt<int64_t> threads("j", cl::init(0), cl::value_desc("N"),
                                cl::desc("threads; default: all cores"),
                                cl::cat(category));
static cl::opt<bool>
    probe("probe",
          cl::desc("instead of statistics, write what each weight, rounded by "
                   "itself, does to the model's output (qt-probe-weights)"),
          cl::cat(category));
static cl::opt<bool>
    merge("merge", cl::desc("join statistics files of one model into one"),
          cl::cat(category));
static cl::opt<std::string>
    tokenizer("tokenizer", cl::value_desc("DIR"),
              cl::desc("only copy what turns text into the model's tokens into "
                       "an existing folder, and print causal-lm or encoder"),
              cl::cat(category));

/// Constants of a graph from outside become weights in a file of `folder`.
static llvm::Error raise(ModuleOp module, StringRef folder) {
  llvm::SmallString<256> file(folder);
  llvm::sys::path::append(file, "constants");
  RaiseOptions options;
  options.weightsOut = file.str().str();
  PassManager pm(module.getContext());
  buildRaisePipeline(pm, options);
  if (failed(pm.run(module)))
    return llvm::createStringError("reading the graph failed");
  return llvm::Error::success();
}

static bool hasCache(ModuleOp module) {
  WalkResult found = module.walk([](lm::AttentionOp op) {
    return op.getCache() ? WalkResult::interrupt() : WalkResult::advance();
  });
  return found.wasInterrupted();
}

static llvm::Error run() {
  DialectRegistry registry;
  registerAllDialects(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  const std::string &input = inputs.front();
  FirstError diagnostics(&context, input);
  llvm::Expected<StatisticsContent> content = parseStatisticsContent(
      std::vector<std::string>(statistics.begin(), statistics.end()));
  if (!content)
    return content.takeError();
  // Before the model: a typing error is found at once.
  std::vector<Window> texts;
  if (tokenizer.empty()) {
    bool fewer = probe && windows.getNumOccurrences() == 0;
    auto read = readWindows(tokens, {fewer ? 2 : windows, windowLength});
    if (!read)
      return read.takeError();
    texts = std::move(*read);
  }
  llvm::Expected<OwningOpRef<ModuleOp>> module = readModel(input, &context);
  if (!module)
    return diagnostics.explain(module.takeError());
  if (!tokenizer.empty()) {
    auto name =
        (**module)->getAttrOfType<StringAttr>(lm::LMDialect::sourceAttrName);
    auto kind = writeTokenizer(name ? name.getValue() : "", tokenizer);
    if (kind && kind->empty())
      return fileError(input, "has no tokenizer; pass --tokens");
    if (kind)
      llvm::outs() << (hasCache(**module) ? "causal-lm" : "encoder") << "\n";
    return kind.takeError();
  }

  llvm::Expected<OutputFolder> scratch =
      OutputFolder::create(llvm::sys::path::parent_path(output.getValue()));
  if (!scratch)
    return scratch.takeError();
  if (StringRef(input).ends_with(".mlir"))
    if (llvm::Error error = raise(**module, scratch->path()))
      return diagnostics.explain(std::move(error));
  StagedModelOptions options;
  options.threads = threads;
  options.statistics = *content;
  options.windowLength = longest(texts);
  const std::string &origin = source.empty() ? tokens : source;
  ProgressLine line(probe ? "probing weights" : "calibrating");
  auto progress = [&](int64_t done, int64_t total) { line(done, total); };
  return diagnostics.explain(
      probe ? probeWeights(**module, texts, options, probeScheme, origin,
                           output, progress)
            : calibrate(**module, texts, options, origin, output, progress));
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  if (!parseOptions(argc, argv,
                    "Statistics of a model's activations, for quantization\n"))
    return 2;
  const char *tool = "quant-calibrate";
  if (merge) {
    if (inputs.empty() || output.empty())
      return usageError(tool, "--merge needs statistics files and -o FILE");
    return finish(tool, mergeStatistics(std::vector<std::string>(inputs.begin(),
                                                                 inputs.end()),
                                        output));
  }
  if (inputs.size() != 1)
    return usageError(tool, "one MODEL is needed");
  if (tokenizer.empty() && (tokens.empty() || output.empty()))
    return usageError(tool, "--tokens FILE.npy and -o FILE are needed");
  if (windows < 1 || windowLength < 1 || threads < 0)
    return usageError(tool, "--windows, --window-length and -j are positive");
  return finish(tool, run());
}
