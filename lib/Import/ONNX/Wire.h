// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_LIB_IMPORT_ONNX_WIRE_H
#define QUANT_MLIR_LIB_IMPORT_ONNX_WIRE_H

// The wire format of protobuf. A message is fields one behind the other; a
// field is a varint of (number << 3 | type) and then
//
//   type 0   a varint: seven bits in a byte, the lowest first, until a byte has
//            no bit 7
//   type 1   eight bytes
//   type 2   a varint length and that many bytes: a string, a message, or
//            numbers ("packed")
//   type 5   four bytes
//
// Types 3 and 4, groups, have not been written for twenty years and are
// refused.

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"
#include <vector>

namespace quantmlir::onnx {

enum class WireType { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

struct Field {
  unsigned number = 0;
  WireType type = WireType::Varint;
  uint64_t value = 0;            ///< of a varint or a fixed number
  llvm::ArrayRef<uint8_t> bytes; ///< of type 2
};

/// What the fields of one message are read with. `what` names the message in
/// errors: "FILE: is damaged: WHAT: reason".
class Message {
public:
  Message(llvm::StringRef path, const char *what, llvm::ArrayRef<uint8_t> bytes)
      : path(path), what(what), rest(bytes) {}

  /// Moves to the next field. False at the end of the message.
  llvm::Expected<bool> next();
  const Field &field() const { return current; }

  /// The current field as what it has to be.
  llvm::Error read(int64_t &integer) const;
  llvm::Error read(float &number) const;
  llvm::Error read(llvm::StringRef &string) const;
  llvm::Error read(llvm::ArrayRef<uint8_t> &message) const;
  /// One more of a repeated number, or many of them, packed.
  llvm::Error append(std::vector<int64_t> &integers) const;
  /// The same for numbers of `size` bytes, kept as they lie.
  llvm::Error append(std::vector<uint8_t> &numbers, unsigned size) const;

private:
  llvm::Error error(const llvm::Twine &reason) const;
  llvm::Error require(WireType type) const;

  llvm::StringRef path;
  const char *what;
  llvm::ArrayRef<uint8_t> rest;
  Field current;
};

} // namespace quantmlir::onnx

#endif // QUANT_MLIR_LIB_IMPORT_ONNX_WIRE_H
