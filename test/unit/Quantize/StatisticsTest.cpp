// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Quantize/Statistics.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Path.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace quantmlir;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

std::string messageOf(llvm::Error error) {
  return llvm::toString(std::move(error));
}

/// What a run over `rows` of two channels gives.
ActivationStatistics statisticsOf(std::vector<std::array<float, 2>> rows) {
  ActivationStatistics s;
  s.site = "q";
  s.readers = {"q", "k"};
  s.tokens = rows.size();
  s.min = {INFINITY, INFINITY};
  s.max = {-INFINITY, -INFINITY};
  s.mean = {0, 0};
  s.meanAbs = {0, 0};
  s.hessian = {0, 0, 0, 0};
  s.histogram.resize(histogramBins);
  for (auto row : rows)
    for (int i = 0; i < 2; ++i) {
      s.min[i] = std::min(s.min[i], row[i]);
      s.max[i] = std::max(s.max[i], row[i]);
      s.mean[i] += row[i] / rows.size();
      s.meanAbs[i] += std::fabs(row[i]) / rows.size();
      s.histogram[histogramBin(row[i])] += 1;
      for (int j = 0; j < 2; ++j)
        s.hessian[i * 2 + j] += row[i] * row[j] / rows.size();
    }
  return s;
}

class StatisticsTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("statistics", folder));
  }
  void TearDown() override { llvm::sys::fs::remove_directories(folder); }

  std::string path(llvm::StringRef name) {
    llvm::SmallString<128> result(folder);
    llvm::sys::path::append(result, name);
    return result.str().str();
  }

  llvm::Error write(llvm::StringRef name, const ActivationStatistics &s,
                    std::string model = "m", StatisticsContent content = {}) {
    std::vector<SiteInfo> sites = {
        {s.site, s.readers, int64_t(s.min.empty() ? 2 : s.min.size())}};
    auto writer = StatisticsWriter::create(path(name), sites, content,
                                           {model, name.str()});
    if (!writer)
      return writer.takeError();
    if (llvm::Error error = (*writer)->append(s))
      return error;
    return (*writer)->finish();
  }

  llvm::SmallString<128> folder;
};

} // namespace

TEST(Histogram, BinsAreExponentAndFiveBitsOfMantissa) {
  EXPECT_EQ(histogramBin(0.0f), 0);
  EXPECT_EQ(histogramBin(1e-30f), 0);
  EXPECT_EQ(histogramBin(1.0f), 40 * 32);
  EXPECT_EQ(histogramBin(-1.0f), 40 * 32);
  EXPECT_EQ(histogramBin(std::nextafter(2.0f, 0.0f)), 41 * 32 - 1);
  EXPECT_EQ(histogramBin(3.0f), 41 * 32 + 16);
  EXPECT_EQ(histogramBin(1e30f), histogramBins - 1);
  for (int64_t bin = 1; bin < histogramBins; ++bin) {
    float edge = float(histogramEdge(bin));
    EXPECT_EQ(histogramBin(edge), bin);
    EXPECT_EQ(histogramBin(std::nextafter(edge, 0.0f)), bin - 1);
  }
}

TEST(ActivationStatistics, Helpers) {
  ActivationStatistics s =
      statisticsOf({{1, -8}, {0.5, 1}, {-2, 2}, {0.25, 4}});
  EXPECT_EQ(s.absMax(0), 2);
  EXPECT_EQ(s.absMax(1), 8);
  EXPECT_EQ(s.absMax(), 8);
  // The squares are 1, 0.25, 4 and 0.0625, 64, 1, 4 and 16.
  EXPECT_FLOAT_EQ(s.crest(), 8 / std::sqrt(90.3125 / 8));
  s.min = s.max = {0, 0};
  s.hessian = {0, 0, 0, 0};
  EXPECT_EQ(s.crest(), 1);
}

TEST_F(StatisticsTest, WritesAndReads) {
  ActivationStatistics s = statisticsOf({{1, -8}, {3, 1}});
  ASSERT_EQ(messageOf(write("a", s)), "");
  auto file = StatisticsFile::open(path("a"));
  ASSERT_TRUE(bool(file)) << messageOf(file.takeError());
  EXPECT_EQ((*file)->metadata().model, "m");
  EXPECT_EQ((*file)->metadata().tokens, "a");
  EXPECT_EQ((*file)->content(), StatisticsContent());
  ASSERT_EQ((*file)->sites().size(), 1u);
  EXPECT_EQ((*file)->findSiteOf("v"), nullptr);
  auto site = (*file)->siteOf("k");
  ASSERT_TRUE(bool(site));
  EXPECT_EQ((*site)->name, "q");
  EXPECT_EQ((*site)->channels, 2);
  EXPECT_THAT((*site)->readers, ElementsAre("q", "k"));
  auto read = (*file)->read(**site);
  ASSERT_TRUE(bool(read));
  EXPECT_EQ(read->tokens, 2);
  EXPECT_EQ(read->min, s.min);
  EXPECT_EQ(read->max, s.max);
  EXPECT_EQ(read->mean, s.mean);
  EXPECT_EQ(read->meanAbs, s.meanAbs);
  EXPECT_EQ(read->hessian, s.hessian);
  EXPECT_EQ(read->histogram, s.histogram);
  auto light = (*file)->read(**site, /*withHessian=*/false);
  ASSERT_TRUE(bool(light));
  EXPECT_TRUE(light->hessian.empty());
  EXPECT_EQ(light->max, s.max);
}

