#include "kvs/fingerprint_index.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "index/byte_stream.h"
#include "index/chunk_table.h"
#include "index/token_counts.h"
#include "index/winnow.h"
#include "kvs/error.h"
#include "kvs/hash.h"

namespace kvs {
namespace {

constexpr uint64_t kFingerprintMagic = 0x0a3152504653564bu;  // "KVSFPR1\n"

struct DonorText {
  uint32_t tokens = 0;
  std::vector<uint32_t> chunks;  // each once, ascending
};

std::vector<uint32_t> ascending(std::vector<uint32_t> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

// The prompt's fingerprints, each once, with all tokens that it stands for.
std::vector<Fingerprint> distinct(std::vector<Fingerprint> fingerprints) {
  std::sort(fingerprints.begin(), fingerprints.end(),
            [](const Fingerprint& a, const Fingerprint& b) { return a.hash < b.hash; });
  std::vector<Fingerprint> merged;
  for (const Fingerprint& fingerprint : fingerprints) {
    if (!merged.empty() && merged.back().hash == fingerprint.hash)
      merged.back().tokens += fingerprint.tokens;
    else
      merged.push_back(fingerprint);
  }
  return merged;
}

}  // namespace

struct FingerprintIndex::State {
  ChunkTable table;
  std::unordered_map<uint32_t, DonorText> donors;
  size_t removed = 0;  // since the lists were made

  const DonorText* find(uint32_t donor) const {
    const auto found = donors.find(donor);
    return found == donors.end() ? nullptr : &found->second;
  }

  std::vector<uint32_t> numbers() const {
    std::vector<uint32_t> all;
    all.reserve(donors.size());
    for (const auto& [donor, text] : donors) all.push_back(donor);
    std::sort(all.begin(), all.end());
    return all;
  }

