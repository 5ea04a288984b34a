// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Layers that other programs wrote, against the values that these programs say
// they have: bit for bit.

#ifndef QUANT_MLIR_TEST_UNIT_IMPORT_CHECKPOINTTEST_H
#define QUANT_MLIR_TEST_UNIT_IMPORT_CHECKPOINTTEST_H

#include "../Golden.h"
#include "BadInput.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/MLIRContext.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "quant-mlir/Export/SafetensorsWriter.h"
#include "quant-mlir/Import/Checkpoint.h"

#include "llvm/ADT/StringExtras.h"

struct Tensor {
  std::string name, type;
  llvm::SmallVector<int64_t> shape;
  std::string bytes;
};

/// A tensor of the layer "l" from test/golden.
inline Tensor stored(llvm::StringRef suffix, llvm::StringRef type,
                     llvm::ArrayRef<int64_t> shape, const llvm::Twine &array) {
  return {("l." + suffix).str(), type.str(), llvm::SmallVector<int64_t>(shape),
          goldenBytes(array + ".bin")};
}

template <typename T>
Tensor made(llvm::StringRef suffix, llvm::StringRef type,
            llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<T> values) {
  return {("l." + suffix).str(), type.str(), llvm::SmallVector<int64_t>(shape),
          std::string(reinterpret_cast<const char *>(values.data()),
                      values.size() * sizeof(T))};
}

class CheckpointTest : public testing::Test {
protected:
  CheckpointTest() { context.loadDialect<quantmlir::qt::QTDialect>(); }

  /// What importing says of layer "l" [n, k], `config` being the members of
  /// quantization_config.
  llvm::Expected<std::optional<quantmlir::StoredMatrix>>
  find(llvm::StringRef config, llvm::ArrayRef<Tensor> tensors, int64_t n,
       int64_t k) {
    folder.write("config.json",
                 ("{\"quantization_config\": {" + config + "}}").str());
    std::vector<quantmlir::SafetensorsWriter::Entry> entries;
    for (const Tensor &tensor : tensors)
      entries.push_back(
          {tensor.name, tensor.type, tensor.shape, tensor.bytes.size()});
    auto writer = quantmlir::SafetensorsWriter::create(
        folder.file("model.safetensors"), entries);
    if (!writer)
      return writer.takeError();
    for (const Tensor &tensor : tensors)
      llvm::cantFail(
          (*writer)->append(llvm::arrayRefFromStringRef(tensor.bytes)));
    llvm::cantFail((*writer)->finish());
    return findIn(folder.path, "l", n, k);
  }

  llvm::Expected<std::optional<quantmlir::StoredMatrix>>
  findIn(llvm::StringRef path, llvm::StringRef layer, int64_t n, int64_t k) {
    auto tensors = quantmlir::SafetensorsFolder::open(path);
    if (!tensors)
      return tensors.takeError();
    auto opened = quantmlir::Checkpoint::open(*tensors);
    if (!opened)
      return opened.takeError();
    checkpoint = std::move(*opened);
    return checkpoint->find(layer, n, k);
  }

  /// The values [n, k] of a layer that must be of this scheme.
  std::vector<float>
  values(llvm::Expected<std::optional<quantmlir::StoredMatrix>> matrix,
         int64_t n, int64_t k, llvm::StringRef scheme) {
    if (!matrix || !*matrix) {
      ADD_FAILURE() << (matrix ? "not found"
                               : llvm::toString(matrix.takeError()));
      return {};
    }
    EXPECT_EQ((*matrix)->scheme, scheme);
    auto attr = llvm::dyn_cast_or_null<quantmlir::qt::QuantSchemeInterface>(
        mlir::parseAttribute((*matrix)->scheme, &context));
    auto parts = (*matrix)->decode();
    if (!attr || !parts) {
      ADD_FAILURE() << (parts ? "no scheme"
                              : llvm::toString(parts.takeError()));
      return {};
    }
    std::vector<llvm::ArrayRef<uint8_t>> bytes(parts->begin(), parts->end());
    auto rows =
        llvm::cantFail(quantmlir::qt::dequantizeRows(attr, bytes, n, k, 0, n));
    llvm::ArrayRef<int32_t> order = (*matrix)->order;
    std::vector<float> result(n * k);
    for (int64_t row = 0; row < n; ++row)
      for (int64_t j = 0; j < k; ++j)
        result[row * k + (order.empty() ? j : order[j])] = rows[row * k + j];
    return result;
  }

  void
  expectRefused(llvm::Expected<std::optional<quantmlir::StoredMatrix>> matrix,
                llvm::StringRef reason) {
    ASSERT_FALSE(bool(matrix)) << "accepted";
    std::string message = llvm::toString(matrix.takeError());
    EXPECT_TRUE(llvm::StringRef(message).starts_with(folder.path)) << message;
    EXPECT_NE(message.find(reason.str()), std::string::npos) << message;
  }

  mlir::MLIRContext context;
  TemporaryFolder folder;
  std::unique_ptr<quantmlir::Checkpoint> checkpoint;
};

#endif // QUANT_MLIR_TEST_UNIT_IMPORT_CHECKPOINTTEST_H
