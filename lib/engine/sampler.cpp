#include "kvs/sampler.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kvs/backend.h"
#include "kvs/error.h"

namespace kvs {
namespace {

struct Candidate {
  int32_t token;
  double weight;  // logit, then probability up to a factor
};

void expect_range(const char* name, double value, double low, double high) {
  if (!(value >= low && value <= high))
    fail(ErrorKind::argument, "{}: found {}, expected {} to {}", name, value, low, high);
}

std::vector<Candidate> all_candidates(std::span<const float> logits) {
  std::vector<Candidate> candidates(logits.size());
  for (size_t token = 0; token < logits.size(); ++token)
    candidates[token] = {static_cast<int32_t>(token), logits[token]};
  return candidates;
}

// One for each token up to the largest of these.
std::vector<bool> marks_for(std::span<const int32_t> tokens) {
  const auto largest = std::max_element(tokens.begin(), tokens.end());
  return std::vector<bool>(largest == tokens.end() ? 0 : *largest + size_t{1});
}

// Each once, in the order in which they come.
std::vector<int32_t> distinct(std::span<const int32_t> tokens) {
  std::vector<int32_t> found;
  std::vector<bool> seen = marks_for(tokens);
  for (const int32_t token : tokens)
    if (!seen[token]) {
      found.push_back(token);
      seen[token] = true;
    }
  return found;
}

// Of candidates that ascend by token; null where the token is none.
Candidate* find(std::vector<Candidate>& candidates, int32_t token) {
  const auto found =
      std::lower_bound(candidates.begin(), candidates.end(), token,
                       [](const Candidate& c, int32_t wanted) { return c.token < wanted; });
  return found != candidates.end() && found->token == token ? &*found : nullptr;
}

void penalise_repetition(std::vector<Candidate>& candidates, std::span<const int32_t> history,
                         double penalty) {
  if (penalty == 1) return;
  for (const int32_t token : distinct(history))
    if (Candidate* seen = find(candidates, token))
      seen->weight = seen->weight > 0 ? seen->weight / penalty : seen->weight * penalty;
}

void penalise_answer(std::vector<Candidate>& candidates, std::span<const int32_t> answer,
                     double presence, double frequency) {
  if (presence == 0 && frequency == 0) return;
  std::vector<bool> seen = marks_for(answer);
  for (const int32_t token : answer) {
    if (Candidate* own = find(candidates, token))
      own->weight -= frequency + (seen[token] ? 0 : presence);
    seen[token] = true;
  }
}

void add_bias(std::vector<Candidate>& candidates,
              std::span<const std::pair<int32_t, double>> logit_bias) {
  for (const auto& [token, bias] : logit_bias)
    if (Candidate* biased = find(candidates, token)) biased->weight += bias;
}

// Ties go to the lower token, so that the order is total.
bool better(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
}

void keep_top_k(std::vector<Candidate>& candidates, size_t k) {
  if (k == 0 || k >= candidates.size()) return;
  std::nth_element(candidates.begin(), candidates.begin() + k, candidates.end(), better);
  candidates.resize(k);
  std::sort(candidates.begin(), candidates.end(), better);  // so that sums do not depend on chance
}

double total(const std::vector<Candidate>& candidates) {
  double sum = 0;
  for (const Candidate& candidate : candidates) sum += candidate.weight;
  return sum;
}

// Walks in falling order up to the candidate with which the sum of the weights reaches `sum`, and
// returns how many these are. Only as many are sorted: the first few hold most of the probability,
// and a vocabulary takes milliseconds to sort.
size_t count_to(double sum, std::vector<Candidate>& candidates) {
  size_t sorted = 0;
  for (size_t count = 0; count < candidates.size(); ++count) {
    if (count == sorted) {
      const auto first = candidates.begin() + static_cast<int64_t>(sorted);
      sorted = std::min(std::max<size_t>(64, 8 * sorted), candidates.size());
      std::partial_sort(first, candidates.begin() + static_cast<int64_t>(sorted), candidates.end(),
                        better);
    }
    if ((sum -= candidates[count].weight) <= 0) return count + 1;
  }
  return candidates.size();
}

void keep_top_p(std::vector<Candidate>& candidates, double top_p) {
  if (top_p < 1) candidates.resize(count_to(top_p * total(candidates), candidates));
}

void keep_min_p(std::vector<Candidate>& candidates, double limit) {
  std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.weight < limit; });
}

