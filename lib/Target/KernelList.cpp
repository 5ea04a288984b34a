// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A list of kernels as YAML becomes MLIR text, a function on tensors for each
// kernel. The text's name is the list's and the kernel's, so that what passes
// have to say later names both.

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Parser/Parser.h"
#include "quant-mlir/Dialect/LM/Transforms/Passes.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Dialect/QT/Transforms/ActivationScheme.h"
#include "quant-mlir/Quantize/Recipe.h"
#include "quant-mlir/Quantize/YAMLReader.h"
#include "quant-mlir/Target/KernelLibrary.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Errc.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cmath>

using namespace mlir;
using namespace quantmlir;
using llvm::formatv;
using llvm::Twine;
namespace yaml = llvm::yaml;

namespace {

struct KernelEntry {
  std::string name;
  std::string op;
  int64_t n = 0, k = 0;
  std::string weights, activations = "auto";
  bool bias = false, residual = false;
  std::optional<double> norm;
  int64_t heads = 0, kvHeads = 0, headSize = 0;
  bool causal = true;
  std::string cache = "float16";
};

class KernelListReader : YAMLReader {
public:
  KernelListReader(StringRef path, StringRef text, MLIRContext *context)
      : YAMLReader(path, text), context(context) {}

  llvm::Expected<OwningOpRef<ModuleOp>> read(int64_t &rows);

private:
  bool size(yaml::Node *node, int64_t &value);
  bool entry(yaml::Node *node, KernelEntry &kernel);
  bool recipe(yaml::Node *node, KernelEntry &kernel);
  bool check(yaml::Node *node, const KernelEntry &kernel,
             ArrayRef<std::string> keys);
  bool emitMatmul(yaml::Node *node, const KernelEntry &kernel);
  void emitAttention(const KernelEntry &kernel);

  MLIRContext *context;
  std::string text; ///< of one kernel
};

} // namespace

bool KernelListReader::size(yaml::Node *node, int64_t &value) {
  constexpr int64_t most = 1 << 24;
  return number(node, value) &&
         (value <= most || fail(node, "a size is at most " + Twine(most) +
                                          ", not " + Twine(value)));
}

/// The formats of the linears of a recipe, which has no methods: there are no
/// weights to apply one to.
bool KernelListReader::recipe(yaml::Node *node, KernelEntry &kernel) {
  std::string name;
  if (!word(node, name))
    return false;
  llvm::Expected<Recipe> loaded = Recipe::load(name);
  if (!loaded)
    return fail(node, llvm::toString(loaded.takeError()));
  if (loaded->needsCalibration() || loaded->rules.size() != 1 ||
      loaded->rules.front().outlierThreshold)
    return fail(node, "recipe '" + name +
                          "' does not name a format of weights and one of "
                          "activations alone");
  kernel.weights = loaded->rules.front().weights.text;
  kernel.activations = loaded->rules.front().activations.text;
  return true;
}

bool KernelListReader::entry(yaml::Node *node, KernelEntry &kernel) {
  SmallVector<std::string> keys;
  auto field = [&](StringRef key, yaml::Node *value) {
    keys.push_back(key.str());
    if (key == "op")
      return word(value, kernel.op);
    if (key == "n")
      return size(value, kernel.n);
    if (key == "k")
      return size(value, kernel.k);
    if (key == "recipe")
      return recipe(value, kernel);
    if (key == "weights")
      return word(value, kernel.weights);
    if (key == "activations")
      return word(value, kernel.activations);
    if (key == "bias")
      return boolean(value, kernel.bias);
    if (key == "residual")
      return boolean(value, kernel.residual);
    if (key == "norm")
      return positive(value, kernel.norm.emplace());
    if (key == "heads")
      return size(value, kernel.heads);
    if (key == "kv_heads")
      return size(value, kernel.kvHeads);
    if (key == "head_size")
      return size(value, kernel.headSize);
    if (key == "causal")
      return boolean(value, kernel.causal);
    if (key == "cache")
      return word(value, kernel.cache);
    return fail(value, "unknown key '" + key + "'");
  };
  if (!forEach(node, "a kernel", field) || !check(node, kernel, keys))
    return false;
  if (kernel.op == "matmul")
    return emitMatmul(node, kernel);
  emitAttention(kernel);
  return true;
}

