// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Einsum: a sum of products over the letters that the result has not. Letters
// and the dimensions of "..." are loops; tensors are multiplied two at a time,
// and a letter is added up with the last tensor that has it.

#include "Operators.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace quantmlir;
using namespace quantmlir::onnx;

namespace {
/// The dimensions of "..." are called 1, 2, …, counted from the last one.
using Letters = std::string;

/// A tensor and the letters of its dimensions.
struct Term {
  GraphValue value;
  Letters letters;
};

class Equation {
public:
  explicit Equation(Importer &g) : g(g) {}

  /// Reads the attribute and the inputs. False, and an error, if they do not
  /// fit together.
  bool read();
  GraphValue compute();

private:
  std::optional<Letters> expand(StringRef text, int64_t rank);
  bool addSizes(const Term &term);
  Term multiply(Term &x, Term &y, const Letters &result);
  std::optional<Term> linearOf(Term &x, Term &y, const Letters &result);

  Importer &g;
  SmallVector<Term> terms;
  Letters result;
  llvm::DenseMap<char, OpFoldResult> sizes;
  int64_t ellipsis = 0; ///< dimensions that "..." is
};
} // namespace

/// The letters of a term; `rank` is -1 for the result.
std::optional<Letters> Equation::expand(StringRef text, int64_t rank) {
  auto [before, after] = text.split("...");
  int64_t named = before.size() + after.size();
  bool hasEllipsis = text.size() != before.size();
  if (!llvm::all_of(before, llvm::isAlpha) ||
      !llvm::all_of(after, llvm::isAlpha) ||
      (rank >= 0 && (hasEllipsis ? named > rank : named != rank))) {
    g.fail("has the equation '" +
           StringRef(quoteName(g.string("equation", ""))).trim('\'') +
           "', which does not fit its inputs");
    return std::nullopt;
  }
  Letters letters = before.str();
  if (hasEllipsis) {
    int64_t count = rank < 0 ? ellipsis : rank - named;
    ellipsis = std::max(ellipsis, count);
    for (int64_t i = count; i > 0; --i)
      letters += char(i);
  }
  return letters + after.str();
}

/// Notes the sizes of letters; a dimension of 1 in "..." is broadcast.
bool Equation::addSizes(const Term &term) {
  for (auto [letter, size] : llvm::zip(term.letters, term.value.shape)) {
    auto [known, isNew] = sizes.try_emplace(letter, size);
    if (isNew)
      continue;
    int64_t a = staticSize(known->second), b = staticSize(size);
    bool isDots = !llvm::isAlpha(letter);
    if (a < 0 || (isDots && a == 1))
      known->second = size;
    else if (b >= 0 && a != b && !(isDots && b == 1)) {
      g.fail("has dimensions of " + Twine(a) + " and " + Twine(b) +
             " with one letter");
      return false;
    }
  }
  return true;
}

bool Equation::read() {
  std::string text;
  for (char c : g.string("equation", ""))
    if (c != ' ')
      text += c;
  auto [left, right] = StringRef(text).split("->");
  SmallVector<StringRef> parts;
  left.split(parts, ',');
  DataType type = g.in(0).type;
  if (!requireSameType(g) || isBool(type) || parts.size() != g.all().size()) {
    g.fail("has no equation for " + Twine(g.all().size()) +
           " inputs of numbers");
    return false;
  }
  for (auto [part, input] : llvm::zip(parts, g.all())) {
    auto letters = expand(part, input->rank());
    if (!letters || !addSizes(terms.emplace_back(Term{*input, *letters})))
      return false;
  }
  if (text.find("->") != std::string::npos) {
    auto letters = expand(right, -1);
    if (!letters)
      return false;
    result = *letters;
  } else {
    // The dimensions of "...", then letters that appear once, sorted.
    for (int64_t i = ellipsis; i > 0; --i)
      result += char(i);
    Letters all;
    for (const Term &term : terms)
      all += term.letters;
    llvm::sort(all);
    for (char letter : all)
      if (llvm::isAlpha(letter) && llvm::count(all, letter) == 1)
        result += letter;
  }
  for (auto [at, letter] : llvm::enumerate(result))
    if (!sizes.count(letter) || result.find(letter) != at) {
      g.fail("has a letter in its result twice, or that no input has");
      return false;
    }
  return true;
}

/// x times a matrix of the file: lm's linear, if it is one.
std::optional<Term> Equation::linearOf(Term &x, Term &y,
                                       const Letters &result) {
  if (!g.isWeight(y.value) || x.value.type != DataType::Float ||
      y.letters.size() != 2 || x.letters.empty())
    return std::nullopt;
  size_t k = y.letters.find(x.letters.back());
  if (k == Letters::npos)
    return std::nullopt;
  Letters product = x.letters;
  product.back() = y.letters[1 - k];
  if (product != result || y.letters[0] == y.letters[1] ||
      x.letters.find(product.back()) != Letters::npos)
    return std::nullopt;
  Value rows = g.weight(y.value, /*transposed=*/k == 0);
  return Term{linear(g, x.value, rows, Value()), product};
}

Term Equation::multiply(Term &x, Term &y, const Letters &result) {
  for (bool swapped : {false, true})
    if (auto found = swapped ? linearOf(y, x, result) : linearOf(x, y, result))
      return *found;
  Letters loops = result;
  for (char letter : x.letters + y.letters)
    if (loops.find(letter) == Letters::npos)
      loops += letter;
  auto mapOf = [&](const Term &term) {
    SmallVector<AffineExpr> indices;
    for (auto [letter, size] : llvm::zip(term.letters, term.value.shape)) {
      bool repeats = staticSize(size) == 1 && staticSize(sizes[letter]) != 1;
      indices.push_back(repeats ? g.b.getAffineConstantExpr(0)
                                : g.b.getAffineDimExpr(loops.find(letter)));
    }
    return AffineMap::get(loops.size(), 0, indices, g.b.getContext());
  };
  Sizes shape;
  for (char letter : result)
    shape.push_back(sizes[letter]);
  return {g.contract(x.value, mapOf(x), y.value, mapOf(y), shape), result};
}

GraphValue Equation::compute() {
  DataType type = terms[0].value.type;
  // One tensor is multiplied by one.
  if (terms.size() == 1)
    terms.push_back({g.fromElements(type, {}, {g.constant(type, 1)}), ""});
  Term product = terms[0];
  for (size_t next = 1; next < terms.size(); ++next) {
    // What somebody still needs, in the order in which it comes.
    Letters needed = result;
    for (size_t later = next + 1; later < terms.size(); ++later)
      needed += terms[later].letters;
    Letters kept;
    for (char letter : product.letters + terms[next].letters)
      if (needed.find(letter) != Letters::npos &&
          kept.find(letter) == Letters::npos)
        kept += letter;
    product = multiply(product, terms[next],
                       next + 1 == terms.size() ? result : kept);
  }
  return product.value;
}

static void importEinsum(Importer &g) {
  Equation equation(g);
  if (equation.read() && !g.failed())
    g.result(equation.compute());
}

ArrayRef<Operator> onnx::einsumOperators() {
  static constexpr Operator table[] = {
      {"Einsum", 1, anyNumber, importEinsum},
  };
  return table;
}
