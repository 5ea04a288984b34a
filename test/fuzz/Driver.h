// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef QUANT_MLIR_TEST_FUZZ_DRIVER_H
#define QUANT_MLIR_TEST_FUZZ_DRIVER_H

#include <cstddef>
#include <cstdint>
#include <string>

/// Runs one input and ends the program if something does not hold. What it
/// returns tells the driver whether the input was handled in a new way.
std::string fuzzOne(const uint8_t *data, size_t size);

#endif // QUANT_MLIR_TEST_FUZZ_DRIVER_H
