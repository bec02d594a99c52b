#pragma once

#include <cstddef>
#include <cstdint>

// What the kernels over a batch are told: plain data, made on the host (lib/backend/cuda_tables.h)
// and copied to the device in one piece. No CUDA header is needed to read it.
namespace kvs::cuda {

inline constexpr int kTileKeys = 64;   ///< keys of a tile at most
inline constexpr int kRowPairs = 8;    ///< pairs of a task of attention_rows at most
inline constexpr int kTilePairs = 64;  ///< pairs of a task of attention_tiles at most
inline constexpr int kMaxHeadDim = 256;

enum class KvType { f32, f16, bf16, q8 };

/// Activations that a kernel writes: f32, or bf16 for a product that multiplies bf16.
struct Result {
  void* data;
  bool bf16;
};

/// Where one layer's keys and values lie in a block, in bytes; [kv_heads][64 slots][D] each.
struct KvPlanes {
  KvType type;
  size_t key, value;              ///< from a block to its first head
  size_t key_scale, value_scale;  ///< q8 only
  size_t head_bytes, head_scale_bytes, row_bytes;
};

/// Where a row's key and value go; null: nowhere.
struct KvPlace {
  std::byte* block;
  int32_t slot;
};

/// Neighbouring keys of a tile: columns [column, column + count).
struct KvPiece {
  const std::byte* block;
  int32_t first, count;  ///< slots of the block
  int32_t position;      ///< of the first, in the sequence
  int32_t column;
};

/// Up to kTileKeys keys of one sequence that share a shift, ascending by position. Softmax does not
/// ask for an order, so a sequence's tiles are sorted by shift: the query is rotated once for each.
struct KvTile {
  int32_t piece_begin, piece_end;
  int32_t first_position, last_position;
  int32_t shift;  ///< index into the table of shifts
  int32_t count;  ///< keys
};

/// Pairs of a row and one of the `group` query heads that share a KV head: pair p is row p / group,
/// head p % group. A task attends with the pairs [pair_begin, pair_end) of one sequence over the
/// tiles [tile_begin, tile_end), once for each KV head. Without pairs it does nothing.
struct AttentionTask {
  int32_t pair_begin, pair_end;
  int32_t tile_begin, tile_end;
  int32_t partial;  ///< where its first pair's partial result goes; -1: it writes the output
};

/// Pairs whose tiles were divided among `parts` tasks.
struct AttentionMerge {
  int32_t pair_begin, pair_end;
  int32_t partial;  ///< of the first pair of the first part
  int32_t parts;
};

/// Whether attention_tiles can be used.
constexpr bool has_tile_kernel(KvType type, int head_dim) {
  return type != KvType::f32 &&
         (head_dim == 64 || head_dim == 80 || head_dim == 96 || head_dim == 128);
}

/// A partial result is the sums [D], then the maximum (base 2) and the sum of weights, in floats.
inline constexpr int kPartialExtras = 2;

/// Everything that write_kv and attention take from a plan; pointers are to device memory.
struct BatchView {
  const int32_t* positions;   ///< [T]
  const KvPlace* places;      ///< [T]
  const float* row_angles;    ///< [T, D / 2, 2]: cosine, sine
  const float* shift_angles;  ///< [shifts, D / 2, 2]
  const KvPiece* pieces;
  const KvTile* tiles;
  float* partials;  ///< [slots, kv_heads, D + 2]
  KvPlanes planes;
  int64_t rows;
  int heads, kv_heads, head_dim;
  int window;   ///< 0: all
  float scale;  ///< of the scores
};

/// Rows of one sequence whose weights attention_mass adds up; `rows` is in device memory.
struct MassTask {
  const int32_t* rows;
  int32_t row_count;
  int32_t tile_begin, tile_end;
  int32_t positions;  ///< that the last row sees
};

/// Floats that attention_mass works in.
constexpr int64_t mass_scratch_floats(int64_t rows, int heads, int64_t positions) {
  return rows * heads * (positions + 2);
}

/// Where all layers' keys and values lie in a block: `planes` are those of layer 0.
struct KvBlocks {
  KvPlanes planes;
  size_t layer_bytes;
  int layers, kv_heads, head_dim;
};

/// One token's cached row and where it goes; `turn` is the index of the angle that its keys are
/// rotated by, or -1.
struct KvRowMove {
  const std::byte* block;
  std::byte* target;
  int32_t row, target_row;
  int32_t turn;
};

/// Generated rows of a matrix; scale: of the whole numbers that they are made from.
struct NoiseRows {
  uint64_t key;
  int64_t rows, cols, stride;
  float scale;
};

/// Of logits.
struct LogitPlace {
  int32_t row, token;
};

inline constexpr int kTopBlock = 2048;  ///< logits, or keys, that a block sorts

constexpr int64_t top_blocks(int64_t count) {
  return (count + kTopBlock - 1) / kTopBlock;
}
/// Keys that the first pass of top_logits leaves, the most of all.
constexpr int64_t top_logit_keys(int64_t rows, int64_t vocab, int keep) {
  return rows * top_blocks(vocab) * keep;
}

// What top_logits makes of a logit and its token: one number, the larger for the larger logit, then
// for the lower token; NaN is less than all others.
constexpr uint32_t top_logit_token(uint64_t key) {
  return ~static_cast<uint32_t>(key);
}
/// The logit's bits.
constexpr uint32_t top_logit_bits(uint64_t key) {
  const auto ordered = static_cast<uint32_t>(key >> 32);
  if (ordered == 0) return 0x7FC00000U;
  return ordered >> 31 != 0 ? ordered & 0x7FFFFFFFU : ~ordered;
}

/// One token's cached row as computed and as kept; `turn` is the index of the angle that the
/// computed key is rotated by before they are compared.
struct KvRowPair {
  const std::byte* block;
  const std::byte* kept_block;
  int32_t row, kept_row;
  int32_t turn;
};

}  // namespace kvs::cuda