/// What a kernel needs, and no key that is another op's.
bool KernelListReader::check(yaml::Node *node, const KernelEntry &kernel,
                             ArrayRef<std::string> keys) {
  bool isMatmul = kernel.op == "matmul";
  if (!isMatmul && kernel.op != "attention")
    return fail(node, "op '" + kernel.op + "' is neither matmul nor attention");
  const StringRef ofMatmul[] = {"n",           "k",    "recipe",   "weights",
                                "activations", "norm", "residual", "bias"};
  for (StringRef key : keys)
    if (key != "op" && llvm::is_contained(ofMatmul, key) != isMatmul)
      return fail(node, key + " does not belong to op: " + kernel.op);
  if (isMatmul) {
    if (!kernel.n || !kernel.k || kernel.weights.empty())
      return fail(node, "a matmul needs n, k and weights or recipe");
    return true;
  }
  if (!kernel.heads || !kernel.headSize)
    return fail(node, "attention needs heads and head_size");
  if (!lm::parseCacheElement(kernel.cache, context))
    return fail(node, "cache is float32, float16 or int8, not '" +
                          kernel.cache + "'");
  if (kernel.kvHeads && kernel.heads % kernel.kvHeads)
    return fail(node, "heads are no multiple of kv_heads");
  return true;
}

bool KernelListReader::emitMatmul(yaml::Node *node, const KernelEntry &kernel) {
  // What the parser has to say names no line of the list.
  ScopedDiagnosticHandler quiet(context, [](Diagnostic &) {});
  auto scheme = [&](StringRef source) {
    return dyn_cast_or_null<qt::QuantSchemeInterface>(
        parseAttribute(source, context));
  };
  int64_t n = kernel.n, k = kernel.k;
  qt::QuantSchemeInterface weights = scheme(kernel.weights);
  if (!weights)
    return fail(node, "weights '" + kernel.weights + "' are no scheme");
  std::string activations = kernel.activations;
  if (activations == "auto")
    activations = qt::chooseActivationScheme(weights.getLaneForm(k), k);
  if (activations != "float" && !scheme(activations))
    return fail(node, "activations '" + activations + "' are no scheme");

  llvm::raw_string_ostream out(text);
  std::string w = formatv("!qt.tensor<{0}x{1}xf32, {2}>", n, k, kernel.weights);
  out << formatv("qt.weight @{0}.weight : {1} in \"\"\n", kernel.name, w)
      << formatv("func.func @{0}(%x: tensor<?x{1}xf32> {{lm.name = \"x\"}",
                 kernel.name, k);
  if (kernel.norm)
    out << formatv(", %gain: tensor<{0}xf32> {{lm.name = \"gain\"}", k);
  if (kernel.bias)
    out << formatv(", %bias: tensor<{0}xf32> {{lm.name = \"bias\"}", n);
  if (kernel.residual)
    out << formatv(", %residual: tensor<?x{0}xf32> {{lm.name = \"residual\"}",
                   n);
  out << formatv(") -> tensor<?x{0}xf32> {{\n"
                 "  %w = qt.load @{1}.weight : {2}\n",
                 n, kernel.name, w);
  std::string x = "%x", xType = formatv("tensor<?x{0}xf32>", k);
  if (kernel.norm) {
    out << formatv("  %n = lm.rms_norm %x, %gain {{eps = {0:e}} : {1}, "
                   "tensor<{2}xf32>\n",
                   *kernel.norm, xType, k);
    x = "%n";
  }
  if (activations != "float") {
    std::string q = formatv("!qt.tensor<?x{0}xf32, {1}>", k, activations);
    out << formatv("  %q = qt.quantize {0} : {1} -> {2}\n", x, xType, q);
    x = "%q";
    xType = q;
  }
  out << formatv("  %y = qt.matmul {0}, %w{1} : {2}, {3}{4} -> "
                 "tensor<?x{5}xf32>\n",
                 x, kernel.bias ? " bias %bias" : "", xType, w,
                 kernel.bias ? formatv(", tensor<{0}xf32>", n).str() : "", n);
  if (kernel.residual)
    out << formatv("  %r = arith.addf %y, %residual : tensor<?x{0}xf32>\n", n);
  out << formatv("  return {0} : tensor<?x{1}xf32>\n}\n",
                 kernel.residual ? "%r" : "%y", n);
  return true;
}

