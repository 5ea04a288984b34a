// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values and keys of a GGUF file that has been checked; GGUFParser.cpp checks.

#include "quant-mlir/Import/GGUF.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include <cmath>

using namespace llvm;
using namespace quantmlir;
using support::endian::read;

StringRef quantmlir::ggufTypeName(GGUFType type) {
  switch (type) {
  case GGUFType::U8:
    return "u8";
  case GGUFType::I8:
    return "i8";
  case GGUFType::U16:
    return "u16";
  case GGUFType::I16:
    return "i16";
  case GGUFType::U32:
    return "u32";
  case GGUFType::I32:
    return "i32";
  case GGUFType::F32:
    return "f32";
  case GGUFType::Bool:
    return "bool";
  case GGUFType::String:
    return "string";
  case GGUFType::Array:
    return "array";
  case GGUFType::U64:
    return "u64";
  case GGUFType::I64:
    return "i64";
  case GGUFType::F64:
    return "f64";
  }
  llvm_unreachable("unknown GGUF type");
}

uint64_t quantmlir::ggufTypeSize(GGUFType type) {
  switch (type) {
  case GGUFType::U8:
  case GGUFType::I8:
  case GGUFType::Bool:
    return 1;
  case GGUFType::U16:
  case GGUFType::I16:
    return 2;
  case GGUFType::U32:
  case GGUFType::I32:
  case GGUFType::F32:
    return 4;
  case GGUFType::U64:
  case GGUFType::I64:
  case GGUFType::F64:
    return 8;
  case GGUFType::String:
  case GGUFType::Array:
    return 0;
  }
  llvm_unreachable("unknown GGUF type");
}