TEST_F(StatisticsTest, WhatWasNotCollectedIsNotThere) {
  ActivationStatistics s = statisticsOf({{1, 2}});
  s.hessian.clear();
  s.histogram.clear();
  ASSERT_EQ(messageOf(write("a", s, "m", {true, true, true, false, false})),
            "");
  auto file = StatisticsFile::open(path("a"));
  ASSERT_TRUE(bool(file)) << messageOf(file.takeError());
  EXPECT_FALSE((*file)->content().hessian);
  EXPECT_TRUE((*file)->content().range);
  auto read = (*file)->read((*file)->sites().front());
  ASSERT_TRUE(bool(read));
  EXPECT_TRUE(read->hessian.empty());
  EXPECT_TRUE(read->histogram.empty());
}

TEST_F(StatisticsTest, MergingIsRunningOverBoth) {
  std::vector<std::array<float, 2>> first = {{1, -8}, {3, 1}, {0.5, 0}};
  std::vector<std::array<float, 2>> second = {{-4, 2}};
  ASSERT_EQ(messageOf(write("a", statisticsOf(first))), "");
  ASSERT_EQ(messageOf(write("b", statisticsOf(second))), "");
  ASSERT_EQ(messageOf(mergeStatistics({path("a"), path("b")}, path("c"))), "");
  first.insert(first.end(), second.begin(), second.end());
  ActivationStatistics all = statisticsOf(first);
  auto file = StatisticsFile::open(path("c"));
  ASSERT_TRUE(bool(file)) << messageOf(file.takeError());
  EXPECT_EQ((*file)->metadata().tokens, "a; b");
  auto merged = (*file)->read((*file)->sites().front());
  ASSERT_TRUE(bool(merged));
  EXPECT_EQ(merged->tokens, 4);
  EXPECT_EQ(merged->min, all.min);
  EXPECT_EQ(merged->max, all.max);
  EXPECT_EQ(merged->histogram, all.histogram);
  for (int i = 0; i < 2; ++i) {
    EXPECT_NEAR(merged->mean[i], all.mean[i], 1e-6);
    EXPECT_NEAR(merged->meanAbs[i], all.meanAbs[i], 1e-6);
  }
  for (int i = 0; i < 4; ++i)
    EXPECT_NEAR(merged->hessian[i], all.hessian[i], 1e-5);
}

TEST_F(StatisticsTest, MergingRefusesOtherModelsAndContents) {
  ActivationStatistics s = statisticsOf({{1, 2}});
  ASSERT_EQ(messageOf(write("a", s)), "");
  ASSERT_EQ(messageOf(write("b", s, "other")), "");
  EXPECT_EQ(messageOf(mergeStatistics({path("a"), path("b")}, path("c"))),
            path("b") + ": statistics of another model (fingerprint other, "
                        "this model's is m)");
  ActivationStatistics light = s;
  light.hessian.clear();
  ASSERT_EQ(messageOf(write("d", light, "m", {true, true, true, false, true})),
            "");
  EXPECT_EQ(messageOf(mergeStatistics({path("a"), path("d")}, path("c"))),
            path("d") + ": has other sites or other statistics than " +
                path("a"));
  EXPECT_FALSE(llvm::sys::fs::exists(path("c")));
}

TEST_F(StatisticsTest, NumbersMustBeFinite) {
  ActivationStatistics s = statisticsOf({{1, 2}});
  s.hessian[3] = NAN;
  EXPECT_EQ(messageOf(write("a", s)),
            path("a") + ": site 'q': hessian is not finite");
  EXPECT_FALSE(llvm::sys::fs::exists(path("a")));
}

TEST_F(StatisticsTest, WritingChecksWhatItIsGiven) {
  ActivationStatistics s = statisticsOf({{1, 2}});
  s.max.push_back(0);
  EXPECT_THAT(messageOf(write("a", s)),
              HasSubstr("site 'q': max has 3 values, not 2"));
  std::vector<SiteInfo> sites = {{"first", {"first"}, 2}, {"q", {"q"}, 2}};
  auto writer = StatisticsWriter::create(path("b"), sites, {}, {"m", "t"});
  ASSERT_TRUE(bool(writer));
  EXPECT_THAT(messageOf((*writer)->append(statisticsOf({{1, 2}}))),
              HasSubstr("site 'q': is not the next to be written"));
}

TEST_F(StatisticsTest, MissingSitesAndOtherFiles) {
  ASSERT_EQ(messageOf(write("a", statisticsOf({{1, 2}}))), "");
  auto file = StatisticsFile::open(path("a"));
  ASSERT_TRUE(bool(file));
  EXPECT_EQ(messageOf((*file)->siteOf("v").takeError()),
            path("a") + ": has no statistics of the activation that weight "
                        "'v' reads");
  EXPECT_EQ(messageOf((*file)->checkModel("m")), "");
  EXPECT_EQ(messageOf((*file)->checkModel("n")),
            path("a") + ": statistics of another model (fingerprint m, this "
                        "model's is n)");
  std::vector<SafetensorsWriter::Entry> entries = {{"w", "F32", {1}, 4}};
  auto other = SafetensorsWriter::create(path("weights"), entries);
  ASSERT_TRUE(bool(other));
  ASSERT_EQ(messageOf((*other)->append({0, 0, 0, 0})), "");
  ASSERT_EQ(messageOf((*other)->finish()), "");
  EXPECT_EQ(messageOf(StatisticsFile::open(path("weights")).takeError()),
            path("weights") + ": is not a file of calibration statistics");
}
