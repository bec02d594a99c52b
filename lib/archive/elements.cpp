#include "archive/elements.h"

#include <cassert>
#include <cstdint>
#include <cstring>

#include "base/half.h"

namespace kvs {
namespace {

template <typename T, typename Convert>
void load(std::span<const std::byte> elements, float* values, Convert convert) {
  const size_t count = elements.size() / sizeof(T);
#pragma omp simd
  for (size_t e = 0; e < count; ++e) {
    T element;
    std::memcpy(&element, elements.data() + e * sizeof(T), sizeof element);
    values[e] = convert(element);
  }
}

template <typename Convert>
void store(std::span<const float> values, std::byte* elements, Convert convert) {
#pragma omp simd
  for (size_t e = 0; e < values.size(); ++e) {
    const uint16_t element = convert(values[e]);
    std::memcpy(elements + e * sizeof element, &element, sizeof element);
  }
}

}  // namespace

void load_elements(std::span<const std::byte> elements, DType type, float* values) {
  assert(type != DType::q8);
  if (type == DType::f16)
    load<uint16_t>(elements, values, f16_to_f32);
  else if (type == DType::bf16)
    load<uint16_t>(elements, values, bf16_to_f32);
  else
    std::memcpy(values, elements.data(), elements.size());
}

void store_elements(std::span<const float> values, DType type, std::byte* elements) {
  assert(type != DType::q8);
  if (type == DType::f16)
    store(values, elements, f32_to_f16);
  else if (type == DType::bf16)
    store(values, elements, f32_to_bf16);
  else
    std::memcpy(elements, values.data(), values.size_bytes());
}

}  // namespace kvs
