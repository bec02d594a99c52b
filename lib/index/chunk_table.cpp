#include "index/chunk_table.h"

#include <algorithm>
#include <bit>

#include "kvs/hash.h"

namespace kvs {
namespace {

// A chunk ends behind a fingerprint whose low bits are zero, one in eight; a fingerprint stands for
// 8.5 tokens on average. Equal text is cut alike wherever it stands.
constexpr uint32_t kCutMask = 7;
constexpr size_t kMaxChunk = 32;
constexpr size_t kSmallest = 64;  // slots
constexpr uint64_t kMix = 0x9e3779b97f4a7c15u;

size_t chunk_length(std::span<const Fingerprint> fingerprints) {
  const size_t most = std::min(kMaxChunk, fingerprints.size());
  for (size_t at = 0; at < most; ++at)
    if ((fingerprints[at].hash & kCutMask) == 0) return at + 1;
  return most;
}

std::vector<uint32_t> hashes_of(std::span<const Fingerprint> fingerprints) {
  std::vector<uint32_t> hashes;
  hashes.reserve(fingerprints.size());
  for (const Fingerprint& fingerprint : fingerprints) hashes.push_back(fingerprint.hash);
  return hashes;
}

// Where the search for a hash begins in a table of `size` slots, a power of two.
size_t home_slot(uint64_t hash, size_t size) {
  return (hash * kMix) >> (64 - std::countr_zero(size));
}

bool too_full(size_t used, size_t size) {
  return 10 * (used + 1) > 7 * size;
}

}  // namespace

ChunkTable::ChunkTable() : slots_(kSmallest) {}

std::vector<uint32_t> ChunkTable::add(uint32_t donor, std::span<const Fingerprint> fingerprints) {
  std::vector<uint32_t> chunks;
  while (!fingerprints.empty()) {
    const size_t length = chunk_length(fingerprints);
    const std::vector<uint32_t> hashes = hashes_of(fingerprints.first(length));
    const uint64_t key = hash_bytes(hashes.data(), hashes.size() * sizeof(uint32_t)).low;
    chunks.push_back(add_chunk(key, hashes));
    fingerprints = fingerprints.subspan(length);
  }
  list(donor, chunks);
  return chunks;
}

std::vector<uint32_t> ChunkTable::merge(const ChunkTable& other) {
  std::vector<std::vector<uint32_t>> hashes(other.chunks());
  for (const uint64_t slot : other.slots_)
    if (slot != 0)
      hashes[static_cast<uint32_t>(slot) - 1].push_back(static_cast<uint32_t>(slot >> 32));
  std::vector<uint32_t> numbers;
  for (size_t chunk = 0; chunk < other.chunks(); ++chunk)
    numbers.push_back(add_chunk(other.keys_[chunk], hashes[chunk]));
  return numbers;
}

uint32_t ChunkTable::add_chunk(uint64_t key, std::span<const uint32_t> hashes) {
  if (too_full(keys_.size(), key_slots_.size())) {
    key_slots_.assign(std::bit_ceil(std::max(kSmallest, 2 * keys_.size() + 2)), 0);
    for (size_t chunk = 0; chunk < keys_.size(); ++chunk) index_key(static_cast<uint32_t>(chunk));
  }
  if (const uint32_t known = key_slots_[key_slot(key)]; known > 0) return known - 1;

  const auto chunk = static_cast<uint32_t>(keys_.size());
  keys_.push_back(key);
  donors_.emplace_back();
  index_key(chunk);
  for (const uint32_t hash : hashes) {
    if (too_full(used_, slots_.size())) grow();
    insert(uint64_t{hash} << 32 | (chunk + 1));
  }
  return chunk;
}

size_t ChunkTable::key_slot(uint64_t key) const {
  const size_t mask = key_slots_.size() - 1;
  size_t at = home_slot(key, key_slots_.size());
  while (key_slots_[at] > 0 && keys_[key_slots_[at] - 1] != key) at = (at + 1) & mask;
  return at;
}

void ChunkTable::index_key(uint32_t chunk) {
  key_slots_[key_slot(keys_[chunk])] = chunk + 1;
}

// Leaves the fingerprint out where it is listed often enough, or for this chunk already.
void ChunkTable::insert(uint64_t slot) {
  const size_t mask = slots_.size() - 1;
  size_t at = home_slot(slot >> 32, slots_.size());
  for (int listed = 0; slots_[at] != 0; at = (at + 1) & mask)
    if (slots_[at] == slot || (slots_[at] >> 32 == slot >> 32 && ++listed == kMaxChunks)) return;
  slots_[at] = slot;
  ++used_;
}

void ChunkTable::grow() {
  std::vector<uint64_t> old(2 * slots_.size());
  old.swap(slots_);
  used_ = 0;
  for (const uint64_t slot : old)
    if (slot != 0) insert(slot);
}

void ChunkTable::list(uint32_t donor, std::span<const uint32_t> chunks) {
  for (const uint32_t chunk : chunks) list_one(donor, chunk);
}

void ChunkTable::list_one(uint32_t donor, uint32_t chunk) {
  Donors& donors = donors_[chunk];
  const auto listed = donors_of(chunk);
  if (!listed.empty() && listed.back() == donor) return;  // the text repeats itself
  if (donors.count == 0) {
    donors = {1, donor};
    return;
  }
  if (donors.count == 1) {
    more_.push_back({donors.donor_or_list});
    donors.donor_or_list = static_cast<uint32_t>(more_.size() - 1);
  }
  std::vector<uint32_t>& many = more_[donors.donor_or_list];
  if (many.size() == kMaxDonors) many.erase(many.begin());
  many.push_back(donor);
  donors.count = static_cast<uint32_t>(many.size());
}

void ChunkTable::clear_donors() {
  donors_.assign(keys_.size(), {});
  more_.clear();
}

void ChunkTable::find_chunks(uint32_t hash, std::vector<uint32_t>& out) const {
  const size_t mask = slots_.size() - 1;
  for (size_t at = home_slot(hash, slots_.size()); slots_[at] != 0; at = (at + 1) & mask)
    if (slots_[at] >> 32 == hash) out.push_back(static_cast<uint32_t>(slots_[at]) - 1);
}

std::span<const uint32_t> ChunkTable::donors_of(uint32_t chunk) const {
  const Donors& donors = donors_[chunk];
  if (donors.count > 1) return more_[donors.donor_or_list];
  return {&donors.donor_or_list, donors.count};
}

ChunkTable ChunkTable::subset(std::span<const uint32_t> kept) const {
  constexpr uint32_t kDropped = UINT32_MAX;
  std::vector<uint32_t> numbers(keys_.size(), kDropped);
  ChunkTable table;
  for (size_t at = 0; at < kept.size(); ++at) {
    numbers[kept[at]] = static_cast<uint32_t>(at);
    table.keys_.push_back(keys_[kept[at]]);
  }
  table.clear_donors();
  table.slots_.assign(slots_.size(), 0);
  for (const uint64_t slot : slots_) {
    if (slot == 0 || numbers[static_cast<uint32_t>(slot) - 1] == kDropped) continue;
    table.insert((slot >> 32) << 32 | (numbers[static_cast<uint32_t>(slot) - 1] + 1));
  }
  return table;
}

size_t ChunkTable::bytes() const {
  size_t total = slots_.size() * sizeof(uint64_t) + keys_.size() * sizeof(uint64_t) +
                 key_slots_.size() * sizeof(uint32_t) + donors_.size() * sizeof(Donors);
  total += more_.size() * sizeof(std::vector<uint32_t>);
  for (const auto& list : more_) total += list.capacity() * sizeof(uint32_t);
  return total;
}

void ChunkTable::write(ByteWriter& out) const {
  out.add_array(std::span(keys_));
  out.add_array(std::span(slots_));
}

ChunkTable ChunkTable::read(ByteReader& in) {
  ChunkTable table;
  table.keys_ = in.get_array<uint64_t>();
  table.slots_ = in.get_array<uint64_t>();
  const size_t size = table.slots_.size();
  if (!std::has_single_bit(size) || size < kSmallest || table.keys_.size() >= UINT32_MAX)
    in.damaged("impossible table size");
  for (const uint64_t slot : table.slots_) {
    if (slot == 0) continue;
    const auto chunk = static_cast<uint32_t>(slot);
    if (chunk == 0 || chunk > table.keys_.size()) in.damaged("a fingerprint without its chunk");
    ++table.used_;
  }
  // A full table would make every look-up endless.
  if (too_full(table.used_ - (table.used_ > 0), size)) in.damaged("the table is too full");
  table.clear_donors();
  return table;
}

}  // namespace kvs
