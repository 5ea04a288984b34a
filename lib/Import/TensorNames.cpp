// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Import/TensorNames.h"
#include "DecoderNames.h"
#include "llvm/ADT/StringExtras.h"

using namespace quantmlir;
using llvm::StringRef;

static constexpr StringRef DecoderNames::*parts[] = {
    &DecoderNames::embedding,
    &DecoderNames::positions,
    &DecoderNames::outputNorm,
    &DecoderNames::output,
    &DecoderNames::attentionNorm,
    &DecoderNames::query,
    &DecoderNames::key,
    &DecoderNames::value,
    &DecoderNames::queryKeyValue,
    &DecoderNames::queryNorm,
    &DecoderNames::keyNorm,
    &DecoderNames::attentionOutput,
    &DecoderNames::attentionPostNorm,
    &DecoderNames::feedForwardNorm,
    &DecoderNames::gate,
    &DecoderNames::up,
    &DecoderNames::gateUp,
    &DecoderNames::down,
    &DecoderNames::feedForwardPostNorm};

/// True if `name` is `pattern`, whose {0} stands for a number, `layer`.
static bool matches(StringRef name, StringRef pattern, StringRef &layer) {
  auto [front, back] = pattern.split("{0}");
  if (back.empty())
    return name == pattern;
  if (!name.consume_front(front) || !name.consume_back(back))
    return false;
  layer = name;
  return !name.empty() && llvm::all_of(name, llvm::isDigit);
}

std::string quantmlir::toGGUFName(StringRef name, StringRef architecture) {
  const DecoderNames &names = architecture == "gpt2"              ? gpt2Names
                              : architecture.starts_with("gemma") ? gemmaNames
                                                                  : llamaNames;
  name.consume_front(names.prefix);
  StringRef rest = name, ending = "weight";
  if (rest.consume_back("bias"))
    ending = "bias";
  else if (!rest.consume_back("weight"))
    return "";
  std::string asWeight = (rest + "weight").str();
  for (StringRef DecoderNames::*part : parts) {
    StringRef layer, pattern = names.*part, target = ggufNames.*part;
    if (pattern.empty() || target.empty() || !matches(asWeight, pattern, layer))
      continue;
    target.consume_back("weight");
    auto [front, back] = target.split("{0}");
    return (front + layer + back + ending).str();
  }
  return "";
}