  // Drops chunks that no donor has any more and lists the donors anew.
  void rebuild() {
    std::vector<uint32_t> used;
    for (const auto& [donor, text] : donors)
      used.insert(used.end(), text.chunks.begin(), text.chunks.end());
    used = ascending(std::move(used));
    table = table.subset(used);
    for (const uint32_t donor : numbers()) {
      std::vector<uint32_t>& chunks = donors[donor].chunks;
      for (uint32_t& chunk : chunks)
        chunk =
            static_cast<uint32_t>(std::lower_bound(used.begin(), used.end(), chunk) - used.begin());
      table.list(donor, chunks);
    }
    removed = 0;
  }
};

FingerprintIndex::FingerprintIndex() : state_(std::make_unique<State>()) {}
FingerprintIndex::~FingerprintIndex() = default;
FingerprintIndex::FingerprintIndex(FingerprintIndex&&) noexcept = default;
FingerprintIndex& FingerprintIndex::operator=(FingerprintIndex&&) noexcept = default;

void FingerprintIndex::add(uint32_t donor, std::span<const int32_t> tokens) {
  if (state_->donors.contains(donor))
    fail(ErrorKind::argument, "fingerprint index: donor {} is there already", donor);
  if (tokens.size() > INT32_MAX)
    fail(ErrorKind::argument, "fingerprint index: {} tokens, expected at most {}", tokens.size(),
         INT32_MAX);
  DonorText text{static_cast<uint32_t>(tokens.size()), {}};
  text.chunks = ascending(state_->table.add(donor, winnow(tokens)));
  state_->donors.emplace(donor, std::move(text));
}

bool FingerprintIndex::remove(uint32_t donor) {
  if (state_->donors.erase(donor) == 0) return false;
  // Lists still name the donor, which search() passes over; too many such names hide the others.
  if (++state_->removed > 16 + state_->donors.size() / 8) state_->rebuild();
  return true;
}

void FingerprintIndex::renumber(std::span<const uint32_t> numbers) {
  std::unordered_map<uint32_t, DonorText> donors;
  for (auto& [donor, text] : state_->donors) donors.emplace(numbers[donor], std::move(text));
  state_->donors = std::move(donors);
  state_->rebuild();
}

void FingerprintIndex::merge(const FingerprintIndex& other, std::span<const uint32_t> numbers) {
  const std::vector<uint32_t> chunks = state_->table.merge(other.state_->table);
  for (const uint32_t donor : other.state_->numbers()) {
    const uint32_t number = numbers[donor];
    if (state_->donors.contains(number))
      fail(ErrorKind::argument, "fingerprint index: donor {} is there already", number);
    DonorText text = other.state_->donors[donor];
    for (uint32_t& chunk : text.chunks) chunk = chunks[chunk];
    text.chunks = ascending(std::move(text.chunks));
    state_->table.list(number, text.chunks);
    state_->donors.emplace(number, std::move(text));
  }
}

std::vector<FingerprintMatch> FingerprintIndex::search(std::span<const int32_t> tokens,
                                                       size_t limit) const {
  TokenCounts counts;  // tokens of the prompt that a chunk has
  std::vector<uint32_t> chunks;
  std::vector<uint32_t> nominated;
  for (const Fingerprint& fingerprint : distinct(winnow(tokens))) {
    chunks.clear();
    state_->table.find_chunks(fingerprint.hash, chunks);
    for (const uint32_t chunk : chunks) {
      if (!counts.add(chunk, fingerprint.tokens)) continue;
      const auto donors = state_->table.donors_of(chunk);
      nominated.insert(nominated.end(), donors.begin(), donors.end());
    }
  }
  std::vector<FingerprintMatch> matches;
  for (const uint32_t donor : ascending(std::move(nominated))) {
    const DonorText* text = state_->find(donor);
    if (!text) continue;
    int64_t common = 0;
    for (const uint32_t chunk : text->chunks) common += counts.find(chunk);
    const int64_t most = std::min<int64_t>(text->tokens, static_cast<int64_t>(tokens.size()));
    matches.push_back({donor, std::min(common, most)});
  }
  const auto end = matches.begin() + static_cast<ptrdiff_t>(std::min(limit, matches.size()));
  std::partial_sort(matches.begin(), end, matches.end(),
                    [](const FingerprintMatch& a, const FingerprintMatch& b) {
                      return a.tokens != b.tokens ? a.tokens > b.tokens : a.donor < b.donor;
                    });
  matches.erase(end, matches.end());
  return matches;
}

FingerprintStats FingerprintIndex::stats() const {
  size_t bytes = state_->table.bytes();
  for (const auto& [donor, text] : state_->donors)
    bytes += sizeof donor + sizeof text + text.chunks.capacity() * sizeof(uint32_t);
  return {static_cast<int64_t>(state_->donors.size()), static_cast<int64_t>(state_->table.chunks()),
          static_cast<int64_t>(state_->table.fingerprints()), static_cast<int64_t>(bytes)};
}

uint64_t FingerprintIndex::donors_end() const {
  uint64_t end = 0;
  for (const auto& [donor, text] : state_->donors) end = std::max(end, uint64_t{donor} + 1);
  return end;
}

std::vector<std::byte> FingerprintIndex::to_bytes() const {
  ByteWriter out;
  out.add(kFingerprintMagic);
  out.add(uint32_t{kWinnowGram});
  out.add(uint32_t{kWinnowWindow});
  state_->table.write(out);
  out.add(uint64_t{state_->donors.size()});
  for (const uint32_t donor : state_->numbers()) {
    const DonorText& text = state_->donors[donor];
    out.add(donor);
    out.add(text.tokens);
    out.add_array(std::span(text.chunks));
  }
  seal(out);
  return out.take();
}

FingerprintIndex FingerprintIndex::from_bytes(std::span<const std::byte> bytes,
                                              std::string_view source) {
  ByteReader in(unsealed(bytes, source), source);
  if (in.get<uint64_t>() != kFingerprintMagic)
    fail(ErrorKind::mismatch, "{}: not a fingerprint index of this version", source);
  if (in.get<uint32_t>() != kWinnowGram || in.get<uint32_t>() != kWinnowWindow)
    fail(ErrorKind::mismatch, "{}: made with another k-gram or window", source);
  FingerprintIndex index;
  index.state_->table = ChunkTable::read(in);
  const auto donors = in.get<uint64_t>();
  for (uint64_t at = 0; at < donors; ++at) {
    const auto donor = in.get<uint32_t>();
    DonorText text{in.get<uint32_t>(), in.get_array<uint32_t>()};
    for (const uint32_t chunk : text.chunks)
      if (chunk >= index.state_->table.chunks()) in.damaged("a donor names an unknown chunk");
    index.state_->table.list(donor, text.chunks);
    if (!index.state_->donors.emplace(donor, std::move(text)).second)
      in.damaged("a donor occurs twice");
  }
  in.expect_end();
  return index;
}

}  // namespace kvs
