#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace kvs::test {

/// Ends the fuzzer, which then keeps the input, where a reader broke a promise.
inline void require(bool kept, std::string_view promise) {
  if (kept) return;
  fmt::print(stderr, "broken promise: {}\n", promise);
  std::abort();
}

inline std::string_view as_text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// The text after one of libFuzzer's own mutations; at most `max_size` bytes, at least one.
inline std::string mutate(std::string text, size_t max_size) {
  const size_t size = text.size();
  text.resize(std::max(max_size, size));
  text.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(text.data()), size, text.size()));
  return text;
}

}  // namespace kvs::test
