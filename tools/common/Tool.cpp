// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Tool.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/WithColor.h"
#include "llvm/Support/raw_ostream.h"

using namespace quantmlir;
using llvm::StringRef;

/// Line breaks and what surrounds them become one space.
static std::string oneLine(StringRef text) {
  llvm::SmallVector<StringRef> lines;
  llvm::SplitString(text, lines, "\r\n");
  for (StringRef &line : lines)
    line = line.trim();
  return llvm::join(lines, " ");
}

bool quantmlir::parseOptions(int argc, char **argv, StringRef overview) {
  // LLVM takes several lines to say what is wrong, and some of them go to
  // llvm::errs() whatever stream it is given.
  std::string message;
  llvm::raw_string_ostream stream(message);
  if (llvm::cl::ParseCommandLineOptions(argc, argv, overview, &stream))
    return true;
  if (!message.empty())
    llvm::errs() << oneLine(message) << "\n";
  return false;
}

int quantmlir::usageError(StringRef tool, const llvm::Twine &message) {
  llvm::WithColor::error(llvm::errs(), tool) << oneLine(message.str()) << "\n";
  return 2;
}

int quantmlir::finish(StringRef tool, llvm::Error error) {
  if (!error)
    return 0;
  llvm::WithColor::error(llvm::errs(), tool)
      << oneLine(llvm::toString(std::move(error))) << "\n";
  return 1;
}
