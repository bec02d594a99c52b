#include "kvs/response.h"

#include <cmath>

namespace kvs {
namespace {

// A millisecond has three digits behind the point, which is what the clock is good for.
double rounded(double ms) {
  return std::round(ms * 1000) / 1000;
}

Json donors_to_json(const std::vector<DonorUse>& donors) {
  Json list{Json::Array{}};
  for (const DonorUse& donor : donors) {
    Json entry;
    entry.set("id", donor.id);
    entry.set("similarity", donor.similarity);
    entry.set("tokens", donor.tokens);
    list.push(std::move(entry));
  }
  return list;
}

Json reuse_to_json(const ReuseReport& reuse) {
  Json json;
  json.set("mode", reuse_mode_name(reuse.mode));
  json.set("policy", policy_name(reuse.policy));
  json.set("budget", reuse.budget ? Json(*reuse.budget) : Json());
  json.set("prompt_tokens", reuse.prompt_tokens);
  json.set("exact", reuse.exact);
  json.set("shifted", reuse.shifted);
  json.set("fuzzy", reuse.fuzzy);
  json.set("recomputed", reuse.recomputed);
  json.set("computed", reuse.computed);
  json.set("computed_share", reuse.computed_share);
  json.set("donors", donors_to_json(reuse.donors));
  json.set("reason", reuse.reason == ReuseReason::none ? Json() : reuse_reason_name(reuse.reason));
  json.set("lookup_ms", rounded(reuse.lookup_ms));
  json.set("plan_ms", rounded(reuse.plan_ms));
  json.set("load_ms", rounded(reuse.load_ms));
  json.set("ttft_ms", rounded(reuse.ttft_ms));
  json.set("tpot_ms", rounded(reuse.tpot_ms));
  return json;
}

}  // namespace

bool worth_exactifying(int64_t new_tokens, int64_t tokens) {
  return new_tokens >= 32 && 20 * new_tokens >= tokens;
}

bool worth_exactifying(const ReuseReport& reuse) {
  return worth_exactifying(reuse.computed, reuse.prompt_tokens);
}

double ReuseReport::hit_rate() const {
  return prompt_tokens == 0
             ? 0
             : static_cast<double>(exact + shifted + fuzzy) / static_cast<double>(prompt_tokens);
}

Json response_to_json(const Response& response) {
  Json json;
  json.set("id", response.id);
  json.set("text", response.text);
  Json tokens{Json::Array{}};
  for (const int32_t token : response.tokens) tokens.push(token);
  json.set("tokens", std::move(tokens));
  json.set("finish_reason", response.finish_reason);
  if (!response.error.empty()) json.set("error", response.error);
  json.set("kvshare", reuse_to_json(response.reuse));
  return json;
}

}  // namespace kvs
