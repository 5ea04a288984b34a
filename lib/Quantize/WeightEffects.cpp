// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/WeightEffects.h"
#include "quant-mlir/Import/JSONFile.h"
#include "quant-mlir/Import/WeightFile.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace llvm;
using namespace quantmlir;

static constexpr StringLiteral fileFormat = "quant-mlir effects of weights 1";

Error WeightEffects::write(StringRef path) const {
  json::Object numbers;
  for (const auto &[weight, effect] : effects)
    numbers[weight] = effect;
  json::Value file = json::Object{{"format", fileFormat},
                                  {"model", model},
                                  {"tokens", tokens},
                                  {"scheme", scheme},
                                  {"effects", std::move(numbers)}};
  if (Error error = writeToOutput(path, [&](raw_ostream &out) {
        out << formatv("{0:2}\n", file);
        return Error::success();
      }))
    return fileError(path, toString(std::move(error)));
  return Error::success();
}

Expected<WeightEffects> WeightEffects::read(StringRef path, StringRef model) {
  Expected<json::Object> file = readJSONObject(path);
  if (!file)
    return file.takeError();
  auto text = [&](StringRef key) { return file->getString(key).value_or(""); };
  json::Object *numbers = file->getObject("effects");
  if (text("format") != fileFormat || !numbers)
    return fileError(path, "has no effects of weights");
  if (text("model") != model)
    return fileError(path, "effects of weights of another model (fingerprint " +
                               text("model").str() + ", this model's is " +
                               model.str() + ")");
  WeightEffects result{
      model.str(), text("tokens").str(), text("scheme").str(), {}};
  for (const auto &[weight, value] : *numbers) {
    std::optional<double> effect = value.getAsNumber();
    if (!effect || !std::isfinite(*effect) || *effect < 0)
      return fileError(path, "the effect of weight '" + weight.str() +
                                 "' is negative or no number");
    result.effects[weight.str()] = *effect;
  }
  return result;
}
