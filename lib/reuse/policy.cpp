#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "kvs/error.h"
#include "reuse/rules.h"

namespace kvs {
namespace {

constexpr std::array kPolicies{"full",       "prefix", "naive", "epic",
                               "cacheblend", "dhd",    "probe", "kvshare"};
constexpr std::array kModes{"off", "exact", "approx"};
constexpr std::array kReasons{"",     "off", "short", "no_donor", "below_threshold", "unprofitable",
                              "guard"};

template <size_t N>
int index_of(const char* what, std::string_view name, const std::array<const char*, N>& names) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<int>(found - names.begin());
  fail(ErrorKind::argument, "unknown {} '{}', expected {}", what, name, fmt::join(names, ", "));
}

}  // namespace

Policy policy_from_name(std::string_view name) {
  return static_cast<Policy>(index_of("policy", name, kPolicies));
}
const char* policy_name(Policy policy) {
  return kPolicies[static_cast<int>(policy)];
}

bool has_budget(Policy policy) {
  return policy >= Policy::cacheblend;
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

std::vector<int64_t> Selector::select(const SelectionContext&) const {
  return {};
}
bool Selector::measures(const SelectionContext&) const {
  return false;
}
int64_t Selector::measured_rows(const SelectionContext&) const {
  return 0;
}
std::vector<int64_t> Selector::select_measured(const SelectionContext&, PromptModel&) const {
  return {};
}

std::unique_ptr<Selector> make_selector(Policy policy) {
  switch (policy) {
    case Policy::epic:
      return make_epic();
    case Policy::cacheblend:
      return make_cacheblend();
    case Policy::dhd:
      return make_dhd();
    case Policy::probe:
      return make_probe();
    case Policy::kvshare:
      return make_kvshare();
    default:
      return std::make_unique<Selector>();
  }
}

}  // namespace kvs
