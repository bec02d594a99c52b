#include <algorithm>

#include "backend/cpu_backend.h"
#include "backend/operation_rules.h"

namespace kvs {
namespace {

// Rows of a task: with 512 columns of the inner dimension they fill a good part of an L2 cache.
constexpr int64_t kTaskRows = 96;
// Panels of a task of many rows; more would not spare memory traffic worth the wait at the end.
constexpr int64_t kTaskPanels = 12;

// A task's rows are divided evenly; its parts of the panels, too, several for each thread, since
// another program may hold one of them up.
struct Division {
  int64_t row_parts, panel_parts;
};

Division divide(int64_t rows, int64_t panels, int threads) {
  const int64_t row_parts = (rows + kTaskRows - 1) / kTaskRows;
  const int64_t wanted = (4 * threads + row_parts - 1) / row_parts;
  const int64_t least = row_parts > 1 ? (panels + kTaskPanels - 1) / kTaskPanels : 1;
  return {row_parts, std::min(panels, std::max(wanted, least))};
}

}  // namespace

void CpuBackend::matmul(Tensor out, Tensor x, const Matrix& w, const MatmulOptions& options) {
  const CpuMatrix& matrix = cpu_matrix("matmul", "w", w);
  check_matmul(out, x, matrix, options.bias);
  const int64_t rows = x.shape[0];
  if (rows == 0 || matrix.rows() == 0) return;

  run_matmul({.out = static_cast<float*>(out.data),
              .x = x.data,
              .weights = matrix.data(),
              .bias = static_cast<const float*>(options.bias.data),
              .partial = nullptr,
              .n = matrix.rows(),
              .k = matrix.cols(),
              .first_row = 0,
              .rows = rows,
              .first_panel = 0,
              .panels = matrix.panels(),
              .accumulate = options.accumulate},
             matrix.compute());
}

void CpuBackend::run_matmul(cpu::MatmulTask whole, Compute compute) {
  const bool bf16 = compute == Compute::bf16;
  if (bf16 && kernels_.round_pairs) {
    const int64_t pairs = (whole.k + 1) / 2;
    auto* rounded = rounded_.get<uint32_t>(static_cast<size_t>(whole.rows * pairs));
    const auto* x = static_cast<const float*>(whole.x);
    pool_.parallel_ranges(whole.rows, whole.k, [&](int64_t begin, int64_t end) {
      kernels_.round_pairs(rounded + begin * pairs, x + begin * whole.k, end - begin, whole.k);
    });
    whole.x = rounded;
  }

  const auto [row_parts, panel_parts] = divide(whole.rows, whole.panels, pool_.size());
  const int64_t part_rows = (whole.rows + row_parts - 1) / row_parts;
  const int64_t part_panels = (whole.panels + panel_parts - 1) / panel_parts;
  const int64_t sums = whole.accumulate ? part_rows * part_panels * cpu::kPanelWidth : 0;
  float* partial = partial_.get<float>(static_cast<size_t>(sums * pool_.size()));
  const auto multiply = bf16 ? kernels_.matmul_bf16 : kernels_.matmul_f32;
  pool_.parallel_for(row_parts * panel_parts,
                     [&, rows = row_parts, panels = panel_parts](int64_t index, int thread) {
                       const int64_t row_part = index / panels, panel_part = index % panels;
                       cpu::MatmulTask task = whole;
                       task.first_row = whole.rows * row_part / rows;
                       task.rows = whole.rows * (row_part + 1) / rows - task.first_row;
                       task.first_panel = whole.panels * panel_part / panels;
                       task.panels = whole.panels * (panel_part + 1) / panels - task.first_panel;
                       task.partial = partial + thread * sums;
                       multiply(task);
                     });
}

}  // namespace kvs
