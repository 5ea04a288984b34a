// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a reader owes its user on bad input: one clear line, soon, without
// taking the machine's memory.

#ifndef QUANT_MLIR_TEST_UNIT_IMPORT_BADINPUT_H
#define QUANT_MLIR_TEST_UNIT_IMPORT_BADINPUT_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBufferRef.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"
#include <chrono>
#include <string>

/// The message of a failed parse; empty (and a failed test) if it succeeded or
/// the message is not one line that starts with `path`.
template <typename T>
std::string refusal(llvm::Expected<T> result, llvm::StringRef path) {
  if (result) {
    ADD_FAILURE() << "accepted";
    return {};
  }
  std::string message = llvm::toString(result.takeError());
  EXPECT_TRUE(llvm::StringRef(message).starts_with((path + ": ").str()))
      << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  EXPECT_LT(message.size(), 400u) << message;
  return message;
}

/// Parses `bytes` as a file named "FILE".
template <typename File> auto parseBytes(llvm::StringRef bytes) {
  return File::parse(llvm::MemoryBufferRef(bytes, "FILE"));
}

/// Expects that a file of these bytes is refused, within a second, with a
/// message that contains `reason`.
template <typename File>
void expectRefused(llvm::StringRef bytes, llvm::StringRef reason) {
  auto start = std::chrono::steady_clock::now();
  std::string message = refusal(parseBytes<File>(bytes), "FILE");
  EXPECT_NE(message.find(reason.str()), std::string::npos)
      << "expected: " << reason.str() << "\nmessage:  " << message;
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

/// Peak memory of this process in MiB.
uint64_t peakMemory();

/// What it must stay below after all bad input. A sanitizer keeps what was
/// freed and has its shadow besides.
#ifdef __SANITIZE_ADDRESS__
inline constexpr uint64_t memoryLimit = 2000;
#else
inline constexpr uint64_t memoryLimit = 200;
#endif

/// Builds the bytes of a file, little-endian.
class Bytes {
public:
  template <typename T> Bytes &put(T value) {
    char raw[sizeof(T)];
    llvm::support::endian::write<T, llvm::endianness::little>(raw, value);
    bytes.append(raw, sizeof(T));
    return *this;
  }
  Bytes &raw(llvm::StringRef text) {
    bytes += text;
    return *this;
  }
  /// A GGUF string: length, then bytes.
  Bytes &string(llvm::StringRef text) {
    return put<uint64_t>(text.size()).raw(text);
  }
  Bytes &zeros(size_t count) {
    bytes.append(count, '\0');
    return *this;
  }
  Bytes &align(size_t alignment) {
    return zeros((alignment - bytes.size() % alignment) % alignment);
  }
  operator llvm::StringRef() const { return bytes; }
  std::string bytes;
};

/// A folder that is removed with everything in it.
class TemporaryFolder {
public:
  TemporaryFolder() {
    EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("quant-mlir-test", path));
  }
  ~TemporaryFolder() { llvm::sys::fs::remove_directories(path); }

  std::string file(llvm::StringRef name) const {
    llvm::SmallString<128> result(path);
    llvm::sys::path::append(result, name);
    return result.str().str();
  }
  /// Writes a file and returns its path.
  std::string write(llvm::StringRef name, llvm::StringRef bytes) const {
    std::error_code code;
    llvm::raw_fd_ostream stream(file(name), code);
    EXPECT_FALSE(code);
    stream << bytes;
    return file(name);
  }
  /// The number of files.
  int count() const {
    std::error_code code;
    int result = 0;
    for (llvm::sys::fs::directory_iterator it(path, code), end;
         !code && it != end; it.increment(code))
      ++result;
    return result;
  }

  llvm::SmallString<128> path;
};

#endif // QUANT_MLIR_TEST_UNIT_IMPORT_BADINPUT_H
