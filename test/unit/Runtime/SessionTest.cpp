// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "FakeModel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

using testing::HasSubstr;

namespace {

/// OpenMP or an application's own pool would do this with threads it keeps.
void onFreshThreads(void *context, qm_task task, void *argument,
                    int64_t count) {
  std::vector<std::thread> threads;
  for (int64_t i = 0; i < count; ++i)
    threads.emplace_back(task, argument, i);
  for (std::thread &thread : threads)
    thread.join();
  ++*static_cast<int *>(context);
}

/// Each test runs with these numbers of threads; negative: with an executor.
class Session : public testing::TestWithParam<int> {
protected:
  Session() : file(fake::weightsFile()) {
    EXPECT_EQ(qm_model_open(&fake::languageModel(), file.path(), &model),
              QM_OK);
    session = create(0);
    // 0 1 2 3 4 4 3 ...: not the same in any two batches.
    for (int i = 0; i < fake::context; ++i)
      tokens.push_back((i + i / 5) % 5);
  }
  ~Session() override {
    qm_session_free(session);
    qm_model_free(model);
  }

  qm_session *create(int64_t context) {
    qm_session_options options = {};
    options.context = context;
    options.threads = std::abs(GetParam());
    if (GetParam() < 0) {
      options.executor = onFreshThreads;
      options.executor_context = &executions;
    }
    qm_session *created = nullptr;
    EXPECT_EQ(qm_session_create(model, &options, &created), QM_OK)
        << qm_last_error();
    return created;
  }

  /// Feeds tokens[position, position + n) and compares the logits that are
  /// kept.
  void feed(qm_session *to, int64_t n, int64_t outputs) {
    int64_t position = qm_session_position(to);
    ASSERT_EQ(qm_session_feed(to, tokens.data() + position, n, outputs), QM_OK)
        << qm_last_error();
    ASSERT_EQ(qm_session_position(to), position + n);
    const float *logits = qm_session_logits(to);
    ASSERT_EQ(logits == nullptr, outputs == 0);
    for (int64_t o = 0; o < outputs; ++o) {
      std::vector<float> row(logits + o * fake::vocab,
                             logits + (o + 1) * fake::vocab);
      EXPECT_EQ(row, fake::expectedLogits(tokens, position + n - outputs + o))
          << "output " << o << " of " << outputs << " after " << n
          << " tokens from " << position;
    }
  }

