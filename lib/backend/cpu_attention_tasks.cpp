#include "backend/cpu_attention_tasks.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvs {
namespace {

using cpu::AttentionTask;

constexpr int kTasksPerThread = 4;  // so many that the last to finish is short
constexpr int kLoadPairs = 8;       // loading a position costs as much as so many scores

int pairs_of(const AttentionTask& task, int group) {
  return (task.row_end - task.row_begin) * group;
}

/// In scores: visible positions times pairs of row and head, and the loading of positions.
double cost_of(const AttentionTask& task, std::span<const int32_t> positions, int group) {
  const int64_t first = int64_t{cpu::chunk_first_tile(task.chunk_begin)} * cpu::kTilePositions;
  const int64_t last = int64_t{cpu::chunk_first_tile(task.chunk_end)} * cpu::kTilePositions;
  const auto seen = [&](int32_t row) {
    return std::max<int64_t>(0, std::min<int64_t>(positions[row] + 1, last) - first);
  };
  int64_t scores = 0;
  for (int32_t row = task.row_begin; row < task.row_end; ++row) scores += seen(row) * group;
  return static_cast<double>(scores + kLoadPairs * seen(task.row_end - 1));
}

/// Cuts a task whose partial results begin at `partial`.
void cut(const AttentionTask& task, int parts, size_t chunk_floats, float* partial,
         std::vector<AttentionTask>& out) {
  const int chunks = task.chunk_end - task.chunk_begin;
  for (int part = 0; part < parts; ++part) {
    const int begin = chunks * part / parts, end = chunks * (part + 1) / parts;
    AttentionTask piece = task;
    piece.chunk_begin = task.chunk_begin + begin;
    piece.chunk_end = task.chunk_begin + end;
    piece.partial = partial + begin * chunk_floats;
    out.push_back(piece);
  }
}

std::vector<double> costs_of(const std::vector<AttentionTask>& tasks,
                             std::span<const int32_t> positions, int group) {
  std::vector<double> costs(tasks.size());
  std::transform(tasks.begin(), tasks.end(), costs.begin(),
                 [&](const AttentionTask& task) { return cost_of(task, positions, group); });
  return costs;
}

void sort_by_cost(std::vector<AttentionTask>& tasks, std::span<const int32_t> positions,
                  int group) {
  const std::vector<double> costs = costs_of(tasks, positions, group);
  std::vector<size_t> order(tasks.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return costs[a] > costs[b]; });
  std::vector<AttentionTask> sorted;
  sorted.reserve(tasks.size());
  for (const size_t index : order) sorted.push_back(tasks[index]);
  tasks = std::move(sorted);
}

}  // namespace

AttentionTasks divide_tasks(const std::vector<AttentionTask>& whole,
                            std::span<const int32_t> positions, int group, int head_dim,
                            int threads) {
  AttentionTasks out;
  const std::vector<double> costs = costs_of(whole, positions, group);
  const double share = std::accumulate(costs.begin(), costs.end(), 0.0) /
                       (static_cast<double>(threads) * kTasksPerThread);
  std::vector<int> parts(whole.size(), 1);
  size_t floats = 0;
  for (size_t i = 0; i < whole.size() && threads > 1; ++i) {
    const int chunks = whole[i].chunk_end - whole[i].chunk_begin;
    parts[i] = std::clamp(static_cast<int>(std::ceil(costs[i] / share)), 1, chunks);
    if (parts[i] > 1) {
      floats += chunks * cpu::partial_floats(pairs_of(whole[i], group), head_dim);
    }
  }

  out.partials = make_cpu_memory(floats * sizeof(float));
  auto* partial = reinterpret_cast<float*>(out.partials.get());
  for (size_t i = 0; i < whole.size(); ++i) {
    if (parts[i] == 1) {
      out.tasks.push_back(whole[i]);
      continue;
    }
    const size_t chunk_floats = cpu::partial_floats(pairs_of(whole[i], group), head_dim);
    cut(whole[i], parts[i], chunk_floats, partial, out.tasks);
    out.merges.push_back(whole[i]);
    out.merges.back().partial = partial;
    partial += (whole[i].chunk_end - whole[i].chunk_begin) * chunk_floats;
  }
  sort_by_cost(out.tasks, positions, group);
  return out;
}

}  // namespace kvs
