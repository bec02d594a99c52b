#include "engine/decode_repair.h"

#include <algorithm>
#include <utility>

namespace kvs {
namespace {

constexpr int kLayersSeen = 4;  // measuring a layer costs half an attention of one row

}  // namespace

DecodeRepair::DecodeRepair(Transformer& transformer, std::vector<int64_t> kept, int64_t positions,
                           int64_t rows)
    : transformer_(transformer),
      kept_(std::move(kept)),
      mass_(transformer.backend(), DType::f32, {positions}),
      rows_(rows) {
  transformer_.backend().zero(mass_.tensor().data, positions * sizeof(float));
}

std::vector<int64_t> DecodeRepair::take(int64_t room) {
  if (!seen_ || steps_++ % kBurst != 0) return {};
  const auto count = std::min({room, most_rows(), static_cast<int64_t>(kept_.size())});
  if (count <= 0) return {};
  std::vector<float> mass(kept_.back() + 1);
  transformer_.backend().download(mass.data(), mass_.tensor().data, mass.size() * sizeof(float));
  std::vector<int64_t> order = kept_;
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int64_t a, int64_t b) {
    return mass[a] != mass[b] ? mass[a] > mass[b] : a < b;
  });
  order.resize(count);
  std::sort(order.begin(), order.end());
  std::erase_if(kept_,
                [&](int64_t row) { return std::binary_search(order.begin(), order.end(), row); });
  return order;
}

void DecodeRepair::observe(int layer, const Tensor& qkv, const BatchPlan& plan, int32_t row) {
  const int step = std::max(1, transformer_.config().layers / kLayersSeen);
  if (kept_.empty() || layer % step != step / 2) return;
  transformer_.backend().attention_mass(mass_.tensor(), qkv, plan, layer, std::span(&row, 1));
  seen_ = true;
}

}  // namespace kvs
