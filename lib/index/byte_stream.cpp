#include "index/byte_stream.h"

#include <algorithm>

#include "kvs/hash.h"

namespace kvs {
namespace {

constexpr size_t kSeal = 16;

}  // namespace

void seal(ByteWriter& out) {
  const auto bytes = out.bytes();
  out.add(to_bytes(hash_bytes(bytes.data(), bytes.size())));
}

std::span<const std::byte> unsealed(std::span<const std::byte> bytes, std::string_view source) {
  if (bytes.size() < kSeal)
    fail(ErrorKind::format, "{}: damaged: {} bytes are too few", source, bytes.size());
  const auto content = bytes.first(bytes.size() - kSeal);
  const auto expected = to_bytes(hash_bytes(content.data(), content.size()));
  if (!std::equal(expected.begin(), expected.end(), bytes.end() - kSeal))
    fail(ErrorKind::format, "{}: damaged: the checksum does not fit", source);
  return content;
}

}  // namespace kvs
