// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A model of three matrices whose numbers can be followed by hand: the table
// has the token's number in every channel of its row, `up` and `down` are
// multiples of the identity.

#include "quant-mlir/Calibrate/StagedModel.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "quant-mlir/Export/SafetensorsWriter.h"
#include "quant-mlir/Pipelines/Pipelines.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace quantmlir;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

constexpr int64_t size = 16, vocabulary = 8;

std::vector<float> diagonal(float value) {
  std::vector<float> matrix(size * size);
  for (int64_t i = 0; i < size; ++i)
    matrix[i * size + i] = value;
  return matrix;
}

const char *const modelText = R"(
module attributes {lm.vocab_size = 8 : i64} {
  qt.weight @table : tensor<8x16xf32> in "{0}"
  qt.weight @up : tensor<16x16xf32> in "{0}"
  qt.weight @gate : tensor<16x16xf32> in "{0}"
  qt.weight @down : tensor<16x16xf32> in "{0}"
  func.func @forward(%tokens: tensor<?xi32>) -> tensor<?x16xf32> {
    %table = qt.load @table : tensor<8x16xf32>
    %up = qt.load @up : tensor<16x16xf32>
    %gate = qt.load @gate : tensor<16x16xf32>
    %down = qt.load @down : tensor<16x16xf32>
    %x = lm.embedding %tokens, %table : tensor<?xi32>, tensor<8x16xf32> -> tensor<?x16xf32>
    %u = lm.linear %x, %up : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
    %g = lm.linear %x, %gate : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
    %h = arith.addf %u, %g : tensor<?x16xf32>
    %d = lm.linear %h, %down : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
    %y = arith.addf %x, %d : tensor<?x16xf32>
    return %y : tensor<?x16xf32>
  }
}
)";

class StagedModelTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("staged", folder));
    DialectRegistry registry;
    registerAllDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    std::vector<float> table;
    for (int64_t token = 0; token < vocabulary; ++token)
      table.insert(table.end(), size, float(token));
    write({{"table", table},
           {"up", diagonal(2)},
           {"gate", diagonal(1)},
           {"down", diagonal(10)}});
  }
  void TearDown() override { llvm::sys::fs::remove_directories(folder); }

  std::string path() {
    llvm::SmallString<128> result(folder);
    llvm::sys::path::append(result, "w.safetensors");
    return result.str().str();
  }

  void write(std::vector<std::pair<std::string, std::vector<float>>> weights) {
    std::vector<SafetensorsWriter::Entry> entries;
    for (auto &[name, values] : weights)
      entries.push_back({name,
                         "F32",
                         {int64_t(values.size()) / size, size},
                         values.size() * 4});
    auto writer = llvm::cantFail(SafetensorsWriter::create(path(), entries));
    for (auto &[name, values] : weights)
      llvm::cantFail(
          writer->append({reinterpret_cast<const uint8_t *>(values.data()),
                          values.size() * 4}));
    llvm::cantFail(writer->finish());
  }

  llvm::Expected<std::unique_ptr<StagedModel>>
  create(StagedModelOptions options = {}, llvm::StringRef text = modelText) {
    std::string filled = text.str();
    for (size_t at; (at = filled.find("{0}")) != std::string::npos;)
      filled.replace(at, 3, path());
    module = parseSourceString<ModuleOp>(filled, &context);
    EXPECT_TRUE(module);
    return StagedModel::create(*module, options);
  }

  llvm::SmallString<128> folder;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

std::string messageOf(llvm::Error error) {
  return llvm::toString(std::move(error));
}

llvm::Error ignore(size_t, ActivationStatistics &) {
  return llvm::Error::success();
}

} // namespace

