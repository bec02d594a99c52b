#include "serve/decision_log.h"

#include <algorithm>
#include <utility>

namespace kvs {
namespace {

// Of an answer's "kvshare": nothing that tells whose donors these were.
constexpr const char* kShown[] = {"policy", "budget",     "prompt_tokens", "exact",  "shifted",
                                  "fuzzy",  "recomputed", "computed",      "reason", "ttft_ms"};

Json places_of(const std::vector<DonorUse>& donors) {
  Json places{Json::Array{}};
  for (const DonorPlace place : kDonorPlaces)
    if (std::ranges::find(donors, place, &DonorUse::place) != donors.end())
      places.push(donor_place_name(place));
  return places;
}

}  // namespace

void DecisionLog::add(const std::string& time, const std::string& request_id,
                      const Response& response) {
  if (response.reuse.spans.empty()) return;  // they tile a planned prompt
  const Json reuse = response_to_json({.reuse = response.reuse}).get("kvshare");
  Json decision = Json::Object{{"time", time}, {"request_id", request_id}};
  for (const char* name : kShown) decision.set(name, reuse.get(name));
  decision.set("tiers", places_of(response.reuse.donors));
  decision.set("finish_reason", response.finish_reason);

  const std::lock_guard lock(mutex_);
  decisions_.push_front(std::move(decision));
  if (decisions_.size() > kMost) decisions_.pop_back();
}

Json DecisionLog::to_json() const {
  const std::lock_guard lock(mutex_);
  return Json::Object{{"decisions", Json::Array(decisions_.begin(), decisions_.end())}};
}

}  // namespace kvs
