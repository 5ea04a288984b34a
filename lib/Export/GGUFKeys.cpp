// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Export/GGUFKeys.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/EndianStream.h"

using namespace llvm;
using namespace quantmlir;

namespace {
/// The bytes of a value, as GGUFParser.cpp describes them.
class Payload {
public:
  Payload() : stream(bytes), writer(stream, endianness::little) {}

  template <typename T> void number(T value) { writer.write<T>(value); }
  void string(StringRef value) {
    number<uint64_t>(value.size());
    stream << value;
  }
  StringRef get() const { return bytes; }

private:
  SmallString<0> bytes;
  raw_svector_ostream stream;
  support::endian::Writer writer;
};
} // namespace

void GGUFKeys::set(StringRef key, const GGUFValue &value) {
  auto [entry, isNew] = keys.insert({key, value});
  if (!isNew)
    entry->second = value;
}

void GGUFKeys::setBytes(StringRef key, GGUFType type, StringRef payload,
                        std::optional<uint64_t> count) {
  StringRef name = key.copy(allocator), kept = payload.copy(allocator);
  set(name, GGUFValue(type, count.has_value(), count.value_or(1),
                      arrayRefFromStringRef(kept)));
}

void GGUFKeys::setInteger(StringRef key, uint32_t value) {
  Payload payload;
  payload.number(value);
  setBytes(key, GGUFType::U32, payload.get());
}

void GGUFKeys::setNumber(StringRef key, float value) {
  Payload payload;
  payload.number(bit_cast<uint32_t>(value));
  setBytes(key, GGUFType::F32, payload.get());
}

void GGUFKeys::setBool(StringRef key, bool value) {
  setBytes(key, GGUFType::Bool,
           value ? StringRef("\1", 1) : StringRef("\0", 1));
}

void GGUFKeys::setString(StringRef key, StringRef value) {
  Payload payload;
  payload.string(value);
  setBytes(key, GGUFType::String, payload.get());
}

void GGUFKeys::setIntegers(StringRef key, ArrayRef<int32_t> values) {
  Payload payload;
  for (int32_t value : values)
    payload.number(value);
  setBytes(key, GGUFType::I32, payload.get(), values.size());
}

void GGUFKeys::setStrings(StringRef key, ArrayRef<std::string> values) {
  Payload payload;
  for (const std::string &value : values)
    payload.string(value);
  setBytes(key, GGUFType::String, payload.get(), values.size());
}
