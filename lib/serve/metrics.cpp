#include "serve/metrics.h"

#include <fmt/format.h>

namespace kvs {
namespace {

std::string head(const std::string& name, const char* help, const char* type) {
  return fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
}

std::string single(const std::string& name, const char* help, const char* type, int64_t value) {
  return head(name, help, type) + fmt::format("{} {}\n", name, value);
}

std::string by_label(const std::string& name, const char* help, const char* label,
                     const std::map<std::string, int64_t>& values) {
  std::string text = head(name, help, "counter");
  for (const auto& [key, value] : values)
    text += fmt::format("{}{{{}=\"{}\"}} {}\n", name, label, key, value);
  return text;
}

struct TierFigure {
  const char* name;
  const char* help;
  const char* type;
  int64_t TierState::*value;
};

constexpr TierFigure kTierFigures[] = {
    {"donors", "Donors that can be found in a tier", "gauge", &TierState::donors},
    {"bytes", "Bytes that a tier's donors take", "gauge", &TierState::bytes},
    {"hits_total", "Donors brought into memory", "counter", &TierState::hits},
    {"hit_tokens_total", "Tokens of the donors brought into memory", "counter",
     &TierState::hit_tokens},
    {"misses_total", "Look-ups that a tier had nothing for beyond memory", "counter",
     &TierState::misses},
    {"damaged_total", "Damaged entries, removed", "counter", &TierState::damaged},
    {"lost_total", "Donors that were gone when they were wanted", "counter", &TierState::lost},
    {"late_total", "Prompts that did not wait any longer", "counter", &TierState::late},
    {"failed_reads_total", "Donors that could not be read", "counter", &TierState::failed_reads},
    {"written_total", "Donors written", "counter", &TierState::written},
    {"failed_writes_total", "Donors that could not be written", "counter",
     &TierState::failed_writes},
    {"evicted_total", "Donors given up for others or for their age", "counter",
     &TierState::evicted},
    {"read_bytes_total", "Bytes read", "counter", &TierState::read_bytes},
    {"written_bytes_total", "Bytes written", "counter", &TierState::written_bytes},
};

std::string of_tiers(const std::vector<TierState>& tiers) {
  if (tiers.empty()) return {};
  std::string text = head("kvshare_tier_up", "Whether a tier answers", "gauge");
  for (const TierState& tier : tiers)
    text += fmt::format("kvshare_tier_up{{tier=\"{}\"}} {}\n", tier.name, tier.reachable ? 1 : 0);
  for (const TierFigure& figure : kTierFigures) {
    const std::string name = std::string("kvshare_tier_") + figure.name;
    text += head(name, figure.help, figure.type);
    for (const TierState& tier : tiers)
      text += fmt::format("{}{{tier=\"{}\"}} {}\n", name, tier.name, tier.*figure.value);
  }
  return text;
}

std::string of_state(const LoopState& state) {
  return single("kvshare_waiting_choices", "Choices not begun", "gauge", state.waiting) +
         single("kvshare_active_choices", "Choices being worked on", "gauge", state.active) +
         single("kvshare_kv_blocks_in_use", "Blocks of 64 tokens' KV in use", "gauge",
                state.blocks_in_use) +
         single("kvshare_kv_blocks", "Blocks there may be", "gauge", state.max_blocks) +
         single("kvshare_preemptions_total", "Choices that made way for others, and went on later",
                "counter", state.preemptions) +
         single("kvshare_donors", "Prompts whose rows are kept", "gauge", state.donors) +
         single("kvshare_published_donors", "Those that hold published text", "gauge",
                state.published) +
         by_label("kvshare_evicted_donors_total", "Donors given up in memory, by reason", "reason",
                  {{"age", state.evictions.age},
                   {"quota", state.evictions.quota},
                   {"room", state.evictions.room}}) +
         single("kvshare_background_texts_total", "Texts made exact behind the answers", "counter",
                state.background.texts) +
         single("kvshare_background_rows_total", "Tokens computed for them", "counter",
                state.background.rows) +
         of_tiers(state.tiers);
}

}  // namespace

void Histogram::observe(double seconds) {
  size_t bucket = 0;
  while (bucket < kBounds.size() && seconds > kBounds[bucket]) ++bucket;
  ++counts_[bucket];
  sum_ += seconds;
}

std::string Histogram::text(const std::string& name, const std::string& label) const {
  const std::string labels = label.empty() ? "" : "{" + label + "}";
  const std::string before_le = label.empty() ? "" : label + ",";
  std::string text;
  int64_t count = 0;
  for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    count += counts_[bucket];
    const std::string bound =
        bucket < kBounds.size() ? fmt::format("{}", kBounds[bucket]) : std::string("+Inf");
    text += fmt::format("{}_bucket{{{}le=\"{}\"}} {}\n", name, before_le, bound, count);
  }
  return text + fmt::format("{0}_sum{1} {2}\n{0}_count{1} {3}\n", name, labels, sum_, count);
}

