// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "quant-mlir/Calibrate/Calibrate.h"
#include "quant-mlir/Import/Fingerprint.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Process.h"
#include <chrono>

using namespace quantmlir;

llvm::Error quantmlir::calibrate(mlir::ModuleOp module,
                                 llvm::ArrayRef<Window> windows,
                                 const StagedModelOptions &options,
                                 llvm::StringRef source, llvm::StringRef output,
                                 StagedModel::Progress progress) {
  llvm::Expected<std::string> fingerprint = fingerprintModel(module);
  if (!fingerprint)
    return fingerprint.takeError();
  auto model = StagedModel::create(module, options);
  if (!model)
    return model.takeError();
  auto writer =
      StatisticsWriter::create(output, (*model)->sites(), options.statistics,
                               {*fingerprint, source.str()});
  if (!writer)
    return writer.takeError();
  if (llvm::Error error = (*model)->run(
          windows,
          [&](size_t, ActivationStatistics &statistics) {
            return (*writer)->append(statistics);
          },
          nullptr, progress))
    return error;
  return (*writer)->finish();
}

llvm::Expected<StatisticsContent>
quantmlir::parseStatisticsContent(llvm::ArrayRef<std::string> words) {
  StatisticsContent content;
  if (words.empty())
    return content;
  content = StatisticsContent::none();
  for (llvm::StringRef word : words) {
    if (word == "range")
      content.range = true;
    else if (word == "mean")
      content.mean = true;
    else if (word == "mean_abs")
      content.meanAbs = true;
    else if (word == "hessian")
      content.hessian = true;
    else if (word == "histogram")
      content.histogram = true;
    else
      return llvm::createStringError(
          "unknown statistic '" + word +
          "'; known are range, mean, mean_abs, hessian, histogram");
  }
  return content;
}

static double now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

ProgressLine::ProgressLine(llvm::StringRef title)
    : title(title), shown(llvm::sys::Process::StandardErrIsDisplayed()),
      started(now()) {}

ProgressLine::~ProgressLine() {
  if (written)
    llvm::errs() << "\r\x1b[K";
}

void ProgressLine::operator()(int64_t done, int64_t total) {
  double time = now();
  // A person reads a few numbers a second.
  if (!shown || time - last < 0.2 || done == 0)
    return;
  last = time;
  auto left = int64_t((time - started) / double(done) * double(total - done));
  llvm::errs() << "\r" << title
               << llvm::format("  %d %%  %d:%02d left\x1b[K",
                               int(done * 100 / total), int(left / 60),
                               int(left % 60));
  written = true;
}
