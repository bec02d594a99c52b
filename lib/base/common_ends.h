#pragma once

#include <cstdint>
#include <span>

namespace kvs {

/// How many tokens the two have in common at their start (end).
int64_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b);
int64_t common_suffix(std::span<const int32_t> a, std::span<const int32_t> b);

}  // namespace kvs
