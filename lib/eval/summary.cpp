#include "eval/summary.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include "eval/reuse_by_position.h"
#include "eval/rounded.h"
#include "kvs/bootstrap.h"
#include "kvs/text_scores.h"

namespace kvs {
namespace {

constexpr std::array kReuseLevels{10, 30, 50, 70, 90};  // percent
constexpr int64_t kLongPrompt = 1000;                   // tokens

template <typename Figure>
std::vector<double> each(std::span<const Outcome> outcomes, Figure figure) {
  std::vector<double> values;
  values.reserve(outcomes.size());
  for (const Outcome& outcome : outcomes) values.push_back(figure(outcome));
  return values;
}

std::vector<double> ttft_of(std::span<const Outcome> outcomes) {
  return each(outcomes, [](const Outcome& outcome) { return outcome.reuse.ttft_ms; });
}

Json median_and_p95(const std::vector<double>& values) {
  Json json;
  json.set("median", rounded(median(values)));
  json.set("p95", rounded(percentile(values, 0.95)));
  return json;
}

Json interval_to_json(const Interval& interval) {
  return Json::Array{rounded(interval.low), rounded(interval.high)};
}

Json interval_of_mean(const std::vector<double>& values) {
  return interval_to_json(bootstrap_mean_difference(values, std::vector(values.size(), 0.0)));
}

// Tokens reused of all tokens; null where there are no requests.
Json hit_rate(std::span<const Outcome> outcomes) {
  int64_t tokens = 0, reused = 0;
  for (const Outcome& outcome : outcomes) {
    tokens += outcome.reuse.prompt_tokens;
    reused += outcome.reuse.exact + outcome.reuse.shifted + outcome.reuse.fuzzy;
  }
  if (tokens == 0) return {};
  return rounded(static_cast<double>(reused) / static_cast<double>(tokens));
}

// Share of the requests that reuse more than so many percent of their tokens.
Json reused_over(std::span<const Outcome> outcomes) {
  if (outcomes.empty()) return {};
  Json json;
  for (const int level : kReuseLevels) {
    const auto over = std::count_if(outcomes.begin(), outcomes.end(), [&](const Outcome& outcome) {
      return outcome.reuse.hit_rate() * 100 > level;
    });
    json.set(std::to_string(level),
             rounded(static_cast<double>(over) / static_cast<double>(outcomes.size())));
  }
  return json;
}

// Of the requests for which `holds` does, given their places.
template <typename Holds>
std::vector<Outcome> those(std::span<const Outcome> outcomes, Holds holds) {
  std::vector<Outcome> some;
  for (size_t index = 0; index < outcomes.size(); ++index)
    if (holds(index)) some.push_back(outcomes[index]);
  return some;
}

void add_reuse(const Results& results, std::span<const Outcome> outcomes, Json& json) {
  const std::vector<Outcome> similar =
      those(outcomes, [&](size_t index) { return results.requests[index].similar; });
  json.set("hit_rate", hit_rate(outcomes));
  json.set("hit_rate_similar", hit_rate(similar));
  json.set("reused_over", reused_over(outcomes));
  json.set("reused_over_similar", reused_over(similar));
  json.set("reused_by_position", reuse_by_position(outcomes));
  json.set("computed_share",
           rounded(mean(each(outcomes, [](const auto& o) { return o.reuse.computed_share; }))));
}

void add_times(const Results& results, std::span<const Outcome> outcomes, Json& json) {
  const std::vector<double> ttft = ttft_of(outcomes), full = ttft_of(results.full);
  std::vector<double> ratio(ttft.size()), tpot;
  for (size_t index = 0; index < ttft.size(); ++index) ratio[index] = ttft[index] / full[index];
  double tokens = 0, seconds = 0;
  for (const Outcome& outcome : outcomes) {
    if (outcome.reuse.tpot_ms > 0) tpot.push_back(outcome.reuse.tpot_ms);
    tokens += static_cast<double>(outcome.tokens.size());
    seconds += outcome.total_ms / 1000;
  }
  json.set("ttft_ms", median_and_p95(ttft));
  json.set("ttft_ratio", median_and_p95(ratio));
  json.set("speedup", rounded(median(full) / median(ttft)));
  json.set("speedup_interval", interval_to_json(bootstrap_ratio_of_medians(full, ttft)));
  json.set("planning_ms", median_and_p95(each(outcomes, [](const Outcome& outcome) {
             return outcome.reuse.lookup_ms + outcome.reuse.plan_ms + outcome.reuse.load_ms +
                    outcome.store_ms;
           })));
  json.set("tpot_ms", tpot.empty() ? Json() : rounded(median(tpot)));
  json.set("throughput_tokens_per_s", rounded(tokens / seconds));
  json.set("background_compute",
           rounded(mean(each(outcomes, [](const auto& o) { return o.background_compute; }))));
}

// Texts beside those that they are compared with.
struct Pairs {
  std::vector<std::string> found, expected;

