#include <bit>
#include <vector>

#include "backend/cuda_backend.h"
#include "backend/operation_rules.h"
#include "kernels/cuda/kernels.h"

namespace kvs {

void CudaBackend::top_logits(std::span<TopLogit> top, Tensor logits,
                             std::span<const LogitPlace> apart, std::span<float> values) {
  const int count = check_top_logits(top, logits, apart, values);
  const int64_t rows = logits.shape[0], vocab = logits.shape[1];
  if (rows == 0) return;
  std::vector<cuda::LogitPlace> places;
  for (const LogitPlace& place : apart) places.push_back({place.row, place.token});

  use();
  const int64_t key_bytes = 2 * cuda::top_logit_keys(rows, vocab, count) * int64_t{8};
  const auto taken = static_cast<int64_t>(places.size());
  auto* base = grown<std::byte>(work_, memory_, key_bytes + taken * int64_t{12});
  auto* device_keys = reinterpret_cast<uint64_t*>(base);
  auto* device_places = reinterpret_cast<cuda::LogitPlace*>(base + key_bytes);
  auto* device_values = reinterpret_cast<float*>(device_places + taken);
  staging_.upload(device_places, places.data(), places.size() * sizeof(cuda::LogitPlace));
  queue("top_logits", [&](cudaStream_t stream) {
    return cuda::take_logits(device_values, mutable_floats(logits), device_places, taken, vocab,
                             stream);
  });
  queue("top_logits", [&](cudaStream_t stream) {
    return cuda::top_logits(device_keys, floats(logits), rows, vocab, count, stream);
  });

  std::vector<uint64_t> keys(top.size());
  if (taken > 0) download(values.data(), device_values, values.size_bytes());
  download(keys.data(), device_keys, keys.size() * sizeof(uint64_t));
  for (size_t i = 0; i < keys.size(); ++i)
    top[i] = {static_cast<int32_t>(cuda::top_logit_token(keys[i])),
              std::bit_cast<float>(cuda::top_logit_bits(keys[i]))};
}

}  // namespace kvs
