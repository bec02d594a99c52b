#include "kernels/cuda/kernels.h"
#include "kernels/cuda/kv_element.cuh"
#include "kernels/cuda/kv_vector.cuh"
#include "kernels/cuda/rotation.cuh"

namespace kvs::cuda {
namespace {

// A warp copies one key or value of one row: grid [rows, 2 K layers / warps].
template <KvType type>
__global__ void move_kv_kernel(const KvRowMove* moves, const float* turns, KvBlocks blocks) {
  const int index = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  if (index >= 2 * blocks.kv_heads * blocks.layers) return;
  const KvRowMove move = moves[blockIdx.x];
  const KvPlanes& planes = blocks.planes;
  const VectorPlace place = vector_place(blocks, index);
  std::byte* to = move.target + place.row + move.target_row * planes.row_bytes;
  std::byte* to_scale = move.target + place.scale + move.target_row * sizeof(float);
  if (!place.is_key || move.turn < 0) {
    copy_vector(planes, to, move.block + place.row + move.row * planes.row_bytes, to_scale,
                move.block + place.scale + move.row * sizeof(float));
    return;
  }
  const int half = blocks.head_dim / 2;
  const auto* turn = reinterpret_cast<const Angle*>(turns) + int64_t{move.turn} * half;
  const auto key = [&](int i) {
    return cached_element<type>(move.block, place.row, place.scale, planes, move.row, i);
  };
  const Vector v =
      make_vector(half, [&](int i) { return rotated(key(i), key(i + half), turn[i]); });
  store_vector(v, type, half, to, to_scale);
}

}  // namespace

cudaError_t move_kv(const KvRowMove* moves, const float* turns, const KvBlocks& blocks,
                    int64_t count, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  const auto [x, y, z] = vector_grid(count, int64_t{2} * blocks.kv_heads * blocks.layers);
  const dim3 grid(x, y, z), block(kWarp, kVectorWarps);
  const auto launch = [&](auto kernel) {
    kernel<<<grid, block, 0, stream>>>(moves, turns, blocks);
    return cudaGetLastError();
  };
  switch (blocks.planes.type) {
    case KvType::f32:
      return launch(move_kv_kernel<KvType::f32>);
    case KvType::f16:
      return launch(move_kv_kernel<KvType::f16>);
    case KvType::bf16:
      return launch(move_kv_kernel<KvType::bf16>);
    case KvType::q8:
      break;
  }
  return launch(move_kv_kernel<KvType::q8>);
}

}  // namespace kvs::cuda
