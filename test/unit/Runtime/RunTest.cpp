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
