// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "FakeModel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using testing::ElementsAre;
using testing::HasSubstr;

namespace {

class Run : public testing::TestWithParam<int64_t> {
protected:
  Run() {
    EXPECT_EQ(qm_model_open(&fake::graph(), nullptr, &model), QM_OK);
    qm_session_options options = {};
    options.threads = GetParam();
    EXPECT_EQ(qm_session_create(model, &options, &session), QM_OK);
  }
  ~Run() override {
    qm_session_free(session);
    qm_model_free(model);
  }

  /// outer(x, y) must be refused with this reason.
  void refused(const qm_tensor &x, const qm_tensor &y, const char *reason) {
    const qm_tensor inputs[] = {x, y};
    qm_tensor results[2];
    EXPECT_EQ(qm_session_run(session, "outer", inputs, 2, results, 2),
              QM_INVALID);
    EXPECT_THAT(qm_last_error(), HasSubstr(reason));
  }

  qm_model *model = nullptr;
  qm_session *session = nullptr;
  float xs[5] = {1, 2, 4, 8, 16}, ys[3] = {1, 3, 5};
  qm_tensor x = {xs, QM_F32, 1, {2}}, y = {ys, QM_F32, 1, {3}};
};

INSTANTIATE_TEST_SUITE_P(Threads, Run, testing::Values(1, 2, 4));

TEST_P(Run, callsFirstFunction) {
  const qm_tensor inputs[] = {x, y};
  qm_tensor results[2];
  ASSERT_EQ(qm_session_run(session, nullptr, inputs, 2, results, 2), QM_OK)
      << qm_last_error();
  ASSERT_EQ(results[0].rank, 2);
  EXPECT_EQ(results[0].dtype, QM_F32);
  EXPECT_EQ(results[0].dims[0], 2);
  EXPECT_EQ(results[0].dims[1], 3);
  auto *product = static_cast<const float *>(results[0].data);
  EXPECT_THAT(std::vector<float>(product, product + 6),
              ElementsAre(1, 3, 5, 2, 6, 10));
  EXPECT_EQ(results[1].dtype, QM_INDEX);
  EXPECT_EQ(results[1].rank, 0);
  EXPECT_EQ(*static_cast<const int64_t *>(results[1].data), 2);
}

TEST_P(Run, callsByName) {
  int64_t tokens[] = {4, 0, 3};
  qm_tensor input = {tokens, QM_I64, 2, {1, 3}}, result;
  ASSERT_EQ(qm_session_run(session, "ids", &input, 1, &result, 1), QM_OK)
      << qm_last_error();
  auto *doubled = static_cast<const int64_t *>(result.data);
  EXPECT_THAT(std::vector<int64_t>(doubled, doubled + 3), ElementsAre(8, 0, 6));
}

// Whatever the strides, and wherever it lies, the caller sees rows in memory
// that is not its own.
TEST_P(Run, givesContiguousResults) {
  x.dims[0] = 3;
  qm_tensor results[5];
  ASSERT_EQ(qm_session_run(session, "views", &x, 1, results, 5), QM_OK)
      << qm_last_error();
  auto values = [&](int result, size_t count) {
    auto *data = static_cast<const float *>(results[result].data);
    return std::vector<float>(data, data + count);
  };
  EXPECT_EQ(results[0].dims[0], 3);
  EXPECT_EQ(results[0].dims[1], 3);
  xs[0] = 77; // an input: what came of it must not change
  EXPECT_THAT(values(0, 9), ElementsAre(1, 2, 4, 101, 102, 104, 201, 202, 204));
  EXPECT_THAT(values(1, 3), ElementsAre(101, 102, 104));
  EXPECT_THAT(values(2, 3), ElementsAre(1, 2, 4));
  EXPECT_EQ(results[3].dims[0], 2);
  EXPECT_THAT(values(3, 2), ElementsAre(2, 102));
  EXPECT_EQ(results[4].rank, 0);
  EXPECT_THAT(values(4, 1), ElementsAre(3 * 7 + 3 * 300));
}

// A copy is given back only after the call that replaces it, so that it may be
// the input of that call.
TEST_P(Run, takesItsOwnCopies) {
  qm_tensor results[5], input = x;
  for (int call = 0; call < 3; ++call) {
    ASSERT_EQ(qm_session_run(session, "views", &input, 1, results, 5), QM_OK)
        << qm_last_error();
    input = results[2];
  }
  auto *same = static_cast<const float *>(input.data);
  EXPECT_THAT(std::vector<float>(same, same + 2), ElementsAre(1, 2));
}

TEST_P(Run, refusesOtherShapes) {
  x.dims[0] = 5;
  refused(x, y, "dimension 0 of input x must be from 1 to 4, not 5");
  x.dims[0] = 0;
  refused(x, y, "dimension 0 of input x must be from 1 to 4, not 0");
  x.dims[0] = -7;
  refused(x, y, "dimension 0 of input x must be from 1 to 4, not -7");
  x.dims[0] = 2;
  y.dims[0] = 2;
  refused(x, y, "dimension 0 of input y must be 3, not 2");
}

TEST_P(Run, refusesOtherTypes) {
  x.dtype = QM_I32;
  refused(x, y, "input x must be f32 of rank 1, not i32 of rank 1");
  x.dtype = static_cast<qm_dtype>(77);
  refused(x, y, "not unknown type of rank 1");
  x.dtype = QM_F32;
  x.rank = 2;
  refused(x, y, "not f32 of rank 2");
}

TEST_P(Run, refusesBadData) {
  x.data = nullptr;
  refused(x, y, "input x has no data");
  x.data = reinterpret_cast<char *>(xs) + 1;
  refused(x, y, "not aligned");
}

TEST_P(Run, refusesOtherCounts) {
  EXPECT_EQ(qm_session_run(session, "outer", &x, 1, nullptr, 0), QM_INVALID);
  EXPECT_THAT(qm_last_error(),
              HasSubstr("2 inputs and 2 results, not 1 and 0"));
}

TEST_P(Run, refusesNothing) {
  EXPECT_EQ(qm_session_run(nullptr, "outer", &x, 1, &x, 1), QM_INVALID);
  EXPECT_EQ(qm_session_run(session, "views", nullptr, 1, &x, 5), QM_INVALID);
  EXPECT_EQ(qm_session_run(session, "views", &x, 1, nullptr, 5), QM_INVALID);
  EXPECT_THAT(qm_last_error(), HasSubstr("no place of tensors"));
}

TEST_P(Run, refusesUnknownFunction) {
  EXPECT_EQ(qm_session_run(session, "inner", &x, 1, nullptr, 0), QM_INVALID);
  EXPECT_THAT(qm_last_error(), HasSubstr("has no function inner"));
}

TEST_P(Run, refusesIdsOutsideVocabulary) {
  for (int64_t id : {int64_t(-1), int64_t(5), INT64_MAX}) {
    int64_t tokens[] = {4, id};
    qm_tensor input = {tokens, QM_I64, 2, {1, 2}}, result;
    EXPECT_EQ(qm_session_run(session, "ids", &input, 1, &result, 1),
              QM_INVALID);
    EXPECT_THAT(qm_last_error(),
                HasSubstr("has " + std::to_string(id) + " at 1"));
  }
}

TEST_P(Run, refusesResultThatIsNotAsPromised) {
  qm_tensor result;
  EXPECT_EQ(qm_session_run(session, "broken", nullptr, 0, &result, 1),
            QM_BAD_MODEL);
  EXPECT_THAT(qm_last_error(), HasSubstr("result result"));
}

TEST_P(Run, refusesToFeed) {
  int32_t token = 1;
  EXPECT_EQ(qm_session_feed(session, &token, 1, 1), QM_INVALID);
  EXPECT_THAT(qm_last_error(), HasSubstr("use qm_session_run"));
}

} // namespace
