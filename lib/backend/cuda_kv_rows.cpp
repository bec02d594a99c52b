#include <vector>

#include "backend/cuda_backend.h"
#include "backend/operation_rules.h"
#include "kernels/cuda/kernels.h"

// Cached rows that go elsewhere: to other blocks, to an archive's record and back.
namespace kvs {
namespace {

constexpr size_t kAlignment = 16;

size_t aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

cuda::KvBlocks blocks_of(const KvLayout& kv) {
  return {.planes = cuda_planes(kv, 0),
          .layer_bytes = kv.layer_bytes(),
          .layers = kv.layers,
          .kv_heads = kv.kv_heads,
          .head_dim = kv.head_dim};
}

}  // namespace

void CudaBackend::move_kv(std::span<const KvMove> moves, const AttentionConfig& config) {
  check_move_kv(moves, config);
  if (moves.empty()) return;
  const std::vector<int32_t> turns = distinct_turns(moves);
  std::vector<cuda::KvRowMove> rows;
  for (const KvMove& move : moves)
    for (int32_t i = 0; i < move.count; ++i)
      rows.push_back({static_cast<const std::byte*>(move.block),
                      static_cast<std::byte*>(move.target), move.first + i, move.target_first + i,
                      move.turn == 0 ? -1 : static_cast<int32_t>(turn_index(turns, move.turn))});

  use();
  for (const KvMove& move : moves) await_rows(move.block, 1);
  PackedArrays packed;
  const size_t rows_at = packed.add(rows), turns_at = packed.add(turns);
  const size_t frequencies_at = packed.add(config.inverse_frequencies);
  const size_t packed_bytes = aligned(packed.bytes().size());
  const size_t angle_bytes = turns.size() * sizeof(float) * static_cast<size_t>(config.kv.head_dim);
  auto* base = grown<std::byte>(work_, memory_, static_cast<int64_t>(packed_bytes + angle_bytes));
  auto* angles = reinterpret_cast<float*>(base + packed_bytes);
  staging_.upload(base, packed.bytes().data(), packed.bytes().size());
  queue("move_kv", [&](cudaStream_t stream) {
    return cuda::angle_table(angles, reinterpret_cast<const int32_t*>(base + turns_at),
                             reinterpret_cast<const double*>(base + frequencies_at),
                             static_cast<int64_t>(turns.size()), config.kv.head_dim / 2, stream);
  });
  queue("move_kv", [&](cudaStream_t stream) {
    return cuda::move_kv(reinterpret_cast<const cuda::KvRowMove*>(base + rows_at), angles,
                         blocks_of(config.kv), static_cast<int64_t>(rows.size()), stream);
  });
}

void CudaBackend::pack_kv(void* record, std::span<const KvRun> runs, const KvLayout& layout) {
  const int64_t rows = check_kv_rows("pack_kv", runs, layout);
  if (rows == 0) return;
  use();
  for (const KvRun& run : runs) await_rows(run.block, 1);
  const std::vector<cuda::KvPlace> places = cuda_places(runs);
  const size_t place_bytes = aligned(places.size() * sizeof(cuda::KvPlace));
  const size_t bytes = static_cast<size_t>(rows) * layout.token_bytes();
  auto* base = grown<std::byte>(work_, memory_, static_cast<int64_t>(place_bytes + bytes));
  staging_.upload(base, places.data(), places.size() * sizeof(cuda::KvPlace));
  queue("pack_kv", [&](cudaStream_t stream) {
    return cuda::pack_kv(base + place_bytes, reinterpret_cast<const cuda::KvPlace*>(base),
                         blocks_of(layout), rows, stream);
  });
  download(record, base + place_bytes, bytes);
}

void CudaBackend::unpack_kv(std::span<const KvRun> runs, std::span<const std::byte* const> parts,
                            const KvLayout& layout, const HostMemory& memory) {
  const int64_t rows = check_kv_rows("unpack_kv", runs, layout);
  check_kv_parts(parts, layout);
  if (rows == 0) return;
  const bool kept = memory && host_memory_.size_of(memory.get()) > 0;
  loads_.add(runs, parts, layout, kept ? memory : nullptr, use());
}

}  // namespace kvs
