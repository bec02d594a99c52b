#pragma once

#include <cstring>

#include "kernels/cpu/attention.h"

// Where the rows of a tile lie. Unnamed, so that no function leaves its level.
namespace kvs::cpu {
namespace {

/// The rows of one KV head in a tile, whatever runs they come from. Behind the last one it is
/// repeated, so that whole vectors of rows can be read.
struct TileRows {
  const std::byte* keys[kTilePositions + kRowPadding];
  const std::byte* values[kTilePositions];
  float key_scales[kTilePositions + kRowPadding];
  float value_scales[kTilePositions];
};

inline void find_piece(const KvPlanes& planes, const KvPiece& piece, size_t head, int column,
                       TileRows& rows) {
  const std::byte* key = piece.block + planes.key + head * planes.head_bytes;
  const std::byte* value = piece.block + planes.value + head * planes.head_bytes;
  const std::byte* scales = piece.block + head * planes.head_scale_bytes;
  for (int i = 0; i < piece.count; ++i) {
    const auto row = static_cast<size_t>(piece.first) + i;
    rows.keys[column + i] = key + row * planes.row_bytes;
    rows.values[column + i] = value + row * planes.row_bytes;
    if (planes.type != KvType::q8) continue;
    std::memcpy(&rows.key_scales[column + i], scales + planes.key_scale + 4 * row, 4);
    std::memcpy(&rows.value_scales[column + i], scales + planes.value_scale + 4 * row, 4);
  }
}

inline void find_rows(const KvTiles& kv, int tile, const KvPlanes& planes, int head,
                      TileRows& rows) {
  int column = 0;
  for (int32_t p = kv.tile_begin[tile]; p < kv.tile_begin[tile + 1]; ++p) {
    find_piece(planes, kv.pieces[p], static_cast<size_t>(head), column, rows);
    column += kv.pieces[p].count;
  }
  for (int c = column; c < column + kRowPadding; ++c) {
    rows.keys[c] = rows.keys[column - 1];
    if (planes.type == KvType::q8) rows.key_scales[c] = rows.key_scales[column - 1];
  }
}

}  // namespace
}  // namespace kvs::cpu
