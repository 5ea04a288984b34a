// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "FakeModel.h"

#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using testing::StrEq;

namespace {

/// A feature that no CPU has.
constexpr uint64_t never = uint64_t(1) << 63;

const qm_version threeVersions[] = {{"future", never}, {"new", 0}, {"old", 0}};
const qm_versions three = {"demo", 3, threeVersions};
const qm_version noVersions[] = {{"future", never}, {"later", never}};
const qm_versions none = {"demo", 2, noVersions};

/// QM_TARGET while it exists.
struct Target {
  explicit Target(const char *name) { setenv("QM_TARGET", name, 1); }
  ~Target() { unsetenv("QM_TARGET"); }
};

TEST(Versions, choosesTheFirstThatRuns) {
  EXPECT_EQ(qm_choose_version(&three), 1);
}

TEST(Versions, choosesWhatTheEnvironmentNames) {
  Target old("old");
  EXPECT_EQ(qm_choose_version(&three), 2);
}

TEST(Versions, takesNoEmptyName) {
  Target empty("");
  EXPECT_EQ(qm_choose_version(&three), 1);
}

TEST(Versions, refusesAnotherCPU) {
  EXPECT_EQ(qm_choose_version(&none), -1);
  EXPECT_THAT(qm_last_error(), StrEq("demo: compiled for future, later, which "
                                     "this CPU cannot run"));
}

TEST(Versions, refusesToForceWhatCannotRun) {
  Target future("future");
  EXPECT_EQ(qm_choose_version(&three), -1);
  EXPECT_THAT(qm_last_error(),
              StrEq("QM_TARGET=future: this CPU cannot run it"));
}

TEST(Versions, refusesUnknownNames) {
  Target other("other");
  EXPECT_EQ(qm_choose_version(&three), -1);
  EXPECT_THAT(qm_last_error(),
              StrEq("QM_TARGET=other: demo is compiled for future, new, old"));
}

// Where there is no choice, the variable is for other objects of the process.
TEST(Versions, ignoreTheEnvironmentAlone) {
  const qm_versions one = {"demo", 1, threeVersions + 1};
  Target other("other");
  EXPECT_EQ(qm_choose_version(&one), 0);
}

TEST(Versions, cutLongLists) {
  std::string name(100, 'x');
  const qm_version version = {name.c_str(), never};
  const std::vector<qm_version> list(5, version);
  const qm_versions many = {"demo", 5, list.data()};
  EXPECT_EQ(qm_choose_version(&many), -1);
}

TEST(Versions, ofAModelAreCheckedWhenItIsOpened) {
  qm_descriptor descriptor = fake::graph();
  qm_model *model = nullptr;
  descriptor.versions = &none;
  EXPECT_EQ(qm_model_open(&descriptor, nullptr, &model), QM_BAD_CPU);
  EXPECT_EQ(model, nullptr);
  descriptor.versions = &three;
  ASSERT_EQ(qm_model_open(&descriptor, nullptr, &model), QM_OK);
  EXPECT_THAT(qm_model_target(model), StrEq("new"));
  qm_model_free(model);
}

} // namespace