  fake::TemporaryFile file;
  qm_model *model = nullptr;
  qm_session *session = nullptr;
  int executions = 0;
  std::vector<int32_t> tokens;
};

INSTANTIATE_TEST_SUITE_P(Threads, Session, testing::Values(1, 2, 4, 7, -1, -3));

TEST_P(Session, decodes) {
  for (int i = 0; i < fake::context; ++i)
    feed(session, 1, 1);
  EXPECT_EQ(executions, GetParam() < 0 ? fake::context : 0);
}

// Batches are of 4: below, at, above, a multiple, all of the context.
TEST_P(Session, feedsInPieces) {
  for (int64_t n : {1, 3, 4, 5, 8, 9, 100})
    for (int64_t outputs : {int64_t(0), int64_t(1), std::min<int64_t>(n, 4),
                            std::min<int64_t>(n, 6), n}) {
      ASSERT_EQ(qm_session_rewind(session, 0), QM_OK);
      feed(session, n, outputs);
    }
}

TEST_P(Session, continuesAfterPieces) {
  feed(session, 9, 2);
  feed(session, 1, 1);
  feed(session, 4, 0);
  feed(session, 6, 6);
}

TEST_P(Session, rewinds) {
  feed(session, 10, 1);
  ASSERT_EQ(qm_session_rewind(session, 3), QM_OK);
  EXPECT_EQ(qm_session_position(session), 3);
  // Another continuation: what was there before must not be seen.
  for (size_t i = 3; i < tokens.size(); ++i)
    tokens[i] = 4 - tokens[i];
  feed(session, 7, 7);
  EXPECT_EQ(qm_session_rewind(session, 11), QM_INVALID);
  EXPECT_THAT(qm_last_error(), HasSubstr("position 11"));
  EXPECT_EQ(qm_session_rewind(session, -1), QM_INVALID);
  EXPECT_EQ(qm_session_position(session), 10);
}

TEST_P(Session, sessionsAreIndependent) {
  qm_session *other = create(8);
  feed(session, 5, 1);
  feed(other, 2, 1);
  feed(session, 5, 1);
  feed(other, 6, 6);
  qm_session_free(other);
}

TEST_P(Session, outlivesModel) {
  qm_model_free(model);
  model = nullptr;
  feed(session, 5, 5);
}

TEST_P(Session, keepsToItsContext) {
  qm_session *small = create(6);
  EXPECT_EQ(qm_session_context(small), 6);
  EXPECT_EQ(qm_session_feed(small, tokens.data(), 7, 1), QM_INVALID);
  EXPECT_THAT(qm_last_error(), HasSubstr("7 tokens do not fit"));
  feed(small, 5, 1);
  EXPECT_EQ(qm_session_feed(small, tokens.data(), 2, 1), QM_INVALID);
  EXPECT_EQ(qm_session_position(small), 5);
  feed(small, 1, 1);
  EXPECT_EQ(qm_session_feed(small, tokens.data(), 1, 1), QM_INVALID);
  qm_session_free(small);
}

TEST_P(Session, refusesBadCalls) {
  feed(session, 2, 1);
  const float *logits = qm_session_logits(session);
  auto refused = [&](std::vector<int32_t> ids, int64_t outputs,
                     const char *reason) {
    EXPECT_EQ(qm_session_feed(session, ids.data(), ids.size(), outputs),
              QM_INVALID);
    EXPECT_THAT(qm_last_error(), HasSubstr(reason));
  };
  refused({0, 5}, 1, "token 1 is 5, outside the vocabulary of 5");
  refused({-1}, 1, "token 0 is -1");
  refused({}, 0, "no tokens");
  refused({1, 2}, 3, "logits of 3 of 2 tokens");
  refused({1, 2}, -1, "logits of -1 of 2 tokens");
  EXPECT_EQ(qm_session_feed(session, nullptr, 1, 1), QM_INVALID);
  EXPECT_EQ(qm_session_run(session, "forward", nullptr, 0, nullptr, 0),
            QM_INVALID);
  EXPECT_THAT(qm_last_error(), HasSubstr("use qm_session_feed"));
  // As if nothing had happened.
  EXPECT_EQ(qm_session_logits(session), logits);
  EXPECT_EQ(qm_session_position(session), 2);
  feed(session, 3, 3);
}

TEST(SessionOptions, refusesNonsense) {
  fake::TemporaryFile file(fake::weightsFile());
  qm_model *model = nullptr;
  ASSERT_EQ(qm_model_open(&fake::languageModel(), file.path(), &model), QM_OK);
  auto refused = [&](int64_t context, int64_t threads, const char *reason) {
    qm_session_options options = {context, threads, nullptr, nullptr};
    qm_session *session = nullptr;
    EXPECT_EQ(qm_session_create(model, &options, &session), QM_INVALID);
    EXPECT_EQ(session, nullptr);
    EXPECT_THAT(qm_last_error(), HasSubstr(reason));
  };
  refused(fake::context + 1, 1, "model fake has at most 100");
  refused(-1, 1, "a context of -1 tokens");
  refused(INT64_MAX, 1, "a context of 9223372036854775807 tokens");
  refused(0, -1, "-1 threads");
  refused(0, 1 << 20, "1048576 threads");
  EXPECT_EQ(qm_session_create(nullptr, nullptr, nullptr), QM_INVALID);
  qm_model_free(model);
}

TEST(SessionOptions, haveDefaults) {
  fake::TemporaryFile file(fake::weightsFile());
  qm_model *model = nullptr;
  ASSERT_EQ(qm_model_open(&fake::languageModel(), file.path(), &model), QM_OK);
  qm_session *session = nullptr;
  ASSERT_EQ(qm_session_create(model, nullptr, &session), QM_OK);
  EXPECT_EQ(qm_session_context(session), fake::context);
  EXPECT_EQ(qm_session_position(session), 0);
  EXPECT_EQ(qm_session_logits(session), nullptr);
  qm_session_free(session);
  qm_session_free(nullptr);
  qm_model_free(model);
}

// More memory than any machine has must be an error, not a crash.
TEST(SessionOptions, refusesCacheThatNothingCanHold) {
  qm_descriptor model = fake::languageModel();
  qm_function function = model.functions[0];
  std::vector<qm_arg> args(function.args, function.args + function.num_args);
  const int64_t dims[] = {1 << 20, 2, 1 << 20, -1, 1 << 20};
  args[3].dims = dims;
  function.args = args.data();
  model.functions = &function;
  fake::TemporaryFile file(fake::weightsFile());
  qm_model *opened = nullptr;
  ASSERT_EQ(qm_model_open(&model, file.path(), &opened), QM_OK);
  qm_session *session = nullptr;
  EXPECT_EQ(qm_session_create(opened, nullptr, &session), QM_NO_MEMORY);
  EXPECT_THAT(qm_last_error(), HasSubstr("no memory for a cache"));
  qm_model_free(opened);
}

TEST(Errors, belongToTheThread) {
  EXPECT_EQ(qm_model_open(nullptr, nullptr, nullptr), QM_INVALID);
  std::string here = qm_last_error();
  std::string there = "?";
  std::thread([&] { there = qm_last_error(); }).join();
  EXPECT_NE(here, "");
  EXPECT_EQ(there, "");
}

} // namespace
