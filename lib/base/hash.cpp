#include "kvs/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <charconv>
#include <new>

namespace kvs {

struct Hasher::State {
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> xxh{XXH3_createState()};
};

std::string to_hex(const Hash128& hash) {
  return fmt::format("{:016x}{:016x}", hash.high, hash.low);
}

std::optional<Hash128> parse_hash(std::string_view hex) {
  if (hex.size() != 32) return std::nullopt;
  const char* middle = hex.data() + 16;
  const char* end = hex.data() + 32;
  Hash128 hash;
  if (std::from_chars(hex.data(), middle, hash.high, 16).ptr != middle) return std::nullopt;
  if (std::from_chars(middle, end, hash.low, 16).ptr != end) return std::nullopt;
  return hash;
}

std::array<std::byte, 16> to_bytes(const Hash128& hash) {
  std::array<std::byte, 16> bytes;
  for (int i = 0; i < 8; ++i) {
    bytes[i] = static_cast<std::byte>(hash.high >> (56 - 8 * i));
    bytes[8 + i] = static_cast<std::byte>(hash.low >> (56 - 8 * i));
  }
  return bytes;
}

Hash128 hash_from_bytes(std::span<const std::byte, 16> bytes) {
  Hash128 hash;
  for (int i = 0; i < 8; ++i) {
    hash.high = hash.high << 8 | std::to_integer<uint64_t>(bytes[i]);
    hash.low = hash.low << 8 | std::to_integer<uint64_t>(bytes[8 + i]);
  }
  return hash;
}

Hasher::Hasher() : state_(std::make_unique<State>()) {
  if (!state_->xxh) throw std::bad_alloc();
  reset();
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

Hasher& Hasher::reset() {
  XXH3_128bits_reset(state_->xxh.get());
  return *this;
}

Hasher& Hasher::add(const void* data, size_t bytes) {
  XXH3_128bits_update(state_->xxh.get(), data, bytes);
  return *this;
}

Hash128 Hasher::digest() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->xxh.get());
  return {hash.high64, hash.low64};
}

Hash128 hash_bytes(const void* data, size_t bytes) {
  const XXH128_hash_t hash = XXH3_128bits(data, bytes);
  return {hash.high64, hash.low64};
}

}  // namespace kvs
