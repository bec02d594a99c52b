#include "kvs/cost_model.h"

#include <cmath>
#include <string_view>

#include "kvs/error.h"

namespace kvs {
namespace {

// Reuse has to be faster by this share: predictions are off by about as much.
constexpr double kMargin = 0.1;

double positive_number(const Json& json, std::string_view key, const std::string& source) {
  const Json* value = json.find(key);
  if (!value || !value->is_number())
    fail(ErrorKind::format, "{}: field '{}': expected a number, found {}", source, key,
         value ? value->type_name() : "nothing");
  if (!(value->as_number() >= 0) || !std::isfinite(value->as_number()))
    fail(ErrorKind::format, "{}: field '{}': expected at least 0, found {}", source, key,
         value->dump());
  return value->as_number();
}

// Positions up to each row's own, of rows [first, first + count).
double keys_of(int64_t first, int64_t count) {
  const auto rows = static_cast<double>(count);
  return rows * static_cast<double>(first) + rows * (rows + 1) / 2;
}

}  // namespace

double CostModel::pass_ms(int64_t first, int64_t count) const {
  return ms_per_pass + static_cast<double>(count) * ms_per_row + keys_of(first, count) * ms_per_key;
}

double CostModel::compute_ms(const ReusePlan& plan) const {
  double ms = ms_per_pass;
  for (const PlanSpan& span : plan.spans)
    if (!span.shared())
      ms += static_cast<double>(span.count) * ms_per_row +
            keys_of(span.first, span.count) * ms_per_key;
  return ms;
}

bool pays(const CostModel& costs, const ReusePlan& plan, std::span<const ReuseDonor> donors,
          int64_t more_rows) {
  double with = costs.compute_ms(plan), without = costs.ms_per_pass;
  if (more_rows > 0) {
    const PlanSpan& last = plan.spans.back();
    with += costs.ms_per_pass + static_cast<double>(more_rows) * costs.ms_per_row +
            keys_of(last.first + last.count - more_rows, more_rows) * costs.ms_per_key;
  }
  for (const PlanSpan& span : plan.spans) {
    const bool lossless = span.kind == PlanSpan::Kind::exact;
    if (!lossless)
      without += static_cast<double>(span.count) * costs.ms_per_row +
                 keys_of(span.first, span.count) * costs.ms_per_key;
    if (span.kept() && !donors[span.donor].view)
      with += static_cast<double>(span.count) * costs.ms_per_loaded_row;
  }
  return with <= (1 - kMargin) * without;
}

Json costs_to_json(const CostModel& costs) {
  Json json;
  json.set("ms_per_pass", costs.ms_per_pass);
  json.set("ms_per_row", costs.ms_per_row);
  json.set("ms_per_key", costs.ms_per_key);
  json.set("ms_per_loaded_row", costs.ms_per_loaded_row);
  return json;
}

CostModel costs_from_json(const Json& json, const std::string& source) {
  return {.ms_per_pass = positive_number(json, "ms_per_pass", source),
          .ms_per_row = positive_number(json, "ms_per_row", source),
          .ms_per_key = positive_number(json, "ms_per_key", source),
          .ms_per_loaded_row = positive_number(json, "ms_per_loaded_row", source)};
}

}  // namespace kvs
