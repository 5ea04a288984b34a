// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "HFConfig.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace quantmlir;

Expected<HFConfig> HFConfig::open(StringRef folder) {
  SmallString<128> path(folder);
  sys::path::append(path, "config.json");
  Expected<json::Object> object = readJSONObject(path);
  if (!object)
    return object.takeError();
  return HFConfig(path.str().str(), std::move(*object));
}

Error HFConfig::readIntegers(
    ArrayRef<std::pair<const char *, int64_t *>> items) const {
  for (auto [key, value] : items) {
    std::optional<int64_t> found = object.getInteger(key);
    if (!found)
      return fileError(path, Twine("has no integer '") + key + "'");
    *value = *found;
  }
  return Error::success();
}

Error HFConfig::readNumber(StringRef key, double &value) const {
  std::optional<double> found = object.getNumber(key);
  if (!found)
    return fileError(path, "has no number '" + key + "'");
  value = *found;
  return Error::success();
}

double HFConfig::numberOr(StringRef key, double otherwise) const {
  return object.get(key) ? object.getNumber(key).value_or(0) : otherwise;
}

Expected<lm::ActivationKind>
HFConfig::readActivation(StringRef key, lm::ActivationKind otherwise) const {
  std::optional<StringRef> name = object.getString(key);
  if (!name)
    return otherwise;
  using Kind = lm::ActivationKind;
  auto kind = StringSwitch<std::optional<Kind>>(*name)
                  .Cases({"silu", "swish"}, Kind::Silu)
                  .Case("gelu", Kind::Gelu)
                  .Cases({"gelu_new", "gelu_pytorch_tanh"}, Kind::GeluTanh)
                  .Case("relu", Kind::Relu)
                  .Default(std::nullopt);
  if (!kind)
    return fileError(path, "activation " + quoteName(*name) +
                               " is not supported; 'silu', 'gelu', 'gelu_new', "
                               "'gelu_pytorch_tanh' and 'relu' are");
  return *kind;
}
