#include <algorithm>
#include <array>
#include <chrono>
#include <numeric>

#include "base/least_squares.h"
#include "kvs/cost_model.h"
#include "kvs/forward_pass.h"
#include "kvs/kv_pool.h"

namespace kvs {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRepeats = 3;

// `rows` behind `context` others.
struct Size {
  int64_t rows, context;
};

struct Timing {
  Size size;
  double ms;
};

class Stopwatch {
 public:
  Stopwatch(Transformer& transformer, DType kv_type, int64_t positions)
      : transformer_(transformer),
        kv_type_(kv_type),
        pool_(transformer.backend(), transformer.kv_layout(kv_type), positions / kBlockTokens + 2),
        tokens_(positions, 1) {
    view_.append_fresh(pool_, positions, true);  // freed rows are zeros, which is as good as any
  }

  double median_ms(const Size& size) {
    std::array<double, kRepeats> runs;
    for (double& ms : runs) ms = run(size);
    std::nth_element(runs.begin(), runs.begin() + kRepeats / 2, runs.end());
    return runs[kRepeats / 2];
  }

 private:
  double run(const Size& size) {
    std::vector<int64_t> positions(size.rows);
    std::iota(positions.begin(), positions.end(), size.context);
    const auto start = Clock::now();
    ForwardPass pass(transformer_, kv_type_, tokens_, std::move(positions));
    pass.run(transformer_.config().layers, LayeredView(view_));
    pass.logits();
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  }

  Transformer& transformer_;
  DType kv_type_;
  KvPool pool_;
  std::vector<int32_t> tokens_;
  KvView view_;
};

double keys_of(const Size& size) {
  const auto rows = static_cast<double>(size.rows);
  return rows * static_cast<double>(size.context) + rows * (rows + 1) / 2;
}

// ms = pass + rows x row + keys x key. Each timing is weighed by 1 / ms: relative errors count.
CostModel fit(const std::vector<Timing>& timings) {
  std::vector<std::vector<double>> rows;
  rows.reserve(timings.size());
  for (const auto& [size, ms] : timings)
    rows.push_back({1 / ms, static_cast<double>(size.rows) / ms, keys_of(size) / ms});
  const std::vector<double> ones(rows.size(), 1.0);
  const std::vector<double> found = least_squares(rows, ones);
  return {.ms_per_pass = std::max(0.0, found[0]),
          .ms_per_row = std::max(0.0, found[1]),
          .ms_per_key = std::max(0.0, found[2])};
}

}  // namespace

CostModel measure_costs(Transformer& transformer, DType kv_type) {
  const int64_t longest = std::min<int64_t>(1024, transformer.config().context);
  Stopwatch stopwatch(transformer, kv_type, longest);
  stopwatch.median_ms({1, 0});  // touches the weights
  std::vector<Timing> timings;
  for (const Size size :
       {Size{1, longest / 2}, Size{16, longest / 4}, Size{16, longest - 16}, Size{64, longest / 4},
        Size{64, longest - 64}, Size{longest / 4, 0}, Size{longest / 4, 3 * longest / 4}})
    timings.push_back({size, stopwatch.median_ms(size)});
  return fit(timings);
}

}  // namespace kvs
