#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "kvs/batch.h"

namespace kvs::test {

/// SplitMix64 (Steele et al. 2014): as good as needed, and quick to begin for every position.
struct ContentRandom {
  using result_type = uint64_t;
  uint64_t state;

  static constexpr uint64_t min() { return 0; }
  static constexpr uint64_t max() { return ~uint64_t{0}; }
  uint64_t operator()() {
    uint64_t x = state += 0x9E3779B97F4A7C15;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return x ^ x >> 31;
  }
};

/// One sequence of a scene.
struct SceneSequence {
  int32_t length = 0;              ///< positions that its runs span
  std::vector<int32_t> rows;       ///< positions that are computed in the batch, ascending
  std::vector<int32_t> shifts{0};  ///< of cached runs, chosen at random
  int longest_run = kBlockTokens;  ///< runs are cut at random up to this
  bool stored = true;              ///< computed rows store keys and values; else all are cached
};

/// What one forward pass asks of attention in one layer.
struct SceneBatch {
  AttentionConfig config;
  BatchLayout layout;
  std::vector<float> qkv;  ///< [T, (H + 2 K) D], exact in bf16

  size_t width() const { return static_cast<size_t>(config.kv.head_dim) * config.heads; }
  size_t qkv_width() const { return width() + 2 * config.kv.head_dim * config.kv.kv_heads; }
  SceneBatch only(const std::vector<size_t>& rows) const;  ///< some of the rows, ascending
};

/// A batch with its cache in host memory, at random but repeatable: what a row holds depends on the
/// run's seed and the scene's, the sequence and the position alone, not on the runs or on the other
/// rows. Slots that no run covers hold NaN. The layers of a block are alike in layout, and only one
/// is filled.
class AttentionScene {
 public:
  struct Options {
    int heads = 2, kv_heads = 2, head_dim = 8;
    DType type = DType::f16;
    int window = 0;
    uint32_t seed = 1;      ///< of the contents
    uint32_t cut_seed = 1;  ///< of the cuts and the places in blocks
  };
  static constexpr int kLayers = 2, kLayer = 1;

  explicit AttentionScene(const Options& options);
  /// `identity`: sequences with the same one have the same contents.
  void add(const SceneSequence& sequence, uint32_t identity);

  const SceneBatch& batch() const { return batch_; }

 private:
  struct Place {
    std::byte* block;
    int first;
  };
  Place reserve(int count);
  void add_row(int32_t sequence, int32_t position, uint32_t identity, const Place* target);
  void fill(const Place& place, int count, ContentRandom& random);

  Options options_;
  SceneBatch batch_;
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  int used_ = kBlockTokens;  ///< slots of the last block
  std::mt19937 cuts_;
};

/// Of attention that is tested: those that a kernel of its own may serve, and others.
inline constexpr int kHeadDims[] = {8, 16, 32, 64, 80, 96, 128};
inline constexpr int kGroups[] = {1, 3, 4, 7, 8};  ///< query heads of a KV head

/// The positions [first, first + count).
std::vector<int32_t> positions_from(int32_t first, int32_t count);

}  // namespace kvs::test
