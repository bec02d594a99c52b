#include "kvs/evidence.h"

#include <cmath>

namespace kvs {
namespace {

using Kind = PlanSpan::Kind;

// Small figures keep their digits.
Json rounded(double value) {
  if (value == 0) return 0.0;
  const double scale = std::pow(10, 4 - std::ceil(std::log10(std::abs(value))));
  return std::round(value * scale) / scale;
}

}  // namespace

ReuseEvidence evidence_of(const ReusePlan& plan) {
  ReuseEvidence evidence;
  int64_t computed = 0;                                 // in front of the span
  const PlanSpan *before = nullptr, *source = nullptr;  // the last span, and the last with a source
  for (const PlanSpan& span : plan.spans) {
    evidence.tokens += span.count;
    if (span.kind == Kind::computed) computed += span.count;
    if (span.donor >= 0) evidence.computed = computed;
    const bool seam = !before || !before->goes_on_in(span);
    if (span.kind != Kind::exact && span.donor >= 0 && seam) {
      ++evidence.seams;
      evidence.jumps += !source || source->donor != span.donor ||
                        source->donor_first + source->count > span.donor_first;
    }
    if (span.donor >= 0) source = &span;
    if (span.donor >= 0 && span.kind != Kind::exact) {
      evidence.kept += span.count;
      if (span.first != span.donor_first) evidence.moved += span.count;
    }
    before = &span;
  }
  return evidence;
}

Json evidence_to_json(const ReuseEvidence& evidence) {
  Json json;
  json.set("tokens", evidence.tokens);
  json.set("kept", evidence.kept);
  json.set("moved", evidence.moved);
  json.set("computed", evidence.computed);
  json.set("seams", evidence.seams);
  json.set("jumps", evidence.jumps);
  if (!evidence.measured) return json;
  json.set("kept_mass", rounded(evidence.kept_mass));
  json.set("edit_mass", rounded(evidence.edit_mass));
  json.set("halo_mass", rounded(evidence.halo_mass));
  json.set("key_drift", rounded(evidence.key_drift));
  json.set("value_drift", rounded(evidence.value_drift));
  return json;
}

ReuseEvidence evidence_from_json(const Json& json) {
  const auto count = [&](const char* name) { return json.get(name).as_int(); };
  ReuseEvidence evidence{.tokens = count("tokens"),
                         .kept = count("kept"),
                         .moved = count("moved"),
                         .computed = count("computed"),
                         .seams = count("seams"),
                         .jumps = count("jumps"),
                         .measured = json.find("kept_mass") != nullptr};
  if (!evidence.measured) return evidence;
  evidence.kept_mass = json.get("kept_mass").as_number();
  evidence.edit_mass = json.get("edit_mass").as_number();
  evidence.halo_mass = json.get("halo_mass").as_number();
  evidence.key_drift = json.get("key_drift").as_number();
  evidence.value_drift = json.get("value_drift").as_number();
  return evidence;
}

}  // namespace kvs
