#pragma once

#include <span>
#include <vector>

#include "kvs/selector.h"

namespace kvs::test {

/// Passes calls on, and notes with how many rows each range of layers went on.
class PromptRecorder final : public PromptModel {
 public:
  explicit PromptRecorder(PromptModel& model) : model_(model) {}
  int layers() const override { return model_.layers(); }
  void compute_all(int end) override { model_.compute_all(end); }
  void go_on(std::span<const int64_t> positions, int end) override {
    chosen.emplace_back(positions.begin(), positions.end());
    model_.go_on(positions, end);
  }
  std::vector<float> probe(std::span<const int64_t> rows, int step) override {
    queries.assign(rows.begin(), rows.end());
    layer_step = step;
    return model_.probe(rows, step);
  }
  std::vector<RowDeviation> deviation(std::span<const int64_t> rows) override {
    return model_.deviation(rows);
  }
  ReuseEvidence evidence() override { return model_.evidence(); }
  std::vector<float> last_row_mass() override { return model_.last_row_mass(); }

  std::vector<std::vector<int64_t>> chosen;
  std::vector<int64_t> queries;
  int layer_step = 0;

 private:
  PromptModel& model_;
};

}  // namespace kvs::test
