// What a look-up costs on one core, by the number of donors, and what a donor costs in memory.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string_view>

#include "kvs/fingerprint_index.h"
#include "support/token_texts.h"

namespace {

using Clock = std::chrono::steady_clock;
using kvs::test::Tokens;

constexpr int64_t kVocab = 49'152;
constexpr int kQueries = 200;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Half of each text is its own; the other half comes from one of `pools` shared passages.
Tokens donor_text(uint32_t donor, const std::vector<Tokens>& pools) {
  std::mt19937_64 random(donor);
  if (pools.empty()) return kvs::test::random_tokens(random, 1000, kVocab);
  return kvs::test::joined({kvs::test::random_tokens(random, 100, kVocab),
                            pools[donor % pools.size()],
                            kvs::test::random_tokens(random, 400, kVocab)});
}

void measure(std::string_view name, uint32_t donors, const std::vector<Tokens>& pools) {
  kvs::FingerprintIndex index;
  auto start = Clock::now();
  for (uint32_t donor = 0; donor < donors; ++donor) index.add(donor, donor_text(donor, pools));
  const double build = seconds_since(start);

  std::mt19937_64 random(99);
  std::vector<double> ms;
  int right = 0;
  for (int query = 0; query < kQueries; ++query) {
    const auto donor = static_cast<uint32_t>(kvs::test::pick(random, donors));
    const Tokens text = kvs::test::edited(random, donor_text(donor, pools), 0.05, kVocab);
    start = Clock::now();
    const auto found = index.search(text, 8);
    ms.push_back(seconds_since(start) * 1e3);
    right += !found.empty() && found[0].donor == donor;
  }
  std::sort(ms.begin(), ms.end());
  const auto stats = index.stats();

  start = Clock::now();
  const auto bytes = index.to_bytes();
  const double write = seconds_since(start);
  start = Clock::now();
  kvs::FingerprintIndex::from_bytes(bytes, "bytes");
  fmt::print(
      "{:<22} {:>7} donors: look-up {:.3f} ms (p90 {:.3f}), first found {:.3f}, build {:.1f} s, "
      "{:.0f} bytes a donor, write {:.2f} s, read {:.2f} s\n",
      name, donors, ms[kQueries / 2], ms[kQueries * 9 / 10], right / double{kQueries}, build,
      static_cast<double>(stats.bytes) / donors, write, seconds_since(start));
}

}  // namespace

int main() {
  std::mt19937_64 random(5);
  std::vector<Tokens> pools(20);
  for (Tokens& pool : pools) pool = kvs::test::random_tokens(random, 500, kVocab);
  for (const uint32_t donors : {1'000u, 10'000u, 100'000u}) {
    measure("own texts", donors, {});
    measure("half of it shared", donors, pools);
  }
}
