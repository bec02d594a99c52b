#include "kernels/cpu/write_kv.h"

#include "kernels/cpu/install.h"
#include "kernels/cpu/kv_row.h"
#include "kernels/cpu/rotation.h"

namespace kvs::cpu {
namespace {

using namespace simd;

void write_kv(const KvWrite& write, int64_t first, int64_t last) {
  const int head_dim = write.head_dim;
  for (int64_t row = first; row < last; ++row) {
    const KvPlace& place = write.places[row];
    if (!place.block) continue;
    Rotation rotation;
    rotate_by_difference(write.row_angles + row * head_dim, nullptr, head_dim / 2, rotation);
    for (int head = 0; head < write.kv_heads; ++head) {
      const size_t h = static_cast<size_t>(head), slot = static_cast<size_t>(place.slot);
      const KvPlanes& planes = write.planes;
      std::byte* start = place.block + h * planes.head_bytes + slot * planes.row_bytes;
      std::byte* scales = place.block + h * planes.head_scale_bytes + slot * sizeof(float);
      float key[kMaxHeadDim];
      rotate(write.keys + row * write.stride + h * head_dim, rotation, head_dim / 2, 1, key);
      write_head(planes.type, key, head_dim, {start + planes.key, scales + planes.key_scale});
      write_head(planes.type, write.values + row * write.stride + h * head_dim, head_dim,
                 {start + planes.value, scales + planes.value_scale});
    }
  }
}

}  // namespace

void install_write_kv(Kernels& table, Simd) {
  table.write_kv = write_kv;
}

}  // namespace kvs::cpu