TEST_F(StagedModelTest, StatisticsAndOutputs) {
  auto model = create();
  ASSERT_TRUE(bool(model)) << messageOf(model.takeError());
  ASSERT_EQ((*model)->sites().size(), 2u);
  EXPECT_EQ((*model)->sites()[0].name, "up");
  EXPECT_THAT((*model)->sites()[0].readers, ElementsAre("up", "gate"));
  EXPECT_THAT((*model)->sites()[1].readers, ElementsAre("down"));
  EXPECT_EQ((*model)->sites()[1].channels, size);

  std::vector<Window> windows = {{1, 2, 3}, {5}};
  std::vector<ActivationStatistics> found;
  std::vector<std::vector<float>> outputs;
  int64_t calls = 0;
  ASSERT_EQ(
      messageOf((*model)->run(
          windows,
          [&](size_t site, ActivationStatistics &statistics) {
            EXPECT_EQ(site, found.size());
            found.push_back(std::move(statistics));
            return llvm::Error::success();
          },
          [&](size_t window, llvm::ArrayRef<float> values, int64_t columns) {
            EXPECT_EQ(window, outputs.size());
            EXPECT_EQ(columns, size);
            outputs.push_back(values.vec());
            return llvm::Error::success();
          },
          [&](int64_t done, int64_t total) {
            EXPECT_EQ(done, ++calls);
            EXPECT_EQ(total, 6);
          })),
      "");
  EXPECT_EQ(calls, 6);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].tokens, 4);
  EXPECT_THAT(found[0].min, Each(1));
  EXPECT_THAT(found[0].max, Each(5));
  EXPECT_THAT(found[0].meanAbs, Each(11 / 4.0f));
  // (1 + 4 + 9 + 25) / 4
  EXPECT_THAT(found[0].hessian, Each(39 / 4.0f));
  EXPECT_EQ(found[0].histogram[histogramBin(5)], size);
  // x · (2 + 1)
  EXPECT_THAT(found[1].max, Each(15));
  EXPECT_THAT(found[1].hessian, Each(9 * 39 / 4.0f));
  // x + 30 x
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs[0].size(), 3u * size);
  EXPECT_EQ(outputs[0].back(), 93);
  EXPECT_THAT(outputs[1], Each(155));
}

TEST_F(StagedModelTest, WhatIsBehindASiteSeesNewWeights) {
  auto model = create();
  ASSERT_TRUE(bool(model)) << messageOf(model.takeError());
  std::vector<Window> windows = {{1, 2}};
  std::vector<float> maxima, output;
  auto run = [&](bool replace) {
    maxima.clear();
    return messageOf((*model)->run(
        windows,
        [&](size_t site, ActivationStatistics &statistics) -> llvm::Error {
          maxima.push_back(statistics.max[0]);
          if (!replace || site != 0)
            return llvm::Error::success();
          llvm::Expected<std::vector<float>> old = (*model)->readWeight("up");
          if (!old)
            return old.takeError();
          EXPECT_EQ(*old, diagonal(2));
          if (llvm::Error error = (*model)->replaceWeight("up", diagonal(4)))
            return error;
          return (*model)->replaceWeight("down", diagonal(100));
        },
        [&](size_t, llvm::ArrayRef<float> values, int64_t) {
          output = values.vec();
          return llvm::Error::success();
        }));
  };
  ASSERT_EQ(run(true), "");
  EXPECT_THAT(maxima, ElementsAre(2, 10));
  EXPECT_EQ(output.back(), 2 + 1000);
  // The next run starts from the model's own weights.
  ASSERT_EQ(run(false), "");
  EXPECT_THAT(maxima, ElementsAre(2, 6));
  EXPECT_EQ(output.back(), 2 + 60);
  // Replaced before a run: for that run.
  std::vector<float> ones(vocabulary * size, 1);
  ASSERT_EQ(messageOf((*model)->replaceWeight("table", ones)), "");
  ASSERT_EQ(messageOf((*model)->replaceWeight("down", diagonal(0))), "");
  ASSERT_EQ(run(false), "");
  EXPECT_THAT(maxima, ElementsAre(1, 3));
  EXPECT_EQ(output.back(), 1);
}

TEST_F(StagedModelTest, OnlyWhatWasAskedFor) {
  StagedModelOptions options;
  options.statistics = StatisticsContent::none();
  options.statistics.meanAbs = true;
  auto model = create(options);
  ASSERT_TRUE(bool(model)) << messageOf(model.takeError());
  std::vector<Window> windows = {{3}};
  ASSERT_EQ(messageOf((*model)->run(
                windows,
                [](size_t, ActivationStatistics &statistics) {
                  EXPECT_TRUE(statistics.min.empty());
                  EXPECT_TRUE(statistics.hessian.empty());
                  EXPECT_TRUE(statistics.histogram.empty());
                  EXPECT_EQ(statistics.meanAbs.size(), size_t(size));
                  return llvm::Error::success();
                })),
            "");
}

