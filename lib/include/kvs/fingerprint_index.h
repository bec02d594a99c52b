#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "kvs/export.h"

namespace kvs {

/// A donor that shares text with a prompt.
struct FingerprintMatch {
  uint32_t donor = 0;
  int64_t tokens = 0;  ///< about how many of the prompt's tokens it has, wherever they stand

  bool operator==(const FingerprintMatch&) const = default;
};

/// What a FingerprintIndex holds.
struct FingerprintStats {
  int64_t donors = 0;
  int64_t chunks = 0;        ///< distinct pieces of text, of 70 tokens on average
  int64_t fingerprints = 0;  ///< places at which a k-gram is looked up
  int64_t bytes = 0;         ///< memory, without the allocator's overhead
};

/// Finds donors that have spans of tokens in common with a prompt, wherever the spans stand: of
/// every window of 16 hashes of 16 tokens the smallest is kept (winnowing, Schleimer, Wilkerson and
/// Aiken, SIGMOD 2003), so that any span of 31 tokens or more is found. Runs of kept hashes are cut
/// into chunks by content; a chunk is stored once, however many donors share it, and lists the
/// latest 32 of them.
///
/// 1,000 tokens that no other donor has take about 2 KB. Searching is thread-safe as long as
/// nobody adds or removes.
class KVS_API FingerprintIndex {
 public:
  FingerprintIndex();
  ~FingerprintIndex();
  FingerprintIndex(FingerprintIndex&&) noexcept;
  FingerprintIndex& operator=(FingerprintIndex&&) noexcept;

  /// Throws Error(argument) where the number is taken.
  void add(uint32_t donor, std::span<const int32_t> tokens);
  /// False where there is no such donor.
  bool remove(uint32_t donor);

  /// Donor n becomes numbers[n], which is another for each.
  void renumber(std::span<const uint32_t> numbers);
  /// Adds the donors of another index, n as numbers[n]. Throws Error(argument) where one is taken.
  void merge(const FingerprintIndex& other, std::span<const uint32_t> numbers);

  /// At most `limit` donors, most tokens in common first, then lowest number.
  std::vector<FingerprintMatch> search(std::span<const int32_t> tokens, size_t limit) const;

  FingerprintStats stats() const;
  uint64_t donors_end() const;  ///< every donor's number is lower

  /// The whole index; ends in a checksum. The same calls in the same order give the same bytes.
  std::vector<std::byte> to_bytes() const;
  /// Throws Error(format), naming `source`, where the bytes are damaged, and Error(mismatch) where
  /// another version or other parameters wrote them.
  static FingerprintIndex from_bytes(std::span<const std::byte> bytes, std::string_view source);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kvs
