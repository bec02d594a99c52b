#include "engine/record_rows.h"

#include <algorithm>

namespace kvs {

namespace {

// Where rows [first, first + count) of a view are.
std::vector<KvRun> runs_of(const KvView& view, int64_t first, int64_t count) {
  std::vector<KvRun> runs;
  for (KvRun run : view.runs(first + count).runs) {
    const auto skip = static_cast<int32_t>(std::max<int64_t>(0, first - run.position));
    if (skip >= run.count) continue;
    run.first += skip;
    run.position += skip;
    run.count -= skip;
    runs.push_back(run);
  }
  return runs;
}

}  // namespace

std::vector<KvLayer> layers_of(const KvLayout& layout, int64_t count, const std::byte* data) {
  const size_t rows = layout.kv_heads * count * layout.row_bytes();
  const size_t scales = layout.type == DType::q8 ? layout.kv_heads * count * sizeof(float) : 0;
  std::vector<KvLayer> layers(layout.layers);
  for (KvLayer& layer : layers) {
    const auto take = [&](size_t bytes) {
      const std::span part(data, bytes);
      data += bytes;
      return part;
    };
    layer = {.k = take(rows), .v = take(rows), .k_scales = take(scales), .v_scales = take(scales)};
  }
  return layers;
}

int64_t bytes_of(const KvRecord& record) {
  int64_t bytes = 0;
  for (const KvLayer& layer : record.layers)
    for (const auto& part : {layer.k, layer.v, layer.k_scales, layer.v_scales})
      bytes += std::ssize(part);
  return bytes;
}

void copy_rows(KvRecord& record, const KvPool& pool, const KvView& view) {
  const KvLayout& layout = pool.layout();
  const auto count = static_cast<int64_t>(record.tokens.size());
  record.storage = pool.backend().host_memory(count * layout.token_bytes());
  record.layers = layers_of(layout, count, record.storage.get());
  pool.backend().pack_kv(record.storage.get(), runs_of(view, record.home, count), layout);
}

void append_rows(KvView& view, KvPool& pool, const KvRecord& record) {
  const auto count = static_cast<int64_t>(record.tokens.size());
  const int64_t first = view.size();
  view.append_loaded(pool, count, record.home, record.exact);
  std::vector<const std::byte*> parts;
  for (const KvLayer& layer : record.layers) {
    parts.insert(parts.end(), {layer.k.data(), layer.v.data()});
    if (pool.layout().type == DType::q8)
      parts.insert(parts.end(), {layer.k_scales.data(), layer.v_scales.data()});
  }
  pool.backend().unpack_kv(runs_of(view, first, count), parts, pool.layout(), record.storage);
}

}  // namespace kvs