TEST_F(StagedModelTest, DriftFromTheFloatModel) {
  StagedModelOptions options;
  options.statistics = StatisticsContent::none();
  options.statistics.mean = options.statistics.drift = true;
  auto model = create(options);
  ASSERT_TRUE(bool(model)) << messageOf(model.takeError());
  // Token t gives t in the float model and t + 1 here, and `up` and `gate` make
  // 3 t of it there, 5 (t + 1) here.
  std::vector<float> table;
  for (int64_t token = 0; token < vocabulary; ++token)
    table.insert(table.end(), size, float(token + 1));
  ASSERT_EQ(messageOf((*model)->replaceWeight("table", table)), "");
  std::vector<Window> windows = {{1}, {2, 3}};
  std::vector<ActivationDrift> drifts;
  std::vector<float> output;
  int64_t steps = 0, announced = 0;
  ASSERT_EQ(messageOf((*model)->run(
                windows,
                [&](size_t site, ActivationStatistics &statistics) {
                  EXPECT_THAT(statistics.mean, Each(site ? 15 : 3));
                  EXPECT_TRUE(statistics.drift);
                  drifts.push_back(std::move(*statistics.drift));
                  return site == 0 ? (*model)->replaceWeight("up", diagonal(4))
                                   : llvm::Error::success();
                },
                [&](size_t, llvm::ArrayRef<float> values, int64_t) {
                  output = values.vec();
                  return llvm::Error::success();
                },
                [&](int64_t done, int64_t total) {
                  steps = done;
                  announced = total;
                })),
            "");
  ASSERT_EQ(drifts.size(), 2u);
  // Mean of -1 * (t + 1).
  EXPECT_THAT(drifts[0].cross, Each(-3));
  EXPECT_THAT(drifts[0].mean, Each(-1));
  EXPECT_EQ(drifts[0].residualReader, "");
  // Mean of (3 t - 5 (t + 1)) * 5 (t + 1), with t = 1, 2, 3.
  EXPECT_THAT(drifts[1].cross,
              Each(testing::FloatNear((-70 - 135 - 220) / 3.0f, 1e-4f)));
  EXPECT_EQ(drifts[1].cross.size(), size_t(size * size));
  EXPECT_THAT(drifts[1].mean, Each(-9));
  // Of what `down` is added to: -1 * 5 (t + 1).
  EXPECT_EQ(drifts[1].residualReader, "down");
  EXPECT_THAT(drifts[1].residualCross, Each(-15));
  EXPECT_THAT(drifts[1].residualMean, Each(-1));
  // What comes out is of the model as it is now.
  EXPECT_EQ(output.back(), 4 + 200);
  EXPECT_EQ(steps, announced);
}

TEST_F(StagedModelTest, BadTexts) {
  StagedModelOptions options;
  options.windowLength = 4;
  auto model = create(options);
  ASSERT_TRUE(bool(model)) << messageOf(model.takeError());
  auto run = [&](std::vector<Window> windows) {
    return messageOf((*model)->run(windows, ignore));
  };
  EXPECT_EQ(run({}), "there are no texts to run");
  EXPECT_EQ(run({{1}, {}}), "text 1 of the calibration tokens is empty");
  EXPECT_EQ(run({{1, 1, 1, 1, 1}}),
            "text 0 of the calibration tokens has 5 tokens, more than 4");
  EXPECT_EQ(run({{1, 8}}), "text 0 of the calibration tokens has token 8, "
                           "outside the vocabulary of 8");
  EXPECT_EQ(run({{-2}}), "text 0 of the calibration tokens has token -2, "
                         "outside the vocabulary of 8");
  EXPECT_EQ(run({{7, 7, 7, 7}}), "");
}

