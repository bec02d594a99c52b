#include "engine/decode_repair.h"

#include <algorithm>
#include <utility>

namespace kvs {
namespace {

constexpr int kLayersSeen = 4;  // measuring a layer costs half an attention of one row

}  // namespace

DecodeRepair::DecodeRepair(Transformer& transformer, std::vector<Row> kept, int64_t positions,
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
  std::vector<float> mass(kept_.back().position + 1);
  transformer_.backend().download(mass.data(), mass_.tensor().data, mass.size() * sizeof(float));
  const auto score = [&](const Row& row) { return mass[row.position] * row.deviation; };
  const auto by_position = [](const Row& a, const Row& b) { return a.position < b.position; };
  const auto chosen = kept_.begin() + count;
  std::partial_sort(kept_.begin(), chosen, kept_.end(), [&](const Row& a, const Row& b) {
    return score(a) != score(b) ? score(a) > score(b) : by_position(a, b);
  });
  std::sort(kept_.begin(), chosen, by_position);
  std::sort(chosen, kept_.end(), by_position);
  std::vector<int64_t> order;
  for (auto row = kept_.begin(); row != chosen; ++row) order.push_back(row->position);
  kept_.erase(kept_.begin(), chosen);
  return order;
}

void DecodeRepair::observe(int layer, const Tensor& qkv, const BatchPlan& plan, int32_t row) {
  const int step = std::max(1, transformer_.config().layers / kLayersSeen);
  if (kept_.empty() || layer % step != step / 2) return;
  transformer_.backend().attention_mass(mass_.tensor(), qkv, plan, layer, std::span(&row, 1));
  seen_ = true;
}

}  // namespace kvs
