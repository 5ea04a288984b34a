// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Barriers and pools through a function that does nothing else.

#include "FakeModel.h"

#include <gtest/gtest.h>
#include <thread>

namespace {

constexpr int rounds = 500;

// Every thread writes its own cell, then reads all cells of the round before: a
// barrier that lets one thread through early shows as a wrong sum, and under a
// thread sanitizer as a race.
void countRounds(void **args) {
  int64_t id = *static_cast<int64_t *>(args[0]);
  int64_t threads = *static_cast<int64_t *>(args[1]);
  auto *cells = static_cast<int64_t **>(args[3])[1]; // memref: aligned
  int64_t wrong = 0;
  for (int round = 1; round <= rounds; ++round) {
    cells[id] = round;
    qm_barrier(args[2], threads);
    for (int64_t i = 0; i < threads; ++i)
      wrong += cells[i] != round;
    qm_barrier(args[2], threads);
  }
  cells[threads + id] = wrong;
  qm_barrier(args[2], threads);
  wrong = 0;
  for (int64_t i = 0; i < threads; ++i)
    wrong += cells[threads + i];
  *static_cast<int64_t *>(args[4]) = wrong;
}

const int64_t bytesDims[] = {-1};
const qm_arg args[] = {
    {QM_ARG_THREAD_ID, QM_INDEX, 0, nullptr, "thread"},
    {QM_ARG_THREAD_COUNT, QM_INDEX, 0, nullptr, "threads"},
    {QM_ARG_BARRIER, QM_INDEX, 0, nullptr, "barrier"},
    {QM_ARG_WORKSPACE, QM_I8, 1, bytesDims, "cells"},
    {QM_ARG_RESULT, QM_INDEX, 0, nullptr, "wrong"},
};
const qm_function function = {"rounds", countRounds, 5, args, 4096};
const qm_descriptor descriptor = {
    QM_ABI_VERSION, "barriers", "graph", 0, 0, 0, 0, 0, 0, 1,
    &function,      nullptr};

/// Sums that were wrong in one call of countRounds.
int64_t run(qm_session *session) {
  qm_tensor result;
  EXPECT_EQ(qm_session_run(session, nullptr, nullptr, 0, &result, 1), QM_OK)
      << qm_last_error();
  return *static_cast<const int64_t *>(result.data);
}

class Threads : public testing::TestWithParam<int64_t> {
protected:
  Threads() {
    EXPECT_EQ(qm_model_open(&descriptor, nullptr, &model), QM_OK);
    options.threads = GetParam();
    EXPECT_EQ(qm_session_create(model, &options, &session), QM_OK);
  }
  ~Threads() override {
    qm_session_free(session);
    qm_model_free(model);
  }

  qm_model *model = nullptr;
  qm_session_options options = {};
  qm_session *session = nullptr;
};

// 5: more than many machines have; it must be slow at worst, not stuck.
INSTANTIATE_TEST_SUITE_P(Threads, Threads, testing::Values(1, 2, 4, 5));

TEST_P(Threads, barriersHold) {
  for (int call = 0; call < 4; ++call)
    EXPECT_EQ(run(session), 0);
}

TEST_P(Threads, sleepersWakeUp) {
  for (int call = 0; call < 5; ++call) {
    // Long enough for the workers to have gone to sleep.
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(run(session), 0);
  }
}

TEST_P(Threads, unusedPoolEnds) {
  for (int i = 0; i < 20; ++i) {
    qm_session *unused = nullptr;
    ASSERT_EQ(qm_session_create(model, &options, &unused), QM_OK);
    qm_session_free(unused);
  }
}

TEST_P(Threads, sessionsRunAtTheSameTime) {
  auto work = [&](int64_t *wrong) {
    qm_session *own = nullptr;
    ASSERT_EQ(qm_session_create(model, &options, &own), QM_OK);
    for (int call = 0; call < 3; ++call)
      *wrong += run(own);
    qm_session_free(own);
  };
  int64_t first = 0, second = 0;
  std::thread one(work, &first), two(work, &second);
  one.join();
  two.join();
  EXPECT_EQ(first + second, 0);
}

} // namespace
