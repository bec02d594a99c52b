#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kvs/donor_store.h"
#include "support/token_texts.h"

namespace kvs::test {

/// Stores of donors over pools of one layout, whose rows hold bytes that tell them apart.
class TierScene : public testing::Test {
 protected:
  static constexpr int64_t kBlocks = 64;
  static constexpr int64_t kLong = 600'000;  // ms, so that no slow machine decides a test

  /// A process: what it keeps in memory is gone with it.
  struct Process {
    explicit Process(Backend& backend, const KvLayout& layout, DonorStoreOptions options = {})
        : pool(backend, layout, kBlocks), store(pool, std::move(options)) {}
    KvPool pool;
    DonorStore store;
  };

  std::unique_ptr<Process> process(const TierOptions& tiers, DonorStoreOptions options = {}) {
    auto made = std::make_unique<Process>(*backend, layout, std::move(options));
    made->store.open_tiers(tiers, header);
    return made;
  }

  static Tokens text(uint64_t seed, int64_t count = 600) {
    std::mt19937_64 random(seed);
    return random_tokens(random, count, 50'000);
  }

  /// Rows of which every byte says where it stands, and of which text.
  static KvView rows(KvPool& pool, uint64_t seed, int64_t count, int64_t exact = 1 << 20) {
    KvView view;
    view.append_fresh(pool, std::min(count, exact), true);
    if (count > exact) view.append_fresh(pool, count - exact, false);
    for (int64_t position = 0; position < count; ++position)
      for (std::byte* row : places(pool.layout(), view.slot(position)))
        std::memset(row, static_cast<int>(7 * position + 31 * seed + 1), pool.layout().row_bytes());
    return view;
  }

  static std::vector<std::byte> bytes_of(const KvLayout& layout, const KvView& view) {
    std::vector<std::byte> bytes;
    for (int64_t position = 0; position < view.size(); ++position)
      for (const std::byte* row : places(layout, view.slot(position)))
        bytes.insert(bytes.end(), row, row + layout.row_bytes());
    return bytes;
  }

  static void add(Process& process, const std::string& tenant, uint64_t seed, int64_t count = 600,
                  const std::string& owner = "") {
    const Tokens tokens = text(seed, count);
    const KvView view = rows(process.pool, seed, count);
    process.store.add_to_tiers("request " + std::to_string(seed), tenant, tokens, view, owner);
  }

  static void finish(Process& process) {
    EXPECT_TRUE(process.store.finish_tiers(std::chrono::minutes(1)));
  }

  /// What a prompt finds in memory when what it can get from the tiers has come.
  static std::vector<ReuseDonor> look_up(Process& process, const std::string& tenant,
                                         const Tokens& prompt, const ReuseOptions& options = {}) {
    return bring_from_tiers(process, {.tokens = prompt, .tenant = tenant}, options);
  }
  static std::vector<ReuseDonor> bring_from_tiers(Process& process, const DonorLookup& lookup,
                                                  const ReuseOptions& options) {
    Prefetch prefetch = process.store.prefetch(lookup, options);
    while (process.store.arriving(prefetch)) {
      process.store.wait_for_tiers(std::chrono::milliseconds(5));
      process.store.work_on_tiers();
    }
    return process.store.find(lookup);
  }

  /// Whether a text's rows come back as they were.
  void expect_found(Process& process, const std::string& tenant, uint64_t seed,
                    int64_t count = 600) {
    const std::vector<ReuseDonor> found = look_up(process, tenant, text(seed, count));
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].id, "request " + std::to_string(seed));
    EXPECT_EQ(found[0].exact_rows, count);
    KvPool other(*backend, layout, kBlocks);
    EXPECT_EQ(bytes_of(layout, *found[0].view), bytes_of(layout, rows(other, seed, count)));
  }

  std::unique_ptr<Backend> backend = make_backend({.device = "cpu", .threads = 1});
  KvLayout layout{.layers = 2, .kv_heads = 2, .head_dim = 64};
  ArchiveHeader header{.model = "m", .fingerprint = "f", .tokenizer = "t", .layout = layout};

 private:
  static std::vector<std::byte*> places(const KvLayout& layout, const KvView::Slot& slot) {
    std::vector<std::byte*> rows;
    auto* block = static_cast<std::byte*>(slot.block);
    const size_t behind = slot.row * layout.row_bytes();
    for (int layer = 0; layer < layout.layers; ++layer)
      for (int head = 0; head < layout.kv_heads; ++head) {
        rows.push_back(block + layout.key_offset(layer, head) + behind);
        rows.push_back(block + layout.value_offset(layer, head) + behind);
      }
    return rows;
  }
};

}  // namespace kvs::test
