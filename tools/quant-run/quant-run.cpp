// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Model.h"
#include "Tool.h"
#include "quant-mlir/Import/TokenArray.h"
#include "quant-mlir/Import/WeightFile.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <cmath>
#include <random>

using namespace quantmlir;
namespace cl = llvm::cl;
using llvm::StringRef;

namespace {

/// Made in main, after the options that libraries registered are forgotten:
/// LLVM has a --threads of its own.
struct Options {
  cl::OptionCategory category{"quant-run options"};
  cl::opt<std::string> folder{
      cl::Positional, cl::Required, cl::value_desc("DIR"),
      cl::desc("a folder that quantc wrote"), cl::cat(category)};
  cl::list<int32_t> tokens{"tokens", cl::CommaSeparated,
                           cl::desc("token ids of a prompt"),
                           cl::cat(category)};
  cl::opt<int64_t> generate{"generate", cl::init(0),
                            cl::desc("tokens to generate"), cl::cat(category)};
  cl::opt<bool> greedy{"greedy", cl::init(false),
                       cl::desc("take the likeliest token (else sample)"),
                       cl::cat(category)};
  cl::opt<int64_t> topK{"top-k", cl::init(0), cl::value_desc("K"),
                        cl::desc("sample from the likeliest K (0: from all)"),
                        cl::cat(category)};
  cl::opt<unsigned> seed{"seed", cl::init(1), cl::desc("of sampling"),
                         cl::cat(category)};
  cl::opt<std::string> perplexity{
      "perplexity", cl::value_desc("FILE.npy"),
      cl::desc("score the tokens of a file, in windows"), cl::cat(category)};
  cl::opt<int64_t> window{"window", cl::init(512),
                          cl::desc("tokens per window of --perplexity"),
                          cl::cat(category)};
  cl::opt<std::string> bench{
      "bench", cl::value_desc("pp=N,tg=N,depth=N"),
      cl::desc("measure prefill and decoding, behind that many tokens"),
      cl::cat(category)};
  cl::opt<int64_t> repeat{"repeat", cl::init(5), cl::desc("rounds of --bench"),
                          cl::cat(category)};
  cl::opt<int64_t> threads{"threads", cl::init(0), cl::desc("0: all cores"),
                           cl::cat(category)};
  cl::opt<bool> json{"json", cl::desc("print one JSON object"),
                     cl::cat(category)};
};

} // namespace

static Options &options() {
  static Options instance;
  return instance;
}

static void forgetLibraryOptions() {
  llvm::SmallVector<cl::Option *> known;
  for (auto &[name, option] : cl::getRegisteredOptions())
    known.push_back(option);
  for (cl::Option *option : known)
    option->removeArgument();
}

static double now() {
  using clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(clock::now().time_since_epoch()).count();
}

static void print(const llvm::json::Object &result) {
  if (options().json) {
    llvm::outs() << llvm::json::Value(llvm::json::Object(result)) << "\n";
    return;
  }
  for (auto &[key, value] : result)
    llvm::outs() << key << ": " << value << "\n";
}

//===----------------------------------------------------------------------===//
// Generation
//===----------------------------------------------------------------------===//

/// The place of the one that is drawn.
static size_t draw(llvm::ArrayRef<float> logits, std::mt19937 &random) {
  float best = *std::max_element(logits.begin(), logits.end());
  std::vector<double> weights;
  for (float logit : logits)
    weights.push_back(std::exp(double(logit) - best));
  return std::discrete_distribution<size_t>(weights.begin(),
                                            weights.end())(random);
}

/// The token that follows those that were fed last, whose logits these are.
static llvm::Expected<int32_t>
choose(Model &model, llvm::ArrayRef<float> logits, std::mt19937 &random) {
  if (!options().greedy && !options().topK)
    return int32_t(draw(logits, random));
  auto candidates = model.top(options().greedy ? 1 : options().topK);
  if (!candidates)
    return candidates.takeError();
  std::vector<float> best;
  for (Model::Candidate candidate : *candidates)
    best.push_back(candidate.logit);
  return (*candidates)[options().greedy ? 0 : draw(best, random)].token;
}

