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

// Leaves the k best in falling order; ties go to the lower token, so that the order is total.
void sort_best(std::vector<Candidate>& candidates, size_t k) {
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
  };
  k = std::min(k, candidates.size());
  std::partial_sort(candidates.begin(), candidates.begin() + k, candidates.end(), better);
  candidates.resize(k);
}

double total(const std::vector<Candidate>& candidates) {
  double sum = 0;
  for (const Candidate& candidate : candidates) sum += candidate.weight;
  return sum;
}

void keep_top_p(std::vector<Candidate>& candidates, double top_p) {
  const double limit = top_p * total(candidates);
  double sum = 0;
  size_t kept = 0;
  while (kept < candidates.size() && sum < limit) sum += candidates[kept++].weight;
  candidates.resize(std::max<size_t>(kept, 1));
}

void keep_min_p(std::vector<Candidate>& candidates, double min_p) {
  const double limit = min_p * candidates.front().weight;
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

  const bool greedy = options_.temperature == 0;
  sort_best(candidates, greedy ? 1 : options_.top_k > 0 ? options_.top_k : candidates.size());
  if (greedy) return candidates.front().token;

  const double best = candidates.front().weight;
  for (Candidate& candidate : candidates)
    candidate.weight = std::exp((candidate.weight - best) / options_.temperature);
  keep_top_p(candidates, options_.top_p);
  keep_min_p(candidates, options_.min_p);

  // 53 bits, because std::uniform_real_distribution differs between libraries.
  double left = static_cast<double>(random_() >> 11) * 0x1p-53 * total(candidates);
  for (const Candidate& candidate : candidates)
    if ((left -= candidate.weight) < 0) return candidate.token;
  return candidates.back().token;
}

}  // namespace kvs