void KernelListReader::emitAttention(const KernelEntry &kernel) {
  int64_t kvHeads = kernel.kvHeads ? kernel.kvHeads : kernel.heads;
  std::string q = formatv("tensor<?x{0}xf32>", kernel.heads * kernel.headSize);
  std::string kv = formatv("tensor<?x{0}xf32>", kvHeads * kernel.headSize);
  std::string element;
  llvm::raw_string_ostream(element)
      << lm::parseCacheElement(kernel.cache, context);
  std::string cache = formatv("!lm.kv_cache<1 x {0} x {1} x {2}>", kvHeads,
                              kernel.headSize, element);
  llvm::raw_string_ostream(text) << formatv(
      "func.func @{0}(%q: {1} {{lm.name = \"query\"}, %k: {2} {{lm.name = "
      "\"key\"}, %v: {2} {{lm.name = \"value\"}, %cache: {3} {{lm.name = "
      "\"cache\"}, %position: index {{lm.name = \"position\"}) -> {1} {{\n"
      "  %y = lm.attention %q, %k, %v cache %cache[0] at %position {{{4}heads "
      "= {5}, kv_heads = {6}, scale = {7:e}} : {1}, {2}, {2}, {3}\n"
      "  return %y : {1}\n}\n",
      kernel.name, q, kv, cache, kernel.causal ? "causal, " : "", kernel.heads,
      kvHeads, 1 / std::sqrt(double(kernel.headSize)));
}

llvm::Expected<OwningOpRef<ModuleOp>> KernelListReader::read(int64_t &rows) {
  bool any = false;
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(context));
  auto section = [&](StringRef key, yaml::Node *value) {
    if (key == "rows")
      return number(value, rows) &&
             ((rows >= 16 && rows <= 4096 && rows % 16 == 0) ||
              fail(value,
                   "rows are a multiple of 16 up to 4096, not " + Twine(rows)));
    if (key != "kernels")
      return fail(value, "unknown key '" + key + "'");
    return forEach(value, "kernels", [&](StringRef name, yaml::Node *node) {
      any = true;
      KernelEntry kernel;
      kernel.name = name.str();
      text.clear();
      return (isIdentifier(name) ||
              fail(node, "'" + name + "' is no name of a C function")) &&
             entry(node, kernel) &&
             (succeeded(parseSourceString(text, module->getBody(), context,
                                          path + ": " + kernel.name)) ||
              fail(node, "the kernel cannot be built"));
    });
  };
  yaml::document_iterator document = stream.begin();
  if (document == stream.end() || isNull(document->getRoot()))
    note(1, "is empty");
  else if (forEach(document->getRoot(), "a list of kernels", section) && !any)
    note(1, "has no kernels");
  if (stream.failed())
    note(1, "is not valid YAML");
  if (!problem.empty())
    return llvm::createStringError(llvm::errc::invalid_argument,
                                   Twine(problem));
  return module;
}

llvm::Expected<OwningOpRef<ModuleOp>>
quantmlir::readKernelList(StringRef path, MLIRContext *context, int64_t &rows) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return llvm::createStringError(buffer.getError(),
                                   path + ": " + buffer.getError().message());
  return KernelListReader(path, (*buffer)->getBuffer(), context).read(rows);
}
