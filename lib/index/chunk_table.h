#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/byte_stream.h"
#include "index/winnow.h"

namespace kvs {

/// Pieces of text, each once, by their fingerprints: which chunks a fingerprint occurs in, and
/// which donors a chunk occurs in. Chunks are numbered from 0.
class ChunkTable {
 public:
  static constexpr size_t kMaxDonors = 32;  ///< listed per chunk: the latest
  static constexpr int kMaxChunks = 8;      ///< listed per fingerprint: the first

  ChunkTable();

  /// Cuts the fingerprints into chunks, adds those that are new, and lists the donor with each.
  /// Returns the chunks, in order.
  std::vector<uint32_t> add(uint32_t donor, std::span<const Fingerprint> fingerprints);
  /// Adds the chunks of another table, without donors. Returns their numbers here, in its order.
  std::vector<uint32_t> merge(const ChunkTable& other);
  /// Lists the donor with chunks that are there.
  void list(uint32_t donor, std::span<const uint32_t> chunks);
  /// Forgets all lists of donors.
  void clear_donors();

  /// Appends the chunks that `hash` occurs in.
  void find_chunks(uint32_t hash, std::vector<uint32_t>& out) const;
  /// The donors listed with a chunk.
  std::span<const uint32_t> donors_of(uint32_t chunk) const;

  /// The same table with those chunks only; `kept` ascends. Chunk kept[i] becomes chunk i, without
  /// donors.
  ChunkTable subset(std::span<const uint32_t> kept) const;

  size_t chunks() const { return keys_.size(); }
  size_t fingerprints() const { return used_; }
  size_t bytes() const;

  void write(ByteWriter& out) const;
  /// Without donors: list() them again.
  static ChunkTable read(ByteReader& in);

 private:
  // The donors of a chunk: one in place, several in more_[list].
  struct Donors {
    uint32_t count = 0;
    uint32_t donor_or_list = 0;
  };

  // By the hash of all its fingerprints; adds it where it is new.
  uint32_t add_chunk(uint64_t key, std::span<const uint32_t> hashes);
  void insert(uint64_t slot);
  void grow();
  void index_key(uint32_t chunk);
  size_t key_slot(uint64_t key) const;
  void list_one(uint32_t donor, uint32_t chunk);

  std::vector<uint64_t> slots_;      // hash << 32 | chunk + 1, by hash; 0 is empty
  std::vector<uint64_t> keys_;       // per chunk, the hash of all its fingerprints
  std::vector<uint32_t> key_slots_;  // chunk + 1, by key; built when the first chunk is added
  std::vector<Donors> donors_;       // per chunk
  std::vector<std::vector<uint32_t>> more_;
  size_t used_ = 0;  // slots
};

}  // namespace kvs
