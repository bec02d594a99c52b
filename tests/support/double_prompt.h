#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kvs/reuse.h"
#include "support/double_model.h"
#include "support/tiny_model.h"

namespace kvs::test {

/// A prompt over an earlier one in double precision: the donor's rows kept, at their new places.
class DoublePrompt {
 public:
  DoublePrompt(const ReusePlan& plan, const std::vector<int32_t>& old_tokens,
               const std::vector<int32_t>& tokens)
      : plan_(plan), tokens_(tokens) {
    DoubleModel::Cache donor = model_.empty_cache();
    auto rows = model_.embed(old_tokens, all_positions(old_tokens.size()));
    model_.run(rows, donor, 0, model_.layers());
    kept_ = model_.empty_cache();
    for (const PlanSpan& span : plan.spans)
      for (int64_t row = 0; span.shared() && row < span.count; ++row)
        for (int layer = 0; layer < model_.layers(); ++layer)
          kept_[layer][span.first + row] = donor[layer][span.donor_first + row];
    cache_ = kept_;
  }

  /// Starts with all rows but the exact ones, or with those that the plan computes.
  void start(bool all) {
    std::vector<int64_t> rows = plan_.rows_to_compute();
    if (all) {
      const std::vector<int64_t> kept = kept_rows();
      rows.insert(rows.end(), kept.begin(), kept.end());
    }
    rows_ = model_.embed(tokens_, rows);
  }
  /// Goes on with the chosen rows and the required ones.
  void keep(const std::vector<int64_t>& chosen) {
    const std::vector<int64_t> required = plan_.rows_to_compute();
    std::erase_if(rows_, [&](const auto& row) {
      return !std::binary_search(chosen.begin(), chosen.end(), row.first) &&
             !std::binary_search(required.begin(), required.end(), row.first);
    });
  }
  /// Mean mass over every so many-th layer, the last among them, summed over the queries.
  /// [positions]
  std::vector<double> run(int first, int end, const std::vector<int64_t>& queries, int step = 1) {
    const int measured = (end - first + step - 1) / step;
    std::vector<double> mass(tokens_.size());
    model_.run(rows_, cache_, first, end,
               [&](int layer, int64_t position, const std::vector<double>& weights) {
                 if ((end - 1 - layer) % step != 0) return;
                 if (!std::binary_search(queries.begin(), queries.end(), position)) return;
                 for (size_t p = 0; p < weights.size(); ++p) mass[p] += weights[p] / measured;
               });
    return mass;
  }

  double squares(int layer, int64_t row) const {
    return distance(
        layer, row, [](double x) { return x * x; }, true);
  }
  double value_magnitudes(int layer, int64_t row) const {
    return distance(
        layer, row, [](double x) { return std::abs(x); }, false);
  }

 private:
  std::vector<int64_t> kept_rows() const {
    std::vector<int64_t> rows;
    for (const PlanSpan& span : plan_.spans)
      for (int64_t row = 0; span.kind == PlanSpan::Kind::shifted && row < span.count; ++row)
        rows.push_back(span.first + row);
    return rows;
  }
  // Keys are not rotated here, hence as far apart as at any common position.
  template <typename Measure>
  double distance(int layer, int64_t row, Measure measure, bool keys) const {
    const auto &a = cache_[layer].at(row), &b = kept_[layer].at(row);
    double sum = 0;
    for (size_t d = 0; d < a.value.size(); ++d) {
      sum += measure(a.value[d] - b.value[d]);
      if (keys) sum += measure(a.key[d] - b.key[d]);
    }
    return sum;
  }

  DoubleModel model_{*open_model_files(data_path("stories260K.gguf"))};
  const ReusePlan& plan_;
  const std::vector<int32_t>& tokens_;
  DoubleModel::Cache kept_, cache_;
  DoubleModel::Stream rows_;
};

}  // namespace kvs::test
