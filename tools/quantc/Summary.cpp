// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Summary.h"
#include "quant-mlir/Dialect/QT/IR/QT.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"

using namespace mlir;
using namespace quantmlir;
using llvm::StringRef;

namespace {

/// Weights that are alike.
struct Group {
  std::string likeness; ///< what they have in common
  llvm::SmallVector<StringRef> names;
  double values = 0, bits = 0;
};

} // namespace

/// "0-2,5" for 0, 1, 2 and 5.
static std::string describeNumbers(llvm::ArrayRef<int64_t> numbers) {
  std::string text;
  for (size_t first = 0, last; first < numbers.size(); first = last + 1) {
    for (last = first;
         last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1;)
      ++last;
    text += (text.empty() ? "" : ",") + std::to_string(numbers[first]);
    if (last > first)
      text += "-" + std::to_string(numbers[last]);
  }
  return text;
}

/// "a, blk.{0-2,5}.w" for a, blk.0.w, blk.1.w, blk.2.w and blk.5.w.
static std::string abbreviateNames(llvm::ArrayRef<StringRef> names) {
  // By what stands before and behind the first number between dots.
  llvm::MapVector<std::pair<StringRef, StringRef>, llvm::SmallVector<int64_t>>
      patterns;
  for (StringRef name : names) {
    std::pair<StringRef, StringRef> around{name, ""};
    int64_t number = -1;
    for (size_t dot = name.find('.'); dot != StringRef::npos && number < 0;
         dot = name.find('.', dot + 1)) {
      StringRef rest = name.drop_front(dot + 1);
      if (!rest.consumeInteger(10, number) && rest.starts_with("."))
        around = {name.take_front(dot + 1), rest};
      else
        number = -1;
    }
    patterns[around].push_back(number);
  }
  llvm::SmallVector<std::string> parts;
  for (auto &[around, numbers] : patterns) {
    llvm::sort(numbers);
    std::string inside = numbers.front() < 0 ? "" : describeNumbers(numbers);
    if (numbers.size() > 1)
      inside = "{" + inside + "}";
    parts.push_back((around.first + inside + around.second).str());
  }
  return llvm::join(parts, ", ");
}

/// What each weight is multiplied with, by the weight's name.
static llvm::StringMap<std::string> describeInputs(ModuleOp module) {
  llvm::StringMap<std::string> inputs;
  module.walk([&](qt::MatmulOp matmul) {
    auto load = matmul.getW().getDefiningOp<qt::LoadOp>();
    if (!load)
      return;
    std::string &text = inputs[load.getWeight()];
    if (!text.empty())
      return;
    text = ", inputs float";
    auto quantize = matmul.getX().getDefiningOp<qt::QuantizeOp>();
    if (!quantize)
      return;
    text.clear();
    llvm::raw_string_ostream os(text);
    os << ", inputs " << quantize.getType().getScheme();
    if (quantize.getScale())
      os << " static";
    if (quantize.getInput().getDefiningOp<qt::SplitOutliersOp>())
      os << ", outliers float";
  });
  return inputs;
}

std::string quantmlir::summarizeWeights(ModuleOp quantized) {
  llvm::StringMap<std::string> inputs = describeInputs(quantized);
  std::vector<Group> groups; // there are few
  for (auto weight : quantized.getOps<qt::WeightOp>()) {
    auto type = dyn_cast<qt::QuantTensorType>(weight.getType());
    if (!type)
      continue;
    std::string likeness;
    llvm::raw_string_ostream os(likeness);
    os << (weight->hasAttr(qt::QTDialect::errorAttrName) ? "" : "kept as ")
       << type.getScheme() << inputs.lookup(weight.getSymName());
    auto found = llvm::find_if(
        groups, [&](const Group &group) { return group.likeness == likeness; });
    if (found == groups.end())
      found = groups.insert(found, Group{likeness, {}});
    Group &group = *found;
    group.names.push_back(weight.getSymName());
    double values = 1;
    for (int64_t size : type.getShape())
      values *= double(size);
    group.values += values;
    group.bits +=
        values * qt::getBitsPerValue(type.getScheme(), type.getShape());
  }
  auto largest = llvm::max_element(
      groups, [](auto &a, auto &b) { return a.names.size() < b.names.size(); });
  std::string text;
  llvm::raw_string_ostream os(text);
  for (const Group &group : groups) {
    size_t count = group.names.size();
    os << count << (count == 1 ? " weight " : " weights ") << group.likeness
       << llvm::format(", %.2f bits", group.bits / group.values);
    if (&group != &*largest || count == 1)
      os << ": " << abbreviateNames(group.names);
    os << "\n";
  }
  return text;
}
