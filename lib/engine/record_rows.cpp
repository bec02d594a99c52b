#include "engine/record_rows.h"

namespace kvs {

std::vector<RowPlane> planes_of(const KvLayout& layout, std::span<const KvLayer> layers,
                                int64_t count) {
  std::vector<RowPlane> planes;
  const auto add = [&](std::span<const std::byte> part, size_t first, size_t distance, size_t row) {
    for (int head = 0; head < layout.kv_heads; ++head)
      planes.push_back({part.data() + head * count * row, first + head * distance, row});
  };
  for (int layer = 0; layer < layout.layers; ++layer) {
    const KvLayer& of = layers[layer];
    add(of.k, layout.key_offset(layer, 0), layout.head_bytes(), layout.row_bytes());
    add(of.v, layout.value_offset(layer, 0), layout.head_bytes(), layout.row_bytes());
    if (layout.type != DType::q8) continue;
    const size_t distance = layout.head_scale_bytes();
    add(of.k_scales, layout.key_scale_offset(layer, 0), distance, sizeof(float));
    add(of.v_scales, layout.value_scale_offset(layer, 0), distance, sizeof(float));
  }
  return planes;
}

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

void copy_rows(KvRecord& record, const KvPool& pool, const KvView& view) {
  const KvLayout& layout = pool.layout();
  const auto count = static_cast<int64_t>(record.tokens.size());
  record.storage = std::make_unique_for_overwrite<std::byte[]>(count * layout.token_bytes());
  std::byte* bytes = record.storage.get();
  record.layers = layers_of(layout, count, bytes);
  for_each_piece(layout, view, record.home, count, record.layers,
                 [&](const std::byte* block, const std::byte* row, size_t size) {
                   pool.backend().download(bytes + (row - bytes), block, size);
                 });
}

void append_rows(KvView& view, KvPool& pool, const KvRecord& record) {
  const auto count = static_cast<int64_t>(record.tokens.size());
  const int64_t first = view.size();
  view.append_loaded(pool, count, record.home, record.exact);
  for_each_piece(pool.layout(), view, first, count, record.layers,
                 [&](std::byte* block, const std::byte* row, size_t size) {
                   pool.backend().upload(block, row, size);
                 });
}

}  // namespace kvs