TEST_F(StagedModelTest, BadWeights) {
  auto model = create();
  ASSERT_TRUE(bool(model)) << messageOf(model.takeError());
  EXPECT_EQ(messageOf((*model)->replaceWeight("v", {})),
            "the model has no weight 'v'");
  EXPECT_EQ(messageOf((*model)->readWeight("v").takeError()),
            "the model has no weight 'v'");
  EXPECT_EQ(messageOf((*model)->replaceWeight("up", {1, 2})),
            "weight 'up' has 256 values and cannot be replaced by 2");
  std::vector<Window> windows = {{1}};
  std::vector<float> broken = diagonal(1);
  broken[17] = NAN;
  ASSERT_EQ(messageOf((*model)->replaceWeight("down", broken)), "");
  EXPECT_THAT(
      messageOf((*model)->run(windows, ignore,
                              [](size_t, llvm::ArrayRef<float>, int64_t) {
                                return llvm::Error::success();
                              })),
      HasSubstr("tensor 'down': has NaN or infinity in rows 0 to"));
  // An error of the caller's own ends the run.
  EXPECT_EQ(messageOf((*model)->run(windows,
                                    [](size_t, ActivationStatistics &) {
                                      return llvm::createStringError("mine");
                                    })),
            "mine");
}

TEST_F(StagedModelTest, ActivationsThatAreNotFiniteAreNamed) {
  auto model = create();
  ASSERT_TRUE(bool(model)) << messageOf(model.takeError());
  ASSERT_EQ(messageOf((*model)->replaceWeight("up", diagonal(3e38f))), "");
  std::vector<Window> windows = {{1}, {2}};
  EXPECT_EQ(messageOf((*model)->run(windows, ignore)),
            "the activation that weight 'down' reads has NaN or infinity in "
            "channel 0, in text 1 of the calibration tokens");
}

TEST_F(StagedModelTest, ModelsThatCannotBeRun) {
  EXPECT_EQ(messageOf(create({}, R"(
    func.func @f(%x: tensor<?x16xf32>) -> tensor<?x16xf32> {
      return %x : tensor<?x16xf32>
    })")
                          .takeError()),
            "the model has no linear with a weight from a file: there is "
            "nothing to calibrate");
  EXPECT_EQ(messageOf(create({}, R"(
    qt.weight @up : tensor<16x16xf32> in "{0}"
    func.func @f(%x: tensor<?x16xf32>) -> tensor<?x16xf32> {
      %up = qt.load @up : tensor<16x16xf32>
      %u = lm.linear %x, %up : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
      return %u : tensor<?x16xf32>
    })")
                          .takeError()),
            "calibration runs models whose only input is a sequence of token "
            "ids; argument 0 is none");
}

TEST_F(StagedModelTest, VariantsDifferInOneWeight) {
  auto model = create();
  ASSERT_TRUE(bool(model)) << messageOf(model.takeError());
  std::vector<Window> windows = {{1, 2}, {3}};
  std::vector<std::string> weights = {"up", "table", "down"};
  auto run = [&](int64_t atOnce, int64_t steps) {
    // Of the model, then of each variant: what the last token of each text
    // gives.
    std::vector<std::vector<float>> outputs(4);
    int64_t done = 0;
    EXPECT_EQ(messageOf((*model)->runVariants(
                  windows, weights,
                  [&](llvm::StringRef weight, std::vector<float> values)
                      -> llvm::Expected<std::vector<float>> {
                    EXPECT_EQ(values.size(), weight == "table"
                                                 ? size_t(vocabulary * size)
                                                 : size_t(size * size));
                    for (float &value : values)
                      value *= 2;
                    return values;
                  },
                  [&](std::optional<size_t> variant, size_t window,
                      llvm::ArrayRef<float> values, int64_t columns) {
                    EXPECT_EQ(columns, size);
                    std::vector<float> &output =
                        outputs[variant ? *variant + 1 : 0];
                    if (output.size() <= window)
                      output.push_back(values.back());
                    return llvm::Error::success();
                  },
                  [&](int64_t now, int64_t total) {
                    EXPECT_EQ(now, ++done);
                    EXPECT_EQ(total, steps);
                  },
                  atOnce)),
              "");
    EXPECT_EQ(done, steps);
    EXPECT_THAT(outputs[0], ElementsAre(2 + 60, 3 + 90));
    EXPECT_THAT(outputs[1], ElementsAre(2 + 100, 3 + 150));
    EXPECT_THAT(outputs[2], ElementsAre(4 + 120, 6 + 180));
    EXPECT_THAT(outputs[3], ElementsAre(2 + 120, 3 + 180));
  };
  // Three stages: all for the model and `table`, two for `up`, one for `down`.
  run(/*atOnce=*/32, 2 * (3 + 6));
  run(/*atOnce=*/2, 2 * (3 + 3 + 6));
  // A later run sees the model's own weights.
  std::vector<float> output;
  ASSERT_EQ(messageOf((*model)->run(
                windows, ignore,
                [&](size_t, llvm::ArrayRef<float> values, int64_t) {
                  output.push_back(values.back());
                  return llvm::Error::success();
                })),
            "");
  EXPECT_THAT(output, ElementsAre(2 + 60, 3 + 90));
}

