#pragma once

#include <cstddef>
#include <span>

namespace kvs {

/// Byte p of element e goes to planes[p * stride + e]. `width` is the bytes of an element, 1, 2
/// or 4; elements.size() a multiple of it. [count, width] -> [width, stride].
void split_planes(std::span<const std::byte> elements, size_t width, std::byte* planes,
                  size_t stride);

/// The inverse.
void join_planes(const std::byte* const* planes, size_t width, std::span<std::byte> elements);

}  // namespace kvs
