// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "quant-mlir/Runtime/quant_runtime.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <numeric>
#include <random>
#include <thread>

using testing::ElementsAre;
using testing::HasSubstr;

namespace {

// More than two blocks of the search for each of seven threads, and no
// multiple.
constexpr int64_t vocab = 1001, rows = 3;

struct MemRef2 {
  float *allocated, *aligned;
  int64_t offset, sizes[2], strides[2];
};

/// The logits of the last tokens are the first rows of the weights.
void forward(void **args) {
  auto *weights = static_cast<MemRef2 *>(args[4])->aligned;
  int64_t outputs = *static_cast<int64_t *>(args[2]);
  *static_cast<MemRef2 *>(args[5]) = {
      weights, weights, 0, {outputs, vocab}, {vocab, 1}};
}

const int64_t dynamic[] = {-1}, cacheDims[] = {1, 2, 1, -1, 1};
const int64_t logitsDims[] = {-1, vocab};
const qm_arg forwardArgs[] = {
    {QM_ARG_INPUT, QM_I32, 1, dynamic, "tokens"},
    {QM_ARG_INPUT, QM_INDEX, 0, nullptr, "position"},
    {QM_ARG_INPUT, QM_INDEX, 0, nullptr, "outputs"},
    {QM_ARG_CACHE, QM_F32, 5, cacheDims, "cache"},
    {QM_ARG_WEIGHTS, QM_I8, 1, dynamic, "weights"},
    {QM_ARG_RESULT, QM_F32, 2, logitsDims, "logits"},
};
const qm_function functions[] = {{"forward", forward, 6, forwardArgs, 0}};

void onFreshThreads(void *, qm_task task, void *argument, int64_t count) {
  std::vector<std::thread> threads;
  for (int64_t i = 0; i < count; ++i)
    threads.emplace_back(task, argument, i);
  for (std::thread &thread : threads)
    thread.join();
}

/// Each test runs with these numbers of threads; negative: with an executor.
class Top : public testing::TestWithParam<int> {
protected:
  Top() {
    descriptor.abi_version = QM_ABI_VERSION;
    descriptor.name = "top";
    descriptor.task = "causal-lm";
    descriptor.weights_bytes = sizeof logits;
    descriptor.vocab_size = vocab;
    descriptor.context_length = 100;
    descriptor.batch_tokens = rows;
    descriptor.num_functions = 1;
    descriptor.functions = functions;
    std::fill(std::begin(logits), std::end(logits), 0.0f);
    EXPECT_EQ(qm_model_open_memory(&descriptor, logits, sizeof logits, &model),
              QM_OK)
        << qm_last_error();
    qm_session_options options = {};
    options.threads = std::abs(GetParam());
    options.executor = GetParam() < 0 ? onFreshThreads : nullptr;
    EXPECT_EQ(qm_session_create(model, &options, &session), QM_OK);
  }
  ~Top() override {
    qm_session_free(session);
    qm_model_free(model);
  }

  void feed(int64_t outputs) {
    const int32_t tokens[rows] = {};
    ASSERT_EQ(qm_session_feed(session, tokens, rows, outputs), QM_OK)
        << qm_last_error();
  }

  /// The logits are row `row`.
  std::vector<int32_t> top(int64_t k, int64_t row = 0) {
    std::vector<int32_t> ids(k);
    std::vector<float> values(k);
    EXPECT_EQ(qm_session_top(session, k, ids.data(), values.data()), QM_OK)
        << qm_last_error();
    for (int64_t i = 0; i < k; ++i)
      EXPECT_EQ(std::memcmp(&values[i], &logits[row * vocab + ids[i]], 4), 0);
    return ids;
  }

  alignas(64) float logits[rows * vocab];
  qm_descriptor descriptor = {};
  qm_model *model = nullptr;
  qm_session *session = nullptr;
};

INSTANTIATE_TEST_SUITE_P(Threads, Top, testing::Values(1, 2, 3, 7, -2));

// Values from a few, so that most are tied: a stable sort leaves those in
// order.
TEST_P(Top, isAStableSort) {
  std::mt19937 random(1);
  for (int distinct : {2, 20, 100000}) {
    std::generate(std::begin(logits), std::end(logits), [&] {
      return float(int(random() % distinct)) - float(distinct / 2);
    });
    // The last row counts, be there one or several.
    for (int64_t outputs = 1; outputs <= rows; ++outputs) {
      feed(outputs);
      const float *row = logits + (outputs - 1) * vocab;
      std::vector<int32_t> sorted(vocab);
      std::iota(sorted.begin(), sorted.end(), 0);
      std::stable_sort(sorted.begin(), sorted.end(),
                       [&](int32_t a, int32_t b) { return row[a] > row[b]; });
      for (int64_t k : {int64_t(1), int64_t(2), int64_t(40), int64_t(300),
                        vocab - 1, vocab})
        EXPECT_EQ(top(k, outputs - 1),
                  std::vector<int32_t>(sorted.begin(), sorted.begin() + k))
            << k << " of " << distinct << " values";
    }
  }
}

TEST_P(Top, takesLateOnes) {
  logits[vocab - 1] = 1;
  logits[vocab - 2] = 2;
  logits[500] = 1;
  feed(1);
  EXPECT_THAT(top(4), ElementsAre(vocab - 2, 500, vocab - 1, 0));
}

TEST_P(Top, ordersAllFloats) {
  float infinity = std::numeric_limits<float>::infinity();
  std::fill(std::begin(logits), std::end(logits), std::nanf(""));
  logits[0] = -std::nanf("");
  logits[5] = -infinity;
  logits[6] = std::numeric_limits<float>::denorm_min();
  logits[7] = -0.0f;
  logits[8] = 0.0f;
  logits[9] = -logits[6];
  logits[990] = std::numeric_limits<float>::lowest();
  logits[991] = infinity;
  feed(1);
  EXPECT_THAT(top(10), ElementsAre(991, 6, 7, 8, 9, 990, 5, 0, 1, 2));
}

TEST_P(Top, refusesBadCalls) {
  int32_t id = -1;
  auto refused = [&](int64_t k, const char *reason) {
    EXPECT_EQ(qm_session_top(session, k, &id, nullptr), QM_INVALID);
    EXPECT_THAT(qm_last_error(), HasSubstr(reason));
    EXPECT_EQ(id, -1);
  };
  refused(1, "no logits");
  feed(0);
  refused(1, "no logits");
  feed(2);
  refused(0, "1 to 1001");
  refused(vocab + 1, "1 to 1001");
  EXPECT_EQ(qm_session_top(nullptr, 1, &id, nullptr), QM_INVALID);
  EXPECT_EQ(qm_session_top(session, 1, nullptr, nullptr), QM_INVALID);
  // Logits alone may be left out.
  EXPECT_EQ(qm_session_top(session, 1, &id, nullptr), QM_OK);
  EXPECT_EQ(id, 0);
}

} // namespace
