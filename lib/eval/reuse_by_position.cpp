#include "eval/reuse_by_position.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace kvs {
namespace {

using Kind = PlanSpan::Kind;
using Shares = std::array<double, kPositionParts>;

struct NamedKind {
  Kind kind;
  const char* name;
};

constexpr std::array kKinds{
    NamedKind{Kind::exact, "exact"},
    NamedKind{Kind::shifted, "shifted"},
    NamedKind{Kind::recomputed, "recomputed"},
    NamedKind{Kind::computed, "computed"},
};

// Fuzzy rows are few, and a donor's as they were.
Kind shown_as(const PlanSpan& span) {
  return span.kind == Kind::fuzzy ? Kind::shifted : span.kind;
}

// Adds what the span covers of each part. `tokens`: of the prompt.
void add_span(const PlanSpan& span, int64_t tokens, Shares& shares) {
  const double scale = static_cast<double>(kPositionParts) / static_cast<double>(tokens);
  const double begin = static_cast<double>(span.first) * scale;
  const double end = static_cast<double>(span.first + span.count) * scale;
  for (int part = static_cast<int>(begin); part < kPositionParts && part < end; ++part)
    shares[part] += std::min(end, part + 1.0) - std::max<double>(begin, part);
}

}  // namespace

Json reuse_by_position(std::span<const Outcome> outcomes) {
  Json json;
  if (outcomes.empty()) return json;
  for (const auto& [kind, name] : kKinds) {
    Shares shares{};
    for (const Outcome& outcome : outcomes)
      for (const PlanSpan& span : outcome.reuse.spans)
        if (shown_as(span) == kind) add_span(span, outcome.reuse.prompt_tokens, shares);
    Json::Array means;
    for (const double share : shares)
      means.emplace_back(std::round(share / static_cast<double>(outcomes.size()) * 1e6) / 1e6);
    json.set(name, std::move(means));
  }
  return json;
}

}  // namespace kvs
