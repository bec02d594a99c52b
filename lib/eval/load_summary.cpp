#include <algorithm>
#include <map>

#include "eval/rounded.h"
#include "kvs/bootstrap.h"
#include "kvs/load.h"

namespace kvs {
namespace {

double to_four_places(double value) {
  return rounded(value, 1e4);
}

// null where there are no values.
Json distribution(const std::vector<double>& values) {
  if (values.empty()) return {};
  return Json::Object{{"mean", to_four_places(mean(values))},
                      {"p50", to_four_places(median(values))},
                      {"p90", to_four_places(percentile(values, 0.9))},
                      {"p99", to_four_places(percentile(values, 0.99))},
                      {"max", to_four_places(*std::max_element(values.begin(), values.end()))}};
}

Json share(int64_t part, int64_t whole) {
  if (whole == 0) return {};
  return to_four_places(static_cast<double>(part) / static_cast<double>(whole));
}

// Mean time per further token; nothing where there is none.
std::optional<double> tpot(const LoadSample& sample) {
  if (sample.tokens() < 2 || sample.last_ms <= sample.first_ms) return std::nullopt;
  return (sample.last_ms - sample.first_ms) / static_cast<double>(sample.tokens() - 1);
}

struct Totals {
  int64_t answered = 0, soon_enough = 0;
  int64_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0;
  double end_ms = 0;
  std::vector<double> ttft, per_token, total, late;
  std::map<std::string, int64_t> errors;

  void add(const LoadSample& sample, double ttft_limit_ms) {
    end_ms = std::max(end_ms, sample.due_ms + sample.total_ms);
    late.push_back(std::max(0.0, sample.sent_ms - sample.due_ms));
    if (!sample.answered()) {
      ++errors[sample.reply.error];
      return;
    }
    ++answered;
    soon_enough += sample.first_ms <= ttft_limit_ms;
    completion_tokens += sample.tokens();
    if (sample.reply.usage) {
      prompt_tokens += sample.reply.usage->prompt_tokens;
      cached_tokens += sample.reply.usage->cached_tokens;
    }
    ttft.push_back(sample.first_ms);
    total.push_back(sample.total_ms);
    if (const auto time = tpot(sample)) per_token.push_back(*time);
  }

  Json per_second(int64_t count) const {
    if (end_ms <= 0) return {};
    return to_four_places(static_cast<double>(count) / end_ms * 1000);
  }
};

Json tenants_to_json(std::span<const LoadSample> samples) {
  std::map<std::string, Totals> tenants;
  for (const LoadSample& sample : samples) tenants[sample.tenant].add(sample, 0);
  Json list{Json::Array{}};
  for (const auto& [name, totals] : tenants)
    list.push(Json::Object{{"name", name},
                           {"requests", static_cast<int64_t>(totals.late.size())},
                           {"answered", totals.answered},
                           {"cached_share", share(totals.cached_tokens, totals.prompt_tokens)},
                           {"ttft_ms", distribution(totals.ttft)}});
  return list;
}

}  // namespace

Json summarize_load(std::span<const LoadSample> samples, double ttft_limit_ms) {
  Totals totals;
  for (const LoadSample& sample : samples) totals.add(sample, ttft_limit_ms);
  Json errors{Json::Object{}};
  for (const auto& [code, count] : totals.errors) errors.set(code, count);
  return Json::Object{{"requests", static_cast<int64_t>(samples.size())},
                      {"answered", totals.answered},
                      {"errors", errors},
                      {"seconds", to_four_places(totals.end_ms / 1000)},
                      {"requests_per_s", totals.per_second(totals.answered)},
                      {"tokens_per_s", totals.per_second(totals.completion_tokens)},
                      {"prompt_tokens", totals.prompt_tokens},
                      {"cached_tokens", totals.cached_tokens},
                      {"cached_share", share(totals.cached_tokens, totals.prompt_tokens)},
                      {"completion_tokens", totals.completion_tokens},
                      {"ttft_ms", distribution(totals.ttft)},
                      {"tpot_ms", distribution(totals.per_token)},
                      {"total_ms", distribution(totals.total)},
                      {"late_ms", distribution(totals.late)},
                      {"ttft_limit_ms", ttft_limit_ms},
                      {"within_limit", totals.soon_enough},
                      {"goodput_per_s", totals.per_second(totals.soon_enough)},
                      {"tenants", tenants_to_json(samples)}};
}

Json load_sample_to_json(const LoadSample& sample) {
  const ApiReply& reply = sample.reply;
  const ApiUsage usage = reply.usage.value_or(ApiUsage{});
  return Json::Object{{"id", sample.id},
                      {"tenant", sample.tenant},
                      {"due_ms", to_four_places(sample.due_ms)},
                      {"sent_ms", to_four_places(sample.sent_ms)},
                      {"ttft_ms", to_four_places(sample.first_ms)},
                      {"total_ms", to_four_places(sample.total_ms)},
                      {"status", reply.status},
                      {"error", reply.error.empty() ? Json() : Json(reply.error)},
                      {"message", reply.error.empty() ? Json() : Json(reply.message)},
                      {"finish_reason", reply.finish_reason},
                      {"prompt_tokens", usage.prompt_tokens},
                      {"cached_tokens", usage.cached_tokens},
                      {"completion_tokens", sample.tokens()},
                      {"kvshare", reply.kvshare}};
}

}  // namespace kvs
