// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a target of the fuzzer is: it runs an input, and may make some itself.

#ifndef QUANT_MLIR_TEST_FUZZ_DRIVER_H
#define QUANT_MLIR_TEST_FUZZ_DRIVER_H

#include "llvm/Support/raw_ostream.h"
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <random>
#include <string>
#include <vector>

using Bytes = std::vector<uint8_t>;

/// Ends the program, for the driver to keep the input.
#define REQUIRE(CONDITION)                                                     \
  do {                                                                         \
    if (!(CONDITION)) {                                                        \
      llvm::errs() << __FILE__ << ":" << __LINE__ << ": " #CONDITION "\n";     \
      abort();                                                                 \
    }                                                                          \
  } while (false)

/// Equal on every platform, unlike the distributions of the standard library.
class Random {
public:
  explicit Random(uint64_t seed) : engine(seed) {}
  uint64_t below(uint64_t bound) { return engine() % bound; }
  bool oneIn(uint64_t n) { return below(n) == 0; }
  template <typename Range> const auto &pick(const Range &range) {
    return range[below(std::size(range))];
  }

private:
  std::mt19937_64 engine;
};

/// Runs one input and ends the program if something does not hold. What it
/// returns tells the driver whether the input was handled in a new way.
std::string fuzzOne(const uint8_t *data, size_t size);

/// Good inputs, beside those of the command line.
std::vector<Bytes> fuzzSeeds();

/// An input that mutations would hardly find; may be empty.
Bytes fuzzMake(Random &random);

#endif // QUANT_MLIR_TEST_FUZZ_DRIVER_H
