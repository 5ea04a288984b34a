// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "FakeModel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using testing::HasSubstr;

namespace {

/// Opening must fail, must leave the pointer alone, and say why.
void expectRefused(const qm_descriptor *descriptor, const char *path,
                   qm_status status, const std::string &reason) {
  qm_model *model = nullptr;
  EXPECT_EQ(qm_model_open(descriptor, path, &model), status);
  EXPECT_EQ(model, nullptr);
  EXPECT_THAT(qm_last_error(), HasSubstr(reason));
}

TEST(Model, opensAndCloses) {
  fake::TemporaryFile file(fake::weightsFile());
  qm_model *model = nullptr;
  ASSERT_EQ(qm_model_open(&fake::languageModel(), file.path(), &model), QM_OK);
  EXPECT_EQ(qm_model_descriptor(model), &fake::languageModel());
  qm_model_free(model);
  qm_model_free(nullptr);
}

TEST(Model, needsNoFileWithoutWeights) {
  qm_model *model = nullptr;
  ASSERT_EQ(qm_model_open(&fake::graph(), nullptr, &model), QM_OK);
  qm_model_free(model);
}

// The weights may change between calls; nobody takes a copy.
TEST(Model, opensWeightsInMemory) {
  alignas(64) float weights[] = {1, 10, 100, 1000, 10000};
  qm_model *model = nullptr;
  ASSERT_EQ(qm_model_open_memory(&fake::languageModel(), weights,
                                 sizeof weights, &model),
            QM_OK);
  qm_session *session = nullptr;
  ASSERT_EQ(qm_session_create(model, nullptr, &session), QM_OK);
  qm_model_free(model);
  const int32_t tokens[] = {2, 3};
  ASSERT_EQ(qm_session_feed(session, tokens, 1, 1), QM_OK);
  EXPECT_EQ(qm_session_logits(session)[4], 20000);
  weights[4] = 1;
  ASSERT_EQ(qm_session_feed(session, tokens + 1, 1, 1), QM_OK);
  EXPECT_EQ(qm_session_logits(session)[4], 5 + 1);
  qm_session_free(session);
}

TEST(Model, refusesWeightsInMemoryThatAreNoneOrOutOfLine) {
  alignas(64) char weights[128] = {};
  qm_model *model = nullptr;
  for (auto [data, bytes] : {std::pair<char *, int64_t>(nullptr, 64),
                             {weights + 1, 64},
                             {weights, -1}}) {
    EXPECT_EQ(qm_model_open_memory(&fake::languageModel(), data, bytes, &model),
              QM_INVALID);
    EXPECT_THAT(qm_last_error(), HasSubstr("not in memory aligned to 64"));
  }
  EXPECT_EQ(qm_model_open_memory(nullptr, weights, 64, &model), QM_INVALID);
  EXPECT_EQ(qm_model_open_memory(&fake::languageModel(), weights, 64, nullptr),
            QM_INVALID);
  EXPECT_EQ(model, nullptr);
}

TEST(Model, refusesMissingFile) {
  expectRefused(&fake::languageModel(), "/no/such/file", QM_BAD_FILE,
                "/no/such/file: No such file");
  expectRefused(&fake::languageModel(), nullptr, QM_INVALID,
                "model fake needs its weights file");
}

TEST(Model, refusesFolder) {
  expectRefused(&fake::languageModel(), "/", QM_BAD_FILE,
                "/: not a regular file");
}

TEST(Model, refusesEveryTruncation) {
  std::string bytes = fake::weightsFile();
  for (size_t length = 0; length < bytes.size(); ++length) {
    fake::TemporaryFile file(bytes.substr(0, length));
    expectRefused(&fake::languageModel(), file.path(), QM_BAD_FILE,
                  "has " + std::to_string(length) + " bytes");
  }
}

TEST(Model, refusesOtherHeader) {
  std::string bytes = fake::weightsFile();
  bytes[10] = 'x'; // the tensor's name
  fake::TemporaryFile file(bytes);
  expectRefused(&fake::languageModel(), file.path(), QM_BAD_FILE,
                "not the weights that model fake was compiled with");
}

TEST(Model, refusesHeaderBeyondFile) {
  for (size_t byte : {0, 7}) {
    std::string bytes = fake::weightsFile();
    bytes[byte] = '\xff';
    fake::TemporaryFile file(bytes);
    expectRefused(&fake::languageModel(), file.path(), QM_BAD_FILE,
                  "not a safetensors file");
  }
}

TEST(Model, refusesFileTooSmallForLength) {
  fake::TemporaryFile file("1234");
  qm_descriptor model = fake::languageModel();
  model.weights_bytes = 4;
  expectRefused(&model, file.path(), QM_BAD_FILE, "not a safetensors file");
}

TEST(Model, refusesOtherVersion) {
  qm_descriptor model = fake::languageModel();
  model.abi_version = QM_ABI_VERSION + 1;
  expectRefused(&model, nullptr, QM_BAD_MODEL, "compile it again");
}

TEST(Model, refusesNothing) {
  expectRefused(nullptr, nullptr, QM_INVALID, "no model descriptor");
  EXPECT_EQ(qm_model_open(&fake::graph(), nullptr, nullptr), QM_INVALID);
}

/// A language model with one argument of `forward` changed.
class Signature : public testing::Test {
protected:
  Signature()
      : model(fake::languageModel()), function(model.functions[0]),
        args(function.args, function.args + function.num_args) {
    function.args = args.data();
    model.functions = &function;
  }

  qm_descriptor model;
  qm_function function;
  std::vector<qm_arg> args;
};

TEST_F(Signature, refusesUnknownKind) {
  args[0].kind = 99;
  expectRefused(&model, nullptr, QM_BAD_MODEL, "argument 0 of forward");
}

TEST_F(Signature, refusesUnknownType) {
  args[9].dtype = 99;
  expectRefused(&model, nullptr, QM_BAD_MODEL, "argument 9 of forward");
}

TEST_F(Signature, refusesHighRank) {
  args[0].rank = QM_MAX_RANK + 1;
  expectRefused(&model, nullptr, QM_BAD_MODEL, "argument 0 of forward");
}

TEST_F(Signature, refusesArgumentWithoutName) {
  args[2].name = nullptr;
  expectRefused(&model, nullptr, QM_BAD_MODEL, "argument 2 of forward");
}

TEST_F(Signature, refusesCacheWithoutPositions) {
  const int64_t dims[] = {1, 2, 1, 64, 1};
  args[3].dims = dims;
  expectRefused(&model, nullptr, QM_BAD_MODEL, "is not a cache");
}

TEST_F(Signature, refusesOtherTokens) {
  args[0].dtype = QM_I64;
  expectRefused(&model, nullptr, QM_BAD_MODEL, "causal-lm needs the function");
}

TEST_F(Signature, refusesOtherVocabulary) {
  const int64_t dims[] = {-1, fake::vocab + 1};
  args[9].dims = dims;
  expectRefused(&model, nullptr, QM_BAD_MODEL, "causal-lm needs the function");
}

TEST_F(Signature, refusesOtherFunction) {
  function.name = "backward";
  expectRefused(&model, nullptr, QM_BAD_MODEL, "causal-lm needs the function");
}

TEST_F(Signature, refusesFunctionWithoutCode) {
  function.entry = nullptr;
  expectRefused(&model, nullptr, QM_BAD_MODEL, "function 0 has no code");
}

} // namespace