// The token drawn from candidates that ascend by token.
int32_t draw(std::vector<Candidate> candidates, const SamplingOptions& options,
             std::span<const int32_t> history, size_t prompt_tokens, std::mt19937_64& random) {
  penalise_repetition(candidates, history, options.repetition_penalty);
  penalise_answer(candidates, history.subspan(prompt_tokens), options.presence_penalty,
                  options.frequency_penalty);
  add_bias(candidates, options.logit_bias);

  const Candidate best = *std::min_element(candidates.begin(), candidates.end(), better);
  if (options.temperature == 0) return best.token;
  keep_top_k(candidates, options.top_k);
  for (Candidate& candidate : candidates)
    candidate.weight = std::exp((candidate.weight - best.weight) / options.temperature);
  keep_top_p(candidates, options.top_p);
  keep_min_p(candidates, options.min_p);  // the best one weighs 1

  // 53 bits, because std::uniform_real_distribution differs between libraries.
  const double drawn = static_cast<double>(random() >> 11) * 0x1p-53 * total(candidates);
  return candidates[count_to(drawn, candidates) - 1].token;
}

}  // namespace

int32_t argmax(std::span<const float> logits) {
  size_t best = 0;
  for (size_t token = 1; token < logits.size(); ++token)
    if (logits[token] > logits[best] || std::isnan(logits[best])) best = token;
  return static_cast<int32_t>(best);
}

Sampler::Sampler(const SamplingOptions& options) : options_(options), random_(options.seed) {
  expect_range("temperature", options.temperature, 0, 100);
  expect_range("repetition_penalty", options.repetition_penalty, 0.01, 100);
  expect_range("top_k", options.top_k, 0, 1 << 30);
  expect_range("top_p", options.top_p, 0, 1);
  expect_range("min_p", options.min_p, 0, 1);
  expect_range("presence_penalty", options.presence_penalty, -2, 2);
  expect_range("frequency_penalty", options.frequency_penalty, -2, 2);
  for (const auto& [token, bias] : options.logit_bias) expect_range("logit_bias", bias, -100, 100);
}

bool Sampler::is_plain() const {
  return options_.repetition_penalty == 1 && options_.presence_penalty == 0 &&
         options_.frequency_penalty == 0 && options_.logit_bias.empty();
}

int32_t Sampler::sample(std::span<const float> logits, std::span<const int32_t> history,
                        size_t prompt_tokens) {
  if (options_.temperature == 0 && is_plain()) return argmax(logits);
  return draw(all_candidates(logits), options_, history, prompt_tokens, random_);
}

int Sampler::needed() const {
  if (options_.temperature == 0) return 1;
  return options_.top_k <= Backend::kMostTopLogits ? options_.top_k : 0;
}

std::vector<int32_t> Sampler::own_tokens(std::span<const int32_t> history, size_t prompt_tokens,
                                         int32_t vocab) const {
  const bool answer = options_.presence_penalty != 0 || options_.frequency_penalty != 0;
  const bool all = options_.repetition_penalty != 1;
  std::vector<int32_t> tokens;
  if (all || answer) {
    const auto seen = history.subspan(all ? 0 : prompt_tokens);
    tokens.assign(seen.begin(), seen.end());
  }
  for (const auto& [token, bias] : options_.logit_bias)
    if (token >= 0 && token < vocab) tokens.push_back(token);
  return distinct(tokens);
}

int32_t Sampler::sample_some(std::span<const TopLogit> logits, std::span<const int32_t> history,
                             size_t prompt_tokens) {
  std::vector<Candidate> candidates;
  candidates.reserve(logits.size());
  for (const auto& [token, logit] : logits) candidates.push_back({token, logit});
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.token < b.token; });
  return draw(std::move(candidates), options_, history, prompt_tokens, random_);
}

}  // namespace kvs
