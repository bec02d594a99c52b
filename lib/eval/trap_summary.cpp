#include "eval/trap_summary.h"

#include <map>

#include "eval/rounded.h"
#include "kvs/bootstrap.h"

namespace kvs {
namespace {

Json number_or_null(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

// For each pair the mean of `figure(choice, pair, side)` over its two prompts: they are no
// independent cases.
template <typename Figure>
std::vector<double> each_pair(const TrapEntry& entry, Figure figure) {
  std::vector<double> values;
  for (size_t pair = 0; pair < entry.choices.size(); ++pair)
    values.push_back(
        (figure(entry.choices[pair][0], pair, 0) + figure(entry.choices[pair][1], pair, 1)) / 2);
  return values;
}

template <typename Figure>
Json mean_of(const TrapEntry& entry, Figure figure) {
  return rounded(mean(each_pair(entry, figure)));
}

std::vector<double> agreement(const TrapResults& results, const TrapEntry& entry) {
  return each_pair(entry, [&](const TrapChoice& choice, size_t pair, size_t side) {
    const TrapChoice& full = results.entries.front().choices[pair][side];
    return choice.answer() == full.answer() ? 1.0 : 0.0;
  });
}

Json by_kind(const TrapResults& results, const std::vector<double>& agreed) {
  std::map<std::string, std::vector<double>> kinds;
  for (size_t pair = 0; pair < agreed.size(); ++pair)
    kinds[results.kinds[pair]].push_back(agreed[pair]);
  Json json{Json::Object{}};
  for (const auto& [kind, values] : kinds) json.set(kind, rounded(mean(values)));
  return json;
}

Json minus_noise(const TrapResults& results, const std::vector<double>& agreed) {
  if (!results.noise) return {};
  const std::vector<double> noise = agreement(results, *results.noise);
  const Interval interval = bootstrap_mean_difference(agreed, noise);
  Json json;
  json.set("value", rounded(mean(agreed) - mean(noise)));
  json.set("interval", Json::Array{rounded(interval.low), rounded(interval.high)});
  return json;
}

void add_figures(const TrapResults& results, const TrapEntry& entry, Json& json) {
  const std::vector<double> agreed = agreement(results, entry);
  json.set("agreement", rounded(mean(agreed)));
  json.set("agreement_minus_noise", minus_noise(results, agreed));
  json.set("agreement_by_kind", by_kind(results, agreed));
  json.set("correct", mean_of(entry, [](const TrapChoice& choice, size_t, size_t side) {
             return choice.answer() == static_cast<int>(side) ? 1.0 : 0.0;
           }));
  json.set("hit_rate", mean_of(entry, [](const TrapChoice& choice, size_t, size_t) {
             return choice.hit_rate;
           }));
  json.set("computed_share", mean_of(entry, [](const TrapChoice& choice, size_t, size_t) {
             return choice.computed_share;
           }));
}

Json kind_counts(std::span<const std::string> kinds) {
  std::map<std::string, int64_t> counts;
  for (const std::string& kind : kinds) ++counts[kind];
  Json json{Json::Object{}};
  for (const auto& [kind, count] : counts) json.set(kind, count);
  return json;
}

}  // namespace

Json trap_figures(const TrapResults& results) {
  Json json, policies{Json::Array{}}, noise;
  json.set("tried", results.tried);
  json.set("pairs", static_cast<int64_t>(results.kinds.size()));
  json.set("kinds", kind_counts(results.kinds));
  for (const TrapEntry& entry : results.entries) {
    if (results.kinds.empty()) break;  // there is nothing to agree on
    Json figures;
    figures.set("name", entry.name);
    figures.set("budget", number_or_null(entry.budget));
    add_figures(results, entry, figures);
    policies.push(std::move(figures));
  }
  if (results.noise && !results.kinds.empty()) {
    noise.set("rows_per_step", results.noise_rows);
    add_figures(results, *results.noise, noise);
  }
  json.set("policies", std::move(policies));
  json.set("noise_floor", std::move(noise));
  return json;
}

}  // namespace kvs
