// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// llama.cpp's mixes, against what llama-quantize chose for small, large,
// grouped and odd models (golden/mixes.txt), and with an importance matrix.

#include "quant-mlir/Quantize/Mix.h"
#include "quant-mlir/Quantize/Recipe.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"

using namespace quantmlir;
using llvm::StringRef;

namespace {

struct Shape {
  int64_t layers, hidden, feedForward, heads, kvHeads, hasHead;
};

/// A llama's matrices, in its order.
std::vector<MixWeight> llama(const Shape &s) {
  int64_t keyRows = s.hidden / s.heads * s.kvHeads;
  std::vector<MixWeight> weights = {{"token_embd.weight", 128, s.hidden}};
  for (int64_t i = 0; i < s.layers; ++i) {
    std::string layer = "blk." + std::to_string(i) + ".";
    weights.push_back({layer + "attn_q.weight", s.hidden, s.hidden});
    weights.push_back({layer + "attn_k.weight", keyRows, s.hidden});
    weights.push_back({layer + "attn_v.weight", keyRows, s.hidden});
    weights.push_back({layer + "attn_output.weight", s.hidden, s.hidden});
    weights.push_back({layer + "ffn_gate.weight", s.feedForward, s.hidden});
    weights.push_back({layer + "ffn_up.weight", s.feedForward, s.hidden});
    weights.push_back({layer + "ffn_down.weight", s.hidden, s.feedForward});
  }
  if (s.hasHead)
    weights.push_back({"output.weight", 128, s.hidden});
  return weights;
}

/// The file's line for what was chosen.
std::string describe(llvm::ArrayRef<MixWeight> weights,
                     llvm::ArrayRef<std::string> schemes) {
  llvm::MapVector<StringRef, llvm::SmallVector<std::pair<StringRef, int>>> runs;
  for (StringRef kind : {"token_embd", "output", "attn_q"})
    runs[kind];
  for (auto [weight, scheme] : llvm::zip_equal(weights, schemes)) {
    StringRef kind = StringRef(weight.name).drop_back(strlen(".weight"));
    auto &list =
        runs[kind.rsplit('.').second.empty() ? kind : kind.rsplit('.').second];
    StringRef type = scheme;
    if (!type.consume_front("#qt.float<"))
      type.consume_front("#qt.");
    type.consume_back(">");
    if (list.empty() || list.back().first != type)
      list.push_back({type, 0});
    ++list.back().second;
  }
  std::string text;
  for (auto &[kind, list] : runs) {
    if (list.empty())
      continue;
    text += (text.empty() ? "" : ", ") + kind.str();
    for (auto [type, count] : list)
      text += " " + type.str() + (count > 1 ? "*" + std::to_string(count) : "");
  }
  return text;
}

/// Compares with a golden file; `mixes` is how many it has.
void checkMixes(StringRef golden, bool hasImportance, size_t mixes) {
  auto file = llvm::MemoryBuffer::getFile(QUANT_TEST_GOLDEN_DIR "/" + golden);
  ASSERT_TRUE(bool(file));
  llvm::SmallVector<StringRef> lines;
  (*file)->getBuffer().split(lines, '\n', -1, /*KeepEmpty=*/false);
  size_t checked = 0;
  for (StringRef line : lines) {
    if (line.starts_with("#"))
      continue;
    auto [key, expected] = line.split(": ");
    llvm::SmallVector<StringRef> words;
    key.split(words, ' ');
    ASSERT_EQ(words.size(), 7u) << line.str();
    int64_t numbers[6];
    for (auto [word, number] : llvm::zip(words, numbers))
      ASSERT_FALSE(word.getAsInteger(10, number)) << line.str();
    const Mix *mix = findMix(words.back());
    ASSERT_TRUE(mix) << line.str();
    auto [layers, hidden, feedForward, heads, kvHeads, hasHead] = numbers;
    std::vector<MixWeight> weights =
        llama({layers, hidden, feedForward, heads, kvHeads, hasHead});
    EXPECT_EQ(describe(weights, chooseMixSchemes(*mix, weights, hasImportance)),
              expected.str())
        << key.str();
    ++checked;
  }
  EXPECT_EQ(checked, 5 * mixes);
}

TEST(Mix, chooses_what_llama_quantize_chooses) {
  // Seven need an importance matrix.
  checkMixes("mixes.txt", /*hasImportance=*/false, getMixes().size() - 7);
}

TEST(Mix, chooses_with_an_importance_matrix) {
  checkMixes("mixes_imatrix.txt", /*hasImportance=*/true, getMixes().size());
}

// The same layers under the names of Hugging Face.
TEST(Mix, knows_the_names_of_transformers) {
  std::vector<MixWeight> weights = {
      {"model.embed_tokens.weight", 128, 256},
      {"model.layers.0.self_attn.v_proj.weight", 256, 256},
      {"model.layers.0.self_attn.o_proj.weight", 256, 256},
      {"model.layers.0.mlp.down_proj.weight", 256, 512},
      {"lm_head.weight", 128, 256},
  };
  EXPECT_EQ(chooseMixSchemes(*findMix("Q3_K_M"), weights),
            (std::vector<std::string>{"#qt.q3_K", "#qt.q5_K", "#qt.q4_K",
                                      "#qt.q4_K", "#qt.q6_K"}));
  weights = {
      {"embeddings.word_embeddings.weight", 128, 256},
      {"embeddings.position_embeddings.weight", 64, 256},
      {"embeddings.token_type_embeddings.weight", 2, 256},
      {"encoder.layer.0.attention.self.value.weight", 256, 256},
      {"encoder.layer.0.attention.output.dense.weight", 256, 256},
      {"encoder.layer.0.output.dense.weight", 256, 512},
  };
  EXPECT_EQ(chooseMixSchemes(*findMix("Q2_K"), weights),
            (std::vector<std::string>{"#qt.q6_K", "keep", "keep", "#qt.q3_K",
                                      "#qt.q3_K", "#qt.q3_K"}));
}

TEST(Mix, becomes_rules_for_weights) {
  llvm::Expected<Recipe> recipe = Recipe::load("Q4_K_M-a32");
  ASSERT_TRUE(bool(recipe));
  std::vector<MixWeight> weights = llama({8, 256, 512, 4, 2, 1});
  recipe->fitMix(weights);
  auto rule = [&](StringRef name) {
    return recipe->find(name == "token_embd.weight" ? "Embedding" : "Linear",
                        name);
  };
  EXPECT_EQ(rule("blk.0.attn_v.weight")->weights.text, "#qt.q6_K");
  EXPECT_EQ(rule("blk.1.attn_v.weight")->weights.text, "#qt.q4_K");
  EXPECT_EQ(rule("output.weight")->weights.text, "#qt.q6_K");
  EXPECT_EQ(rule("token_embd.weight")->weights.text, "#qt.q4_K");
  for (StringRef name : {"blk.0.attn_v.weight", "output.weight"})
    EXPECT_EQ(rule(name)->activations.text, "float");
}

} // namespace
