// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Access to test/golden: known inputs and outputs of other implementations.

#ifndef QUANT_MLIR_TEST_UNIT_GOLDEN_H
#define QUANT_MLIR_TEST_UNIT_GOLDEN_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"
#include <cstring>
#include <memory>
#include <string>
#include <vector>

inline std::string goldenPath(const llvm::Twine &name) {
  return (QUANT_TEST_GOLDEN_DIR "/" + name).str();
}

/// The bytes of a file in test/golden; a missing file fails the test.
inline std::string goldenBytes(const llvm::Twine &name) {
  auto buffer = llvm::MemoryBuffer::getFile(goldenPath(name));
  if (!buffer) {
    ADD_FAILURE() << "cannot read " << goldenPath(name);
    return {};
  }
  return (*buffer)->getBuffer().str();
}

/// The array NAME.bin of test/golden.
template <typename T> std::vector<T> golden(const llvm::Twine &name) {
  std::string bytes = goldenBytes(name + ".bin");
  EXPECT_FALSE(bytes.empty());
  std::vector<T> array(bytes.size() / sizeof(T));
  std::memcpy(array.data(), bytes.data(), array.size() * sizeof(T));
  return array;
}

#endif // QUANT_MLIR_TEST_UNIT_GOLDEN_H
