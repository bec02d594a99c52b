#include "engine/exact_start.h"

#include <utility>

#include "engine/load_donors.h"
#include "kvs/reuse.h"

namespace kvs {

std::optional<ExactStart> start_exact(std::span<const int32_t> tokens, const std::string& tenant,
                                      DonorStore& donors, KvPool& pool) {
  const ReuseOptions lossless{.mode = ReuseMode::exact, .policy = Policy::prefix};
  std::vector<ReuseDonor> found = donors.find({.tokens = tokens, .tenant = tenant});
  std::vector<DonorPlace> ignored;
  for (;;) {
    const ReusePlan plan = plan_reuse(tokens, found, lossless);
    if (!load_donors(plan, found, donors, ignored)) continue;
    std::vector<int64_t> rows = plan.rows_to_compute();
    const auto blocks = static_cast<int64_t>(rows.size()) / kBlockTokens + 2;
    if (blocks <= pool.max_blocks() && donors.make_room(blocks, /*keep_candidates=*/!found.empty()))
      return ExactStart{build_view(plan, found, pool), std::move(rows)};
    if (found.empty()) return std::nullopt;
    found.clear();  // they make way, too
  }
}

}  // namespace kvs
