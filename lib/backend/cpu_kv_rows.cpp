#include <cstring>
#include <vector>

#include "backend/cpu_backend.h"
#include "backend/cpu_batch_plan.h"
#include "backend/operation_rules.h"

// Cached rows that go elsewhere: to other blocks, to an archive's record and back.
namespace kvs {
namespace {

/// One part of a record, by where its rows lie in a block: offset of head 0, bytes from head to
/// head and from row to row.
struct Part {
  size_t start, head, row;
};

std::vector<Part> parts_of(const KvLayout& kv) {
  std::vector<Part> parts;
  for (int layer = 0; layer < kv.layers; ++layer) {
    parts.push_back({kv.key_offset(layer, 0), kv.head_bytes(), kv.row_bytes()});
    parts.push_back({kv.value_offset(layer, 0), kv.head_bytes(), kv.row_bytes()});
    if (kv.type != DType::q8) continue;
    parts.push_back({kv.key_scale_offset(layer, 0), kv.head_scale_bytes(), sizeof(float)});
    parts.push_back({kv.value_scale_offset(layer, 0), kv.head_scale_bytes(), sizeof(float)});
  }
  return parts;
}

/// Calls copy(rows in a block, bytes) for a part's rows in the order of the record.
template <typename Copy>
void for_each_run(const Part& part, int kv_heads, std::span<const KvRun> runs, Copy copy) {
  for (int head = 0; head < kv_heads; ++head)
    for (const KvRun& run : runs) {
      auto* block = static_cast<std::byte*>(const_cast<void*>(run.block));
      copy(block + part.start + head * part.head + run.first * part.row, run.count * part.row);
    }
}

}  // namespace

void CpuBackend::move_kv(std::span<const KvMove> moves, const AttentionConfig& config) {
  check_move_kv(moves, config);
  const KvLayout& kv = config.kv;
  const std::vector<int32_t> turns = distinct_turns(moves);
  const std::vector<double> angles = angle_table(turns, config.inverse_frequencies);
  std::vector<cpu::KvRowMove> rows;
  for (const KvMove& move : moves)
    for (int32_t i = 0; i < move.count; ++i)
      rows.push_back(
          {static_cast<const std::byte*>(move.block), static_cast<std::byte*>(move.target),
           move.first + i, move.target_first + i,
           move.turn == 0 ? nullptr : angles.data() + turn_index(turns, move.turn) * kv.head_dim});
  cpu::KvMoves work{.moves = rows.data(),
                    .layers = kv.layers,
                    .kv_heads = kv.kv_heads,
                    .head_dim = kv.head_dim,
                    .layer_bytes = kv.layer_bytes()};
  work.planes = kv_planes(kv, 0);
  pool_.parallel_ranges(static_cast<int64_t>(rows.size()), static_cast<int64_t>(kv.token_bytes()),
                        [&](int64_t begin, int64_t end) { kernels_.move_kv(work, begin, end); });
}

void CpuBackend::pack_kv(void* record, std::span<const KvRun> runs, const KvLayout& layout) {
  check_kv_rows("pack_kv", runs, layout);
  auto* to = static_cast<std::byte*>(record);
  for (const Part& part : parts_of(layout))
    for_each_run(part, layout.kv_heads, runs, [&](const std::byte* rows, size_t bytes) {
      std::memcpy(to, rows, bytes);
      to += bytes;
    });
}

void CpuBackend::unpack_kv(std::span<const KvRun> runs, std::span<const std::byte* const> parts,
                           const KvLayout& layout, const HostMemory& /*memory*/) {
  check_kv_rows("unpack_kv", runs, layout);
  check_kv_parts(parts, layout);
  const std::vector<Part> places = parts_of(layout);
  for (size_t part = 0; part < parts.size(); ++part) {
    const std::byte* from = parts[part];
    for_each_run(places[part], layout.kv_heads, runs, [&](std::byte* rows, size_t bytes) {
      std::memcpy(rows, from, bytes);
      from += bytes;
    });
  }
}

}  // namespace kvs
