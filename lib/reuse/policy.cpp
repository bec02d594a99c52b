#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "kvs/error.h"
#include "kvs/reuse.h"

namespace kvs {
namespace {

constexpr std::array kPolicies{"full", "prefix", "naive", "epic"};
constexpr std::array kModes{"off", "exact", "approx"};
constexpr std::array kReasons{"", "off", "short", "no_donor", "below_threshold"};

template <size_t N>
int index_of(const char* what, std::string_view name, const std::array<const char*, N>& names) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<int>(found - names.begin());
  fail(ErrorKind::argument, "unknown {} '{}', expected {}", what, name, fmt::join(names, ", "));
}

// LegoLink: the first tokens of every span but the first take the part of attention sinks that they
// had where they were computed; computed anew, they learn that they are none.
class EpicSelector final : public Selector {
 public:
  std::vector<int64_t> select(const SelectionContext& context) const override {
    std::vector<int64_t> positions;
    for (const PlanSpan& span : context.spans) {
      if (span.kind != PlanSpan::Kind::shifted) continue;
      const int64_t count = std::min(span.count, context.options.sinks);
      for (int64_t row = 0; row < count; ++row) positions.push_back(span.first + row);
    }
    return positions;
  }
};

class NoSelector final : public Selector {
 public:
  std::vector<int64_t> select(const SelectionContext&) const override { return {}; }
};

}  // namespace

Policy policy_from_name(std::string_view name) {
  return static_cast<Policy>(index_of("policy", name, kPolicies));
}
const char* policy_name(Policy policy) {
  return kPolicies[static_cast<int>(policy)];
}

ReuseMode reuse_mode_from_name(std::string_view name) {
  return static_cast<ReuseMode>(index_of("reuse mode", name, kModes));
}
const char* reuse_mode_name(ReuseMode mode) {
  return kModes[static_cast<int>(mode)];
}

const char* reuse_reason_name(ReuseReason reason) {
  return kReasons[static_cast<int>(reason)];
}

std::unique_ptr<Selector> make_selector(Policy policy) {
  if (policy == Policy::epic) return std::make_unique<EpicSelector>();
  return std::make_unique<NoSelector>();
}

}  // namespace kvs
