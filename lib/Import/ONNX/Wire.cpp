// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Wire.h"
#include "quant-mlir/Import/WeightFile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace quantmlir;
using namespace quantmlir::onnx;

/// Takes a varint from the front of `rest`. False if it does not end, or has
/// more than 64 bits.
static bool takeVarint(ArrayRef<uint8_t> &rest, uint64_t &value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    uint8_t byte = rest.front();
    rest = rest.drop_front();
    if (shift == 63 && byte > 1)
      return false;
    value |= uint64_t(byte & 0x7F) << shift;
    if (byte < 0x80)
      return true;
  }
  return false;
}

Error Message::error(const Twine &reason) const {
  return fileError(path, Twine("is damaged: ") + what + ": " + reason);
}

Expected<bool> Message::next() {
  if (rest.empty())
    return false;
  uint64_t tag;
  if (!takeVarint(rest, tag) || tag >> 3 == 0 || tag >> 32)
    return error("a field has no valid number");
  current = {unsigned(tag >> 3), WireType(tag & 7), 0, {}};
  std::string name = ("field " + Twine(current.number)).str();
  switch (current.type) {
  case WireType::Varint:
    if (!takeVarint(rest, current.value))
      return error(name + " is no valid number");
    return true;
  case WireType::Fixed64:
  case WireType::Fixed32: {
    size_t size = current.type == WireType::Fixed64 ? 8 : 4;
    if (rest.size() < size)
      return error(name + " is cut off");
    current.value = size == 8 ? support::endian::read64le(rest.data())
                              : support::endian::read32le(rest.data());
    rest = rest.drop_front(size);
    return true;
  }
  case WireType::Bytes: {
    uint64_t length;
    if (!takeVarint(rest, length))
      return error("the length of " + name + " is no valid number");
    if (length > rest.size())
      return error(name + " claims to have " + Twine(length) + " bytes, " +
                   Twine(rest.size()) + " are left");
    current.bytes = rest.take_front(length);
    rest = rest.drop_front(length);
    return true;
  }
  }
  return error(name + " has the unknown wire type " + Twine(tag & 7));
}

Error Message::require(WireType type) const {
  if (current.type != type)
    return error("field " + Twine(current.number) + " has the wire type " +
                 Twine(int(current.type)) + ", expected " + Twine(int(type)));
  return Error::success();
}

Error Message::read(int64_t &integer) const {
  integer = int64_t(current.value);
  return require(WireType::Varint);
}

Error Message::read(float &number) const {
  number = bit_cast<float>(uint32_t(current.value));
  return require(WireType::Fixed32);
}

Error Message::read(StringRef &string) const {
  string = toStringRef(current.bytes);
  return require(WireType::Bytes);
}

Error Message::read(ArrayRef<uint8_t> &message) const {
  message = current.bytes;
  return require(WireType::Bytes);
}

Error Message::append(std::vector<int64_t> &integers) const {
  if (current.type == WireType::Varint) {
    integers.push_back(int64_t(current.value));
    return Error::success();
  }
  ArrayRef<uint8_t> packed = current.bytes;
  uint64_t value;
  while (!packed.empty()) {
    if (!takeVarint(packed, value))
      return error("field " + Twine(current.number) +
                   " has an item that is no valid number");
    integers.push_back(int64_t(value));
  }
  return require(WireType::Bytes);
}

Error Message::append(std::vector<uint8_t> &numbers, unsigned size) const {
  WireType single = size == 8 ? WireType::Fixed64 : WireType::Fixed32;
  if (current.type == single) {
    for (unsigned i = 0; i < size; ++i)
      numbers.push_back(uint8_t(current.value >> 8 * i));
    return Error::success();
  }
  if (current.bytes.size() % size != 0)
    return error("field " + Twine(current.number) + " has " +
                 Twine(current.bytes.size()) + " bytes, not a multiple of " +
                 Twine(size));
  numbers.insert(numbers.end(), current.bytes.begin(), current.bytes.end());
  return require(WireType::Bytes);
}