static llvm::Error runGenerate(Model &model) {
  std::mt19937 random(options().seed);
  std::vector<int32_t> next(options().tokens.begin(), options().tokens.end());
  llvm::json::Array generated;
  for (int64_t i = 0; i < std::max<int64_t>(options().generate, 1); ++i) {
    auto logits = model.feed(next, 1);
    if (!logits)
      return logits.takeError();
    llvm::Expected<int32_t> token = choose(model, *logits, random);
    if (!token)
      return token.takeError();
    next.assign(1, *token);
    generated.push_back(next.front());
    if (!options().json) {
      llvm::outs() << (i ? "," : "") << next.front();
      llvm::outs().flush();
    }
  }
  if (options().json)
    print(llvm::json::Object{{"tokens", std::move(generated)}});
  else
    llvm::outs() << "\n";
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Perplexity
//===----------------------------------------------------------------------===//

/// -log softmax(logits)[token]
static double surprise(llvm::ArrayRef<float> logits, int32_t token) {
  double largest = *std::max_element(logits.begin(), logits.end()), sum = 0;
  for (float logit : logits)
    sum += std::exp(double(logit) - largest);
  return largest + std::log(sum) - logits[token];
}

static llvm::Error runPerplexity(Model &model) {
  llvm::Expected<TokenArray> text = readTokenArray(options().perplexity);
  if (!text)
    return text.takeError();
  if (text->shape.size() != 1)
    return fileError(options().perplexity, "expected one dimension");
  if (llvm::is_contained(text->values, -1))
    return fileError(options().perplexity, "has a negative token");
  int64_t vocabulary = model.descriptor().vocab_size;
  double total = 0;
  int64_t scored = 0;
  llvm::ArrayRef<int32_t> rest(text->values);
  while (rest.size() >= size_t(options().window)) {
    llvm::ArrayRef<int32_t> part = rest.take_front(options().window);
    rest = rest.drop_front(options().window);
    if (llvm::Error error = model.rewind(0))
      return error;
    auto logits = model.feed(part, options().window);
    if (!logits)
      return logits.takeError();
    for (int64_t i = 0; i + 1 < options().window; ++i)
      total += surprise(logits->slice(i * vocabulary, vocabulary), part[i + 1]);
    scored += options().window - 1;
  }
  if (!scored)
    return llvm::createStringError(options().perplexity +
                                   ": has fewer tokens than a "
                                   "window");
  print(llvm::json::Object{{"perplexity", std::exp(total / double(scored))},
                           {"tokens", scored}});
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Bench
//===----------------------------------------------------------------------===//

/// How many tokens to time, and how many are in the cache before.
struct BenchSizes {
  int64_t prefill = 0, decode = 0, depth = 0;
};

static llvm::Error parseBench(BenchSizes &sizes) {
  llvm::SmallVector<StringRef> items;
  StringRef(options().bench).split(items, ',');
  for (StringRef item : items) {
    auto [key, value] = item.split('=');
    int64_t *target = key == "pp"      ? &sizes.prefill
                      : key == "tg"    ? &sizes.decode
                      : key == "depth" ? &sizes.depth
                                       : nullptr;
    if (!target || value.getAsInteger(10, *target) || *target < 0)
      return llvm::createStringError("--bench " + options().bench +
                                     ": expected pp=N,tg=N,depth=N");
  }
  return llvm::Error::success();
}

static double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

static llvm::Error runBench(Model &model) {
  BenchSizes sizes;
  if (llvm::Error error = parseBench(sizes))
    return error;
  std::mt19937 random(options().seed);
  std::uniform_int_distribution<int32_t> anyToken(
      0, int32_t(model.descriptor().vocab_size) - 1);
  auto randomTokens = [&](int64_t count) {
    std::vector<int32_t> tokens(count);
    std::generate(tokens.begin(), tokens.end(),
                  [&] { return anyToken(random); });
    return tokens;
  };
  if (sizes.depth)
    if (llvm::Error error =
            model.feed(randomTokens(sizes.depth), 1).takeError())
      return error;
  std::vector<double> prefillTimes, decodeTimes;
  // The first round warms caches and pages and is not counted.
  for (int64_t round = 0; round <= options().repeat; ++round) {
    auto time = [&](llvm::function_ref<llvm::Error()> work,
                    std::vector<double> &times) -> llvm::Error {
      if (llvm::Error error = model.rewind(sizes.depth))
        return error;
      double start = now();
      if (llvm::Error error = work())
        return error;
      if (round)
        times.push_back(now() - start);
      return llvm::Error::success();
    };
    if (sizes.prefill) {
      std::vector<int32_t> prompt = randomTokens(sizes.prefill);
      if (llvm::Error error = time(
              [&] { return model.feed(prompt, 1).takeError(); }, prefillTimes))
        return error;
    }
    if (sizes.decode) {
      auto work = [&]() -> llvm::Error {
        for (int64_t i = 0; i < sizes.decode; ++i)
          if (llvm::Error error = model.feed(anyToken(random), 1).takeError())
            return error;
        return llvm::Error::success();
      };
      if (llvm::Error error = time(work, decodeTimes))
        return error;
    }
  }
  llvm::json::Object result;
  if (sizes.prefill)
    result["prefill_tokens_per_s"] =
        double(sizes.prefill) / median(prefillTimes);
  if (sizes.decode)
    result["decode_tokens_per_s"] = double(sizes.decode) / median(decodeTimes);
  print(result);
  return llvm::Error::success();
}

static llvm::Error run() {
  llvm::Expected<Model> model =
      Model::open(options().folder, /*context=*/0, options().threads);
  if (!model)
    return model.takeError();
  if (StringRef(model->descriptor().task) != "causal-lm")
    return llvm::createStringError(
        options().folder +
        ": is no language model; python -m quant_mlir runs it");
  if (!options().bench.empty())
    return runBench(*model);
  if (!options().perplexity.empty())
    return runPerplexity(*model);
  return runGenerate(*model);
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  forgetLibraryOptions();
  options();
  if (!parseOptions(argc, argv, "Runs compiled models on token ids\n"))
    return 2;
  if (options().tokens.empty() && options().bench.empty() &&
      options().perplexity.empty())
    return usageError("quant-run",
                      "one of --tokens, --perplexity and --bench is needed");
  if (options().topK < 0)
    return usageError("quant-run", "--top-k is at least 0");
  if (options().window < 2 || options().repeat < 1)
    return usageError("quant-run",
                      "--window is at least 2, --repeat at least 1");
  return finish("quant-run", run());
}