TEST_F(StagedModelTest, VariantsOfAWeightThatIsReadTwice) {
  auto model = create({}, R"(
    qt.weight @table : tensor<8x16xf32> in "{0}"
    qt.weight @up : tensor<16x16xf32> in "{0}"
    func.func @f(%tokens: tensor<?xi32>) -> tensor<?x16xf32> {
      %table = qt.load @table : tensor<8x16xf32>
      %up = qt.load @up : tensor<16x16xf32>
      %x = lm.embedding %tokens, %table : tensor<?xi32>, tensor<8x16xf32> -> tensor<?x16xf32>
      %y = lm.linear %x, %up : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
      %z = lm.linear %y, %up : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
      return %z : tensor<?x16xf32>
    })");
  ASSERT_TRUE(bool(model)) << messageOf(model.takeError());
  std::vector<Window> windows = {{1}};
  std::vector<std::string> weights = {"up"};
  std::vector<float> outputs;
  ASSERT_EQ(messageOf((*model)->runVariants(
                windows, weights,
                [](llvm::StringRef,
                   std::vector<float>) -> llvm::Expected<std::vector<float>> {
                  return diagonal(3);
                },
                [&](std::optional<size_t>, size_t, llvm::ArrayRef<float> values,
                    int64_t) {
                  outputs.push_back(values.back());
                  return llvm::Error::success();
                })),
            "");
  EXPECT_THAT(outputs, ElementsAre(4, 9));
}

TEST_F(StagedModelTest, VariantsThatCannotBeRun) {
  auto model = create();
  ASSERT_TRUE(bool(model)) << messageOf(model.takeError());
  std::vector<Window> windows = {{1}};
  auto run = [&](std::string weight, llvm::StringRef error) {
    std::vector<std::string> weights = {std::move(weight)};
    return messageOf((*model)->runVariants(
        windows, weights,
        [&](llvm::StringRef,
            std::vector<float> values) -> llvm::Expected<std::vector<float>> {
          if (!error.empty())
            return llvm::createStringError(error);
          values.pop_back();
          return values;
        },
        [](std::optional<size_t>, size_t, llvm::ArrayRef<float>, int64_t) {
          return llvm::Error::success();
        }));
  };
  EXPECT_EQ(run("v", ""), "the model has no weight 'v'");
  EXPECT_EQ(run("up", "mine"), "mine");
  EXPECT_EQ(run("up", ""),
            "weight 'up' has 256 values and cannot be replaced by 255");
  EXPECT_THAT(messageOf((*model)->runVariants(
                  windows, std::vector<std::string>{"up"},
                  [](llvm::StringRef,
                     std::vector<float>) -> llvm::Expected<std::vector<float>> {
                    return diagonal(NAN);
                  },
                  [](std::optional<size_t>, size_t, llvm::ArrayRef<float>,
                     int64_t) { return llvm::Error::success(); })),
              HasSubstr("tensor 'up': has NaN or infinity"));
  // Nothing of a failed run is left.
  EXPECT_EQ(messageOf((*model)->run(windows, ignore)), "");
}
