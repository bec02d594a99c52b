#include <utility>

#include "kernels/cpu/install.h"
#include "kernels/cpu/matmul_tile.h"

namespace kvs::cpu {
namespace {

// The inner dimension is worked off in pieces, so that the panels of a tile stay in the L1 cache
// (this many bytes of it) and the rows of a task in the L2 cache.
constexpr int64_t kPanelBytes = 24 * 1024;
constexpr int kMaxPanels = 4;

// How many panels a tile of so many rows covers at most.
constexpr int tile_panels(int64_t rows) {
  const int64_t fit = kTileSums / (rows * kVecsPerPanel);
  return static_cast<int>(fit < 1 ? 1 : fit > kMaxPanels ? kMaxPanels : fit);
}

using TileFunction = void (*)(const Tile&);

template <typename Weights, int kRows, int kPanels>
constexpr TileFunction tile_function() {
  if constexpr (kPanels <= tile_panels(kRows)) return multiply_tile<Weights, kRows, kPanels>;
  return nullptr;
}

struct TileTable {
  TileFunction of[kTileRows][kMaxPanels];
};

template <typename Weights, int... kIndex>
constexpr TileTable make_tile_table(std::integer_sequence<int, kIndex...>) {
  TileTable table{};
  ((table.of[kIndex / kMaxPanels][kIndex % kMaxPanels] =
        tile_function<Weights, kIndex / kMaxPanels + 1, kIndex % kMaxPanels + 1>()),
   ...);
  return table;
}

constexpr int64_t divide_up(int64_t x, int64_t y) {
  return (x + y - 1) / y;
}
constexpr int64_t at_most(int64_t x, int64_t limit) {
  return x < limit ? x : limit;
}

// One piece of the inner dimension for a task.
template <typename Weights>
class Piece {
 public:
  Piece(const MatmulTask& task, int64_t begin, int64_t end) : task_(task) {
    using Packed = typename Weights::Packed;
    constexpr int64_t kElements = Weights::kElementsPerStep;
    const int64_t steps = divide_up(task.k, kElements);
    const bool last = end >= task.k;
    tile_.odd_end = Weights::kHalves == 2 && last && task.k % 2 == 1;
    tile_.steps = divide_up(end - begin, kElements) - (tile_.odd_end ? 1 : 0);
    tile_.x_stride = Weights::kRoundsActivations ? steps : task.k;
    tile_.panel_stride = steps * kPanelWidth;
    tile_.first_piece = begin == 0;
    tile_.last_piece = last;
    tile_.out_stride = task.n;
    tile_.accumulate = task.accumulate;
    x_ = static_cast<const Activation*>(task.x) + begin / kElements * Weights::kActivationsPerStep;
    weights_ = static_cast<const Packed*>(task.weights) + begin / kElements * kPanelWidth;
  }

  void multiply(int64_t row, int64_t rows, int64_t panel, int64_t panels, int64_t panels_ahead) {
    static constexpr TileTable kTiles =
        make_tile_table<Weights>(std::make_integer_sequence<int, kTileRows * kMaxPanels>());
    const int64_t column = panel * kPanelWidth;
    tile_.ahead = panels_ahead * tile_.panel_stride * int64_t{sizeof(typename Weights::Packed)};
    tile_.x = x_ + row * tile_.x_stride;
    tile_.weights = weights_ + panel * tile_.panel_stride;
    tile_.out = task_.out + row * task_.n + column;
    tile_.columns = at_most(panels * kPanelWidth, task_.n - column);
    tile_.bias = task_.bias ? task_.bias + column : nullptr;
    // What `out` held before is still needed where it is added at the end.
    const int64_t width = task_.panels * kPanelWidth;
    tile_.sums_stride = task_.accumulate ? width : task_.n;
    tile_.sums = task_.accumulate ? task_.partial + (row - task_.first_row) * width +
                                        (panel - task_.first_panel) * kPanelWidth
                                  : tile_.out;
    kTiles.of[rows - 1][panels - 1](tile_);
  }

 private:
  using Activation = typename Weights::Activation;

  const MatmulTask& task_;
  const Activation* x_;
  const typename Weights::Packed* weights_;
  Tile tile_{};
};

// Elements of the inner dimension in one piece. Even: a bf16 pair is never split.
template <typename Weights>
int64_t piece_depth(int64_t k, int64_t panels) {
  constexpr int64_t kStepBytes = kPanelWidth * sizeof(typename Weights::Packed);
  const int64_t limit = kPanelBytes / (kStepBytes * panels) * Weights::kElementsPerStep;
  const int64_t pieces = divide_up(k, limit);
  return pieces <= 1 ? k : divide_up(divide_up(k, pieces), 2) * 2;
}

// Tiles of as equal heights as can be: a tile of few rows is slow. A group of panels is used for
// all rows before the next one, which the last rows fetch meanwhile.
template <typename Weights>
void multiply_piece(Piece<Weights>& piece, const MatmulTask& task, int64_t tiles) {
  const int64_t height = task.rows / tiles, taller = task.rows % tiles;
  const int64_t group = tile_panels(height), end = task.first_panel + task.panels;
  for (int64_t first = task.first_panel; first < end; first += group) {
    const int64_t group_end = at_most(first + group, end);
    int64_t row = task.first_row;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t rows = height + (tile < taller), step = tile_panels(rows);
      const int64_t ahead = tile + 1 == tiles && group_end + group <= end ? group : 0;
      for (int64_t panel = first; panel < group_end; panel += step)
        piece.multiply(row, rows, panel, at_most(step, group_end - panel), ahead);
      row += rows;
    }
  }
}

template <typename Weights>
void matmul(const MatmulTask& task) {
  const int64_t tiles = divide_up(task.rows, kTileRows);
  const int64_t group = tile_panels(task.rows / tiles);
  const int64_t depth = tiles == 1 ? task.k : piece_depth<Weights>(task.k, group);
  int64_t begin = 0;
  do {
    Piece<Weights> piece(task, begin, at_most(begin + depth, task.k));
    multiply_piece(piece, task, tiles);
    begin += depth;
  } while (begin < task.k);
}

}  // namespace

void install_matmul(Kernels& table, Simd) {
  table.matmul_f32 = matmul<F32Weights>;
  table.matmul_bf16 = matmul<Bf16Weights>;
}

}  // namespace kvs::cpu
