#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kvs/export.h"
#include "kvs/layered_view.h"
#include "kvs/transformer.h"

namespace kvs {

/// How a pass shares the transformer with others.
struct Pace {
  int64_t rows = Transformer::kMaxRows;  ///< of a chunk, at most
  std::function<void()> between{};       ///< called between two chunks; may use the transformer
};

/// Rows of one sequence on their way through the layers, in stages: between two stages the rows may
/// become fewer. Any number of rows; a stage works on chunks of them in order of position. The
/// transformer must outlive the pass.
class KVS_API ForwardPass {
 public:
  /// Some of the rows of a stage, after a layer's attention.
  struct Chunk {
    int layer;
    int64_t first, count;  ///< rows of the pass
    const Tensor& qkv;
    const BatchPlan& plan;
  };
  using Observer = std::function<void(const Chunk& chunk)>;

  /// The rows at `positions`, ascending, of a sequence of `tokens`. Throws Error(argument) where a
  /// token is outside the vocabulary.
  ForwardPass(Transformer& transformer, DType kv_type, std::span<const int32_t> tokens,
              std::vector<int64_t> positions, Pace pace = {});

  const std::vector<int64_t>& positions() const { return positions_; }
  int layer() const { return layer_; }            ///< the next to run
  int64_t rows_run() const { return rows_run_; }  ///< rows x layers so far

  /// Runs the rows through the layers up to `end`. What they see is in `view`, their own slots too.
  void run(int end, const LayeredView& view, const Observer& observer = {});

  /// Goes on with the rows at `positions` only: some of those there are, ascending.
  void keep(std::span<const int64_t> positions);

  /// Logits of the last row, when all layers are run. [vocab]
  std::vector<float> logits();

 private:
  void run_chunk(int64_t first, int64_t count, int end, const LayeredView& view,
                 const Observer& observer);

  Transformer& transformer_;
  DType kv_type_;
  Pace pace_;
  std::vector<int64_t> positions_;
  Buffer x_;  // [rows, hidden]: the residual stream
  int layer_ = 0;
  int64_t rows_run_ = 0;
};

}  // namespace kvs
