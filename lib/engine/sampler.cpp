#include "kvs/sampler.h"

#include <algorithm>
#include <cmath>

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

void penalise_repetition(std::vector<Candidate>& candidates, std::span<const int32_t> history,
                         double penalty) {
  if (penalty == 1) return;
  std::vector<bool> seen(candidates.size());
  for (const int32_t token : history) seen[token] = true;
  for (Candidate& candidate : candidates)
    if (seen[candidate.token])
      candidate.weight =
          candidate.weight > 0 ? candidate.weight / penalty : candidate.weight * penalty;
}

void penalise_answer(std::vector<Candidate>& candidates, std::span<const int32_t> answer,
                     double presence, double frequency) {
  if (presence == 0 && frequency == 0) return;
  std::vector<bool> seen(candidates.size());
  for (const int32_t token : answer) {
    candidates[token].weight -= frequency + (seen[token] ? 0 : presence);
    seen[token] = true;
  }
}

void add_bias(std::vector<Candidate>& candidates,
              std::span<const std::pair<int32_t, double>> logit_bias) {
  for (const auto& [token, bias] : logit_bias)
    if (token >= 0 && static_cast<size_t>(token) < candidates.size())
      candidates[token].weight += bias;
}

// Ties go to the lower token, so that the order is total.
bool better(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
}

void keep_top_k(std::vector<Candidate>& candidates, size_t k) {
  if (k == 0 || k >= candidates.size()) return;
  std::nth_element(candidates.begin(), candidates.begin() + k, candidates.end(), better);
  candidates.resize(k);
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
  std::vector<Candidate> candidates = all_candidates(logits);
  penalise_repetition(candidates, history, options_.repetition_penalty);
  penalise_answer(candidates, history.subspan(prompt_tokens), options_.presence_penalty,
                  options_.frequency_penalty);
  add_bias(candidates, options_.logit_bias);

  const Candidate best = *std::min_element(candidates.begin(), candidates.end(), better);
  if (options_.temperature == 0) return best.token;
  keep_top_k(candidates, options_.top_k);
  for (Candidate& candidate : candidates)
    candidate.weight = std::exp((candidate.weight - best.weight) / options_.temperature);
  keep_top_p(candidates, options_.top_p);
  keep_min_p(candidates, options_.min_p);  // the best one weighs 1

  // 53 bits, because std::uniform_real_distribution differs between libraries.
  const double drawn = static_cast<double>(random_() >> 11) * 0x1p-53 * total(candidates);
  return candidates[count_to(drawn, candidates) - 1].token;
}

}  // namespace kvs
