#include "kernels/cuda/kernels.h"
#include "kernels/cuda/kv_vector.cuh"
#include "kernels/cuda/rotation.cuh"

namespace kvs::cuda {
namespace {

// A warp writes one key or value: grid [T, 2 K / warps].
__global__ void write_kv_kernel(const float* qkv, BatchView batch) {
  const int vector = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  const int64_t row = blockIdx.x;
  const KvPlace place = batch.places[row];
  if (vector >= 2 * batch.kv_heads || !place.block) return;

  const bool is_key = vector < batch.kv_heads;
  const size_t head = is_key ? vector : vector - batch.kv_heads;
  const int dim = batch.head_dim, half = dim / 2;
  const float* x = qkv + (row * (batch.heads + 2 * batch.kv_heads) + batch.heads + vector) * dim;
  const auto* angles = reinterpret_cast<const Angle*>(batch.row_angles) + row * half;
  const Vector v = make_vector(half, [&](int i) {
    return is_key ? rotated(x[i], x[i + half], angles[i]) : float2{x[i], x[i + half]};
  });

  const KvPlanes& planes = batch.planes;
  store_vector(v, planes.type, half,
               place.block + (is_key ? planes.key : planes.value) + head * planes.head_bytes +
                   place.slot * planes.row_bytes,
               place.block + (is_key ? planes.key_scale : planes.value_scale) +
                   head * planes.head_scale_bytes + place.slot * sizeof(float));
}

}  // namespace

cudaError_t write_kv(const float* qkv, const BatchView& batch, cudaStream_t stream) {
  if (batch.rows == 0) return cudaSuccess;
  const auto [x, y, z] = vector_grid(batch.rows, int64_t{2} * batch.kv_heads);
  write_kv_kernel<<<dim3(x, y, z), dim3(kWarp, kVectorWarps), 0, stream>>>(qkv, batch);
  return cudaGetLastError();
}

}  // namespace kvs::cuda
