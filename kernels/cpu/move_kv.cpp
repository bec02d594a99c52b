#include "kernels/cpu/move_kv.h"

#include <initializer_list>

#include "kernels/cpu/install.h"
#include "kernels/cpu/kv_row.h"
#include "kernels/cpu/rotation.h"

namespace kvs::cpu {
namespace {

/// Copies the row of one head as it is. plane, scales: from a block to the head's.
void copy_head(const KvPlanes& planes, const KvRowMove& move, size_t plane, size_t scales) {
  const size_t row = static_cast<size_t>(move.row), to = static_cast<size_t>(move.target_row);
  std::memcpy(move.target + plane + to * planes.row_bytes,
              move.block + plane + row * planes.row_bytes, planes.row_bytes);
  if (planes.type == KvType::q8)
    std::memcpy(move.target + scales + 4 * to, move.block + scales + 4 * row, 4);
}

void move_row(const KvMoves& work, const KvRowMove& move) {
  Rotation rotation;
  if (move.angles) rotate_by_difference(move.angles, nullptr, work.head_dim / 2, rotation);
  float key[kMaxHeadDim], turned[kMaxHeadDim];
  for (int layer = 0; layer < work.layers; ++layer) {
    KvPlanes planes = work.planes;
    for (size_t* plane : {&planes.key, &planes.value, &planes.key_scale, &planes.value_scale})
      *plane += static_cast<size_t>(layer) * work.layer_bytes;
    for (int head = 0; head < work.kv_heads; ++head) {
      const size_t h = static_cast<size_t>(head), to = static_cast<size_t>(move.target_row);
      const size_t rows = h * planes.head_bytes, scales = h * planes.head_scale_bytes;
      copy_head(planes, move, planes.value + rows, planes.value_scale + scales);
      if (!move.angles) {
        copy_head(planes, move, planes.key + rows, planes.key_scale + scales);
        continue;
      }
      load_row(planes, move.block, planes.key, planes.key_scale, head, move.row, work.head_dim,
               key);
      rotate(key, rotation, work.head_dim / 2, 1, turned);
      write_head(planes.type, turned, work.head_dim,
                 {move.target + planes.key + rows + to * planes.row_bytes,
                  move.target + planes.key_scale + scales + 4 * to});
    }
  }
}

void move_kv(const KvMoves& work, int64_t first, int64_t last) {
  for (int64_t i = first; i < last; ++i) move_row(work, work.moves[i]);
}

}  // namespace

void install_move_kv(Kernels& table, Simd) {
  table.move_kv = move_kv;
}

}  // namespace kvs::cpu
