#include "kvs/tensor_type.h"

#include <array>

namespace kvs {
namespace {

struct Entry {
  std::string_view name;
  BlockSize block;
};

constexpr std::array<Entry, 11> kEntries{{{"f32", {1, 4}},
                                          {"f16", {1, 2}},
                                          {"bf16", {1, 2}},
                                          {"q8_0", {32, 34}},
                                          {"q4_0", {32, 18}},
                                          {"q4_1", {32, 20}},
                                          {"q5_0", {32, 22}},
                                          {"q5_1", {32, 24}},
                                          {"q4_k", {256, 144}},
                                          {"q5_k", {256, 176}},
                                          {"q6_k", {256, 210}}}};

}  // namespace

BlockSize block_size(TensorType type) {
  return kEntries.at(static_cast<size_t>(type)).block;
}

std::string_view tensor_type_name(TensorType type) {
  return kEntries.at(static_cast<size_t>(type)).name;
}

std::optional<int64_t> find_tensor_bytes(TensorType type, int64_t elements) {
  const BlockSize block = block_size(type);
  if (elements % block.elements != 0) return std::nullopt;
  return find_product(elements / block.elements, block.bytes);
}

std::optional<int64_t> find_product(int64_t a, int64_t b) {
  int64_t product = 0;
  if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

}  // namespace kvs