Metrics::Metrics() {
  for (const char* kind : {"exact", "shifted", "fuzzy"})
    for (const DonorPlace place : kDonorPlaces) hits_[{kind, place}] = 0;
  for (const ReuseReason reason :
       {ReuseReason::off, ReuseReason::too_short, ReuseReason::no_donor,
        ReuseReason::below_threshold, ReuseReason::unprofitable, ReuseReason::guard})
    declined_[reuse_reason_name(reason)] = 0;
  for (const char* route : {"/v1/chat/completions", "/v1/completions", "/v1/embeddings"})
    requests_[{route, 200}] = 0;
}

void Metrics::expect_guard(const std::vector<double>& budgets) {
  const std::lock_guard lock(mutex_);
  for (const double budget : budgets) guard_budgets_[budget] = 0;
}

void Metrics::count_request(const std::string& route, int status) {
  const std::lock_guard lock(mutex_);
  ++requests_[{route, status}];
}

void Metrics::count_answer(const Response& response, double first_s) {
  const ReuseReport& reuse = response.reuse;
  const std::lock_guard lock(mutex_);
  ++finished_[response.finish_reason];
  prompt_tokens_ += reuse.prompt_tokens;
  generated_tokens_ += static_cast<int64_t>(response.tokens.size());
  for (const DonorUse& donor : reuse.donors) {
    hits_[{"exact", donor.place}] += donor.exact;
    hits_[{"shifted", donor.place}] += donor.shifted;
    hits_[{"fuzzy", donor.place}] += donor.fuzzy;
  }
  recomputed_tokens_ += reuse.recomputed;
  computed_tokens_ += reuse.computed;
  if (reuse.reason != ReuseReason::none) ++declined_[reuse_reason_name(reuse.reason)];
  if (!guard_budgets_.empty()) count_guard(reuse);
  const bool reused = reuse.exact + reuse.shifted + reuse.fuzzy > 0;
  if (first_s > 0) (reused ? ttft_reused_ : ttft_computed_).observe(first_s);
  if (reuse.tpot_ms > 0) tpot_.observe(reuse.tpot_ms / 1000);
}

void Metrics::count_guard(const ReuseReport& reuse) {
  if (reuse.reason == ReuseReason::guard) ++guarded_["declined"];
  if (!reuse.budget) return;
  ++guarded_[*reuse.budget > guard_budgets_.begin()->first ? "escalated" : "accepted"];
  ++guard_budgets_[*reuse.budget];
}

std::string Metrics::hits_text() const {
  const std::string name = "kvshare_hit_tokens_total";
  std::string text = head(name,
                          "Tokens of prompts that were not computed, by how they stood to their "
                          "donor and where that was",
                          "counter");
  for (const auto& [key, value] : hits_)
    text += fmt::format("{}{{kind=\"{}\",tier=\"{}\"}} {}\n", name, key.first,
                        donor_place_name(key.second), value);
  return text;
}

std::string Metrics::text(const LoopState& state) const {
  const std::lock_guard lock(mutex_);
  std::string text = head("kvshare_requests_total", "Requests answered", "counter");
  for (const auto& [key, value] : requests_)
    text += fmt::format("kvshare_requests_total{{route=\"{}\",status=\"{}\"}} {}\n", key.first,
                        key.second, value);
  text += by_label("kvshare_choices_total", "Choices ended, by reason", "reason", finished_);
  text += single("kvshare_prompt_tokens_total", "Tokens of prompts", "counter", prompt_tokens_);
  text +=
      single("kvshare_generated_tokens_total", "Tokens of answers", "counter", generated_tokens_);
  text += hits_text();
  text += single("kvshare_recomputed_tokens_total",
                 "Tokens that were kept and computed all the same", "counter", recomputed_tokens_);
  text += single("kvshare_computed_tokens_total", "Tokens of prompts without a source", "counter",
                 computed_tokens_);
  text += by_label("kvshare_declined_total", "Prompts by the reason why not more was reused",
                   "reason", declined_);
  text += by_label("kvshare_guard_decisions_total",
                   "Prompts by what the guard did: accepted with its least budget, with more, or "
                   "declined",
                   "decision", guarded_);
  std::map<std::string, int64_t> budgets;
  for (const auto& [budget, prompts] : guard_budgets_) budgets[fmt::format("{}", budget)] = prompts;
  text +=
      by_label("kvshare_guard_budget_total",
               "Accepted prompts by the share of kept tokens to compute anew", "budget", budgets);
  text += head("kvshare_ttft_seconds",
               "From a request's arrival to its first token, with some of its prompt reused or not",
               "histogram");
  text += ttft_reused_.text("kvshare_ttft_seconds", "reuse=\"yes\"");
  text += ttft_computed_.text("kvshare_ttft_seconds", "reuse=\"no\"");
  text += head("kvshare_tpot_seconds", "Mean time per further token, of each choice", "histogram");
  text += tpot_.text("kvshare_tpot_seconds");
  return text + of_state(state);
}

}  // namespace kvs
