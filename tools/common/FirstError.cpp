// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "FirstError.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/WithColor.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace quantmlir;

FirstError::FirstError(MLIRContext *context, llvm::StringRef input)
    : ScopedDiagnosticHandler(context), input(input) {
  setHandler([this](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Warning)
      warnings.push_back(describe(diagnostic));
    else if (diagnostic.getSeverity() == DiagnosticSeverity::Error &&
             first.empty())
      first = describe(diagnostic);
    return success();
  });
}

std::string FirstError::describe(Diagnostic &diagnostic) const {
  std::string message = diagnostic.str();
  // A message about a file begins with its name.
  if (auto place = diagnostic.getLocation()->findInstanceOf<FileLineColLoc>())
    return llvm::formatv("{0}:{1}:{2}: {3}", place.getFilename().getValue(),
                         place.getLine(), place.getColumn(), message);
  return input + ": " + message;
}

llvm::Error FirstError::explain(llvm::Error error) const {
  if (!error)
    for (const std::string &warning : warnings)
      llvm::WithColor::warning() << warning << "\n";
  if (!error || first.empty())
    return error;
  llvm::consumeError(std::move(error));
  return llvm::createStringError(first);
}