std::optional<uint32_t> quantmlir::ggufTensorType(DType type) {
  static constexpr int64_t ids[] = {
#define QUANT_DTYPE(NAME, VALUES, BYTES, GGUF, SAFETENSORS) GGUF,
#include "quant-mlir/Import/DTypes.def"
  };
  int64_t id = ids[size_t(type)];
  return id < 0 ? std::nullopt : std::optional<uint32_t>(id);
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

template <typename T> static T readLE(const uint8_t *source) {
  return read<T, endianness::little>(source);
}

/// A signed or unsigned integer of the file as `To`, if it fits.
template <typename To, typename From> static std::optional<To> fit(From value) {
  To result = To(value);
  if (From(result) != value || (result < To(0)) != (value < From(0)))
    return std::nullopt;
  return result;
}

template <typename T>
static std::optional<T> decodeInteger(GGUFType type, const uint8_t *source) {
  switch (type) {
  case GGUFType::U8:
    return fit<T>(*source);
  case GGUFType::I8:
    return fit<T>(int8_t(*source));
  case GGUFType::U16:
    return fit<T>(readLE<uint16_t>(source));
  case GGUFType::I16:
    return fit<T>(readLE<int16_t>(source));
  case GGUFType::U32:
    return fit<T>(readLE<uint32_t>(source));
  case GGUFType::I32:
    return fit<T>(readLE<int32_t>(source));
  case GGUFType::U64:
    return fit<T>(readLE<uint64_t>(source));
  case GGUFType::I64:
    return fit<T>(readLE<int64_t>(source));
  default:
    return std::nullopt;
  }
}

/// One value of the file; `payload` starts with it.
template <typename T>
static std::optional<T> decode(GGUFType type, ArrayRef<uint8_t> payload) {
  const uint8_t *source = payload.data();
  if constexpr (std::is_same_v<T, uint64_t> || std::is_same_v<T, int64_t>) {
    return decodeInteger<T>(type, source);
  } else if constexpr (std::is_same_v<T, double>) {
    if (type == GGUFType::F32)
      return double(readLE<float>(source));
    if (type == GGUFType::F64)
      return readLE<double>(source);
  } else if constexpr (std::is_same_v<T, bool>) {
    if (type == GGUFType::Bool)
      return *source != 0;
  } else {
    if (type == GGUFType::String)
      return toStringRef(payload.slice(8, readLE<uint64_t>(source)));
  }
  return std::nullopt;
}

template <typename Fn> bool GGUFValue::forEach(Fn item) const {
  ArrayRef<uint8_t> rest = payload;
  for (uint64_t i = 0; i < count; ++i) {
    if (!item(rest))
      return false;
    uint64_t size = type == GGUFType::String ? 8 + readLE<uint64_t>(rest.data())
                                             : ggufTypeSize(type);
    rest = rest.drop_front(size);
  }
  return true;
}

template <typename T> std::optional<T> GGUFValue::as() const {
  if (array)
    return std::nullopt;
  return decode<T>(type, payload);
}

template <typename T>
std::optional<std::vector<T>> GGUFValue::asVector() const {
  // An empty array has a type all the same, but writers choose it freely.
  if (!array)
    return std::nullopt;
  std::vector<T> items;
  items.reserve(count);
  bool fits = forEach([&](ArrayRef<uint8_t> rest) {
    std::optional<T> item = decode<T>(type, rest);
    if (item)
      items.push_back(*item);
    return item.has_value();
  });
  if (!fits)
    return std::nullopt;
  return items;
}

static json::Value itemToJSON(GGUFType type, ArrayRef<uint8_t> payload) {
  switch (type) {
  case GGUFType::Bool:
    return *decode<bool>(type, payload);
  case GGUFType::String:
    return json::fixUTF8(*decode<StringRef>(type, payload));
  case GGUFType::F32:
  case GGUFType::F64: {
    double number = *decode<double>(type, payload);
    if (!std::isfinite(number))
      return nullptr;
    return number;
  }
  default:
    if (auto number = decode<int64_t>(type, payload))
      return *number;
    return *decode<uint64_t>(type, payload);
  }
}

json::Value GGUFValue::toJSON() const {
  if (!array)
    return itemToJSON(type, payload);
  json::Array items;
  items.reserve(count);
  forEach([&](ArrayRef<uint8_t> rest) {
    items.push_back(itemToJSON(type, rest));
    return true;
  });
  return items;
}

//===----------------------------------------------------------------------===//
// Keys
//===----------------------------------------------------------------------===//

const GGUFValue *GGUFFile::findKey(StringRef key) const {
  auto place = values.find(key);
  return place == values.end() ? nullptr : &place->second;
}

Error GGUFFile::missingKey(StringRef key) const {
  return error("the key " + quoteName(key) + " is missing");
}

Error GGUFFile::wrongType(StringRef key, const GGUFValue &value,
                          StringRef wanted) const {
  return error("the key " + quoteName(key) + " is " +
               (value.isArray() ? "an array of " : "of type ") +
               ggufTypeName(value.getType()) + ", not " + wanted);
}

namespace {
template <typename T> struct Wanted;
template <> struct Wanted<uint64_t> {
  static constexpr StringLiteral one = "a non-negative integer",
                                 many = "an array of non-negative integers";
};
template <> struct Wanted<int64_t> {
  static constexpr StringLiteral one = "an integer",
                                 many = "an array of integers";
};
template <> struct Wanted<double> {
  static constexpr StringLiteral one = "a float", many = "an array of floats";
};
template <> struct Wanted<bool> {
  static constexpr StringLiteral one = "a bool", many = "an array of bools";
};
template <> struct Wanted<StringRef> {
  static constexpr StringLiteral one = "a string", many = "an array of strings";
};
} // namespace

template <typename T> Expected<T> GGUFFile::get(StringRef key) const {
  const GGUFValue *value = findKey(key);
  if (!value)
    return missingKey(key);
  if (std::optional<T> result = value->as<T>())
    return *result;
  return wrongType(key, *value, Wanted<T>::one);
}

template <typename T>
Expected<T> GGUFFile::getOr(StringRef key, T otherwise) const {
  if (!findKey(key))
    return otherwise;
  return get<T>(key);
}

template <typename T>
Expected<std::vector<T>> GGUFFile::getVector(StringRef key) const {
  const GGUFValue *value = findKey(key);
  if (!value)
    return missingKey(key);
  if (std::optional<std::vector<T>> result = value->asVector<T>())
    return std::move(*result);
  return wrongType(key, *value, Wanted<T>::many);
}

#define INSTANTIATE(T)                                                         \
  template std::optional<T> GGUFValue::as<T>() const;                          \
  template std::optional<std::vector<T>> GGUFValue::asVector<T>() const;       \
  template Expected<T> GGUFFile::get<T>(StringRef) const;                      \
  template Expected<T> GGUFFile::getOr<T>(StringRef, T) const;                 \
  template Expected<std::vector<T>> GGUFFile::getVector<T>(StringRef) const;
INSTANTIATE(uint64_t)
INSTANTIATE(int64_t)
INSTANTIATE(double)
INSTANTIATE(bool)
INSTANTIATE(StringRef)
#undef INSTANTIATE

const json::Object &GGUFFile::metadata() const {
  std::call_once(jsonMade, [&] {
    for (const auto &[key, value] : values)
      object[key] = value.toJSON();
  });
  return object;
}

template <typename T> static std::optional<T> valueAs(const GGUFValue *value) {
  return value ? value->as<T>() : std::nullopt;
}

std::optional<int64_t> GGUFFile::getInt(StringRef key) const {
  return valueAs<int64_t>(findKey(key));
}

std::optional<double> GGUFFile::getFloat(StringRef key) const {
  return valueAs<double>(findKey(key));
}

std::optional<bool> GGUFFile::getBool(StringRef key) const {
  return valueAs<bool>(findKey(key));
}

std::optional<StringRef> GGUFFile::getString(StringRef key) const {
  return valueAs<StringRef>(findKey(key));
}
