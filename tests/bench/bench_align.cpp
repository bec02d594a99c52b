// What alignment costs on one core: two texts of 8,192 tokens, and a cover by many donors.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string_view>

#include "kvs/align.h"
#include "kvs/cover.h"
#include "support/token_texts.h"

namespace {

using kvs::test::Tokens;

constexpr int64_t kTokens = 8192;
constexpr int64_t kVocab = 49'152;

template <typename Body>
void measure(std::string_view name, Body body) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> ms(31);
  double coverage = 0;
  for (double& sample : ms) {
    const auto start = Clock::now();
    coverage = body();
    sample = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  }
  std::sort(ms.begin(), ms.end());
  fmt::print("{:<44} {:>8.3f} ms  (p10 {:.3f}, p90 {:.3f})  coverage {:.3f}\n", name, ms[15], ms[3],
             ms[27], coverage);
}

void measure_align(std::string_view name, const Tokens& target, const Tokens& donor,
                   const kvs::AlignOptions& options = {}) {
  measure(name, [&] { return kvs::align(target, donor, options).coverage(); });
}

void measure_cover(std::string_view name, const Tokens& target, const std::vector<Tokens>& donors) {
  const std::vector<std::span<const int32_t>> spans(donors.begin(), donors.end());
  measure(name, [&] {
    int64_t covered = 0;
    for (const auto& span : kvs::cover(target, spans)) covered += span.count;
    return static_cast<double>(covered) / static_cast<double>(target.size());
  });
}

Tokens repeated(const Tokens& block) {
  Tokens text;
  while (static_cast<int64_t>(text.size()) < kTokens)
    text.insert(text.end(), block.begin(), block.end());
  text.resize(kTokens);
  return text;
}

std::vector<Tokens> variants(std::mt19937_64& random, const Tokens& text, int count, double edits,
                             int64_t vocab) {
  std::vector<Tokens> donors;
  for (int at = 0; at < count; ++at)
    donors.push_back(
        kvs::test::shuffled_blocks(random, kvs::test::edited(random, text, edits, vocab), 400));
  return donors;
}

}  // namespace

int main() {
  using kvs::test::edited, kvs::test::random_tokens, kvs::test::shuffled_blocks;
  std::mt19937_64 random(7);
  const Tokens text = random_tokens(random, kTokens, kVocab);
  const Tokens few_words = random_tokens(random, kTokens, 2);
  const Tokens other = random_tokens(random, kTokens, kVocab);

  measure_align("align: equal", text, text);
  measure_align("align: 1 % of the tokens edited", edited(random, text, 0.01, kVocab), text);
  measure_align("align: 5 % of the tokens edited", edited(random, text, 0.05, kVocab), text);
  measure_align("align: 20 % of the tokens edited", edited(random, text, 0.2, kVocab), text);
  measure_align("align: blocks of 400 in another order", shuffled_blocks(random, text, 400), text);
  measure_align("align: nothing in common", other, text);
  measure_align("align: nothing in common, min_span 1", other, text, {.min_span = 1});
  measure_align("align: one token repeated", Tokens(kTokens, 1), Tokens(kTokens / 2, 1));
  measure_align("align: two tokens, 5 % edited", edited(random, few_words, 0.05, 2), few_words);
  measure_align("align: two tokens, unrelated", random_tokens(random, kTokens, 2), few_words);
  measure_align("align: two tokens, unrelated, min_span 1", random_tokens(random, kTokens, 2),
                few_words, {.min_span = 1});
  const Tokens three_words = random_tokens(random, kTokens, 3);
  const Tokens period = repeated(random_tokens(random, 50, kVocab));
  measure_align("align: three tokens, unrelated, min_span 4", random_tokens(random, kTokens, 3),
                three_words, {.min_span = 4});
  measure_align("align: a text of 50 tokens repeated, 10 % edited",
                edited(random, period, 0.1, kVocab), edited(random, period, 0.1, kVocab));
  measure_align("the same with five times the budget", edited(random, period, 0.1, kVocab),
                edited(random, period, 0.1, kVocab), {.budget = 1'000'000});
  measure_cover("cover: 30 unrelated donors", text, variants(random, other, 30, 0.1, kVocab));
  measure_cover("cover: 30 donors, 5 % edited, shuffled", text,
                variants(random, text, 30, 0.05, kVocab));
  measure_cover("cover: 30 donors, one token repeated", Tokens(kTokens, 1),
                std::vector<Tokens>(30, Tokens(kTokens / 2, 1)));
  measure_cover("cover: 30 donors of two tokens", few_words,
                variants(random, few_words, 30, 0.1, 2));
}