  std::vector<double> rouge_l() const {
    std::vector<double> scores;
    for (size_t index = 0; index < found.size(); ++index)
      scores.push_back(kvs::rouge_l(found[index], expected[index]));
    return scores;
  }
};

Pairs with_full(const Results& results, std::span<const Outcome> outcomes) {
  Pairs pairs;
  for (size_t index = 0; index < outcomes.size(); ++index) {
    pairs.found.push_back(outcomes[index].text);
    pairs.expected.push_back(results.full[index].text);
  }
  return pairs;
}

// Of the requests that have a reference.
Pairs with_reference(const Results& results, std::span<const Outcome> outcomes) {
  Pairs pairs;
  for (size_t index = 0; index < outcomes.size(); ++index) {
    const auto& reference = results.requests[index].request.reference;
    if (!reference) continue;
    pairs.found.push_back(outcomes[index].text);
    pairs.expected.push_back(*reference);
  }
  return pairs;
}

// BLEU against the references less that of the full run's answers.
Json bleu_minus_full(const Pairs& found, const Pairs& full) {
  if (found.found.empty()) return {};
  std::vector<BleuCounts> left, right;
  for (size_t pair = 0; pair < found.found.size(); ++pair) {
    left.push_back(bleu_counts(found.found[pair], found.expected[pair]));
    right.push_back(bleu_counts(full.found[pair], full.expected[pair]));
  }
  const auto minus = [&](std::span<const size_t> places) {
    BleuCounts ours, theirs;
    for (const size_t place : places) {
      ours += left[place];
      theirs += right[place];
    }
    return ours.score() - theirs.score();
  };
  std::vector<size_t> all(left.size());
  std::iota(all.begin(), all.end(), size_t{0});
  Json json;
  json.set("value", rounded(minus(all)));
  json.set("interval", interval_to_json(bootstrap(left.size(), minus)));
  return json;
}

Json difference(const std::vector<double>& left, const std::vector<double>& right) {
  if (left.empty()) return {};
  Json json;
  json.set("value", rounded(mean(left) - mean(right)));
  json.set("interval", interval_to_json(bootstrap_mean_difference(left, right)));
  return json;
}

constexpr std::array kScores{"bleu_vs_full",
                             "rouge_l_vs_full",
                             "bleu_vs_reference",
                             "rouge_l_vs_reference",
                             "rouge_l_vs_full_minus_noise",
                             "bleu_vs_reference_minus_full",
                             "rouge_l_vs_reference_minus_full",
                             "exact_match"};

void add_scores(const Results& results, std::span<const Outcome> outcomes, Json& json) {
  if (!results.answers) {
    for (const char* score : kScores) json.set(score, Json());
    return;
  }
  const Pairs full = with_full(results, outcomes);
  const Pairs reference = with_reference(results, outcomes);
  const bool compared = !reference.found.empty();
  json.set("bleu_vs_full", rounded(corpus_bleu(full.found, full.expected)));
  json.set("rouge_l_vs_full", rounded(mean(full.rouge_l())));
  json.set("bleu_vs_reference",
           compared ? rounded(corpus_bleu(reference.found, reference.expected)) : Json());
  json.set("rouge_l_vs_reference", compared ? rounded(mean(reference.rouge_l())) : Json());
  json.set("rouge_l_vs_full_minus_noise",
           difference(results.noise.empty() ? std::vector<double>() : full.rouge_l(),
                      with_full(results, results.noise).rouge_l()));
  json.set("bleu_vs_reference_minus_full",
           bleu_minus_full(reference, with_reference(results, results.full)));
  json.set("rouge_l_vs_reference_minus_full",
           difference(reference.rouge_l(), with_reference(results, results.full).rouge_l()));
  double same = 0;
  for (size_t index = 0; index < outcomes.size(); ++index)
    same += outcomes[index].tokens == results.full[index].tokens;
  json.set("exact_match", rounded(same / static_cast<double>(outcomes.size())));
}

void add_divergence(std::span<const Outcome> outcomes, Json& json) {
  const std::vector<double> kl = each(outcomes, [](const Outcome& outcome) { return outcome.kl; });
  Json divergence;
  divergence.set("mean", rounded(mean(kl)));
  divergence.set("interval", interval_of_mean(kl));
  divergence.set("p95", rounded(percentile(kl, 0.95)));
  const auto over = std::count_if(kl.begin(), kl.end(), [](double value) { return value > 0.05; });
  divergence.set("over_0.05", rounded(static_cast<double>(over) / static_cast<double>(kl.size())));
  std::vector<double> late;
  for (const Outcome& outcome : outcomes)
    if (outcome.late_kl) late.push_back(*outcome.late_kl);
  divergence.set("late", late.empty() ? Json() : Json(rounded(mean(late))));
  json.set("kl", std::move(divergence));
  const std::vector<double> top1 = each(outcomes, [](const Outcome& o) { return o.top1; });
  json.set("top1_agreement", rounded(mean(top1)));
  json.set("top1_interval", interval_of_mean(top1));
}

// Of long prompts, where time to first token counts most; also of the similar ones among them.
Json long_ones(const Results& results, std::span<const Outcome> outcomes, bool similar) {
  const auto counts = [&](size_t index) {
    return outcomes[index].reuse.prompt_tokens >= kLongPrompt &&
           (results.requests[index].similar || !similar);
  };
  const std::vector<Outcome> ours = those(outcomes, counts), full = those(results.full, counts);
  Json json;
  json.set("requests", std::ssize(ours));
  if (ours.empty()) return json;
  json.set("hit_rate", hit_rate(ours));
  json.set("speedup", rounded(median(ttft_of(full)) / median(ttft_of(ours))));
  json.set("speedup_interval",
           interval_to_json(bootstrap_ratio_of_medians(ttft_of(full), ttft_of(ours))));
  add_divergence(ours, json);
  return json;
}

// Whether the cost model or the guard refused a reuse that was there.
bool declined(const Outcome& outcome) {
  const std::string_view reason = reuse_reason_name(outcome.reuse.reason);
  return reason == "unprofitable" || reason == "guard";
}

void add_reasons(std::span<const Outcome> outcomes, Json& json) {
  std::map<std::string, int64_t> counts;
  for (const Outcome& outcome : outcomes)
    if (outcome.reuse.reason != ReuseReason::none)
      ++counts[reuse_reason_name(outcome.reuse.reason)];
  Json reasons{Json::Object{}};
  for (const auto& [reason, count] : counts) reasons.set(reason, count);
  json.set("declined", int64_t{std::count_if(outcomes.begin(), outcomes.end(), declined)});
  json.set("reasons", std::move(reasons));
}

}  // namespace

void add_summary(const Results& results, std::span<const Outcome> outcomes, Json& json) {
  add_reuse(results, outcomes, json);
  add_times(results, outcomes, json);
  add_scores(results, outcomes, json);
  add_divergence(outcomes, json);
  add_reasons(outcomes, json);
  json.set("long", long_ones(results, outcomes, false));
  json.set("long_similar", long_ones(results, outcomes, true));
}

void add_detail(const Results& results, size_t index, const Outcome& outcome, Json& json) {
  const WorkloadRequest& request = results.requests[index];
  const Outcome& full = results.full[index];
  const ReuseReport& reuse = outcome.reuse;
  json.set("id", request.request.id);
  json.set("tenant", request.request.tenant);
  json.set("similar", request.similar);
  json.set("prompt_tokens", reuse.prompt_tokens);
  json.set("exact", reuse.exact);
  json.set("shifted", reuse.shifted);
  json.set("fuzzy", reuse.fuzzy);
  json.set("recomputed", reuse.recomputed);
  json.set("computed", reuse.computed);
  json.set("computed_share", rounded(reuse.computed_share));
  json.set("depth", reuse.depth);
  json.set("hit_rate", rounded(reuse.hit_rate()));
  const std::string_view reason = reuse_reason_name(reuse.reason);
  json.set("reason", reason.empty() ? Json() : Json(reason));
  json.set("lookup_ms", rounded(reuse.lookup_ms));
  json.set("plan_ms", rounded(reuse.plan_ms));
  json.set("load_ms", rounded(reuse.load_ms));
  json.set("store_ms", rounded(outcome.store_ms));
  json.set("ttft_ms", rounded(reuse.ttft_ms));
  json.set("ttft_full_ms", rounded(full.reuse.ttft_ms));
  json.set("tpot_ms", rounded(reuse.tpot_ms));
  json.set("kl", rounded(outcome.kl));
  json.set("kl_late", outcome.late_kl ? Json(rounded(*outcome.late_kl)) : Json());
  json.set("top1", rounded(outcome.top1));
  json.set("background_compute", rounded(outcome.background_compute));
  json.set("evidence", reuse.evidence.kept > 0 ? evidence_to_json(reuse.evidence) : Json());
  if (results.answers) {
    json.set("exact_match", outcome.tokens == full.tokens);
    json.set("rouge_l_vs_full", rounded(rouge_l(outcome.text, full.text)));
    json.set("text", outcome.text);
  }
}

}  // namespace kvs
