#include "engine/exact_start.h"

#include <utility>

#include "kvs/reuse.h"

namespace kvs {

namespace {

// Brings the rows that the plan uses into memory; false where some cannot be had, whose donor is
// taken out.
bool load(const ReusePlan& plan, std::vector<ReuseDonor>& found, DonorStore& donors) {
  for (size_t donor = 0; donor < found.size(); ++donor) {
    const int64_t rows = plan.tokens_of(static_cast<int32_t>(donor));
    if (rows == 0 || donors.load(found[donor], rows)) continue;
    found.erase(found.begin() + static_cast<std::ptrdiff_t>(donor));
    return false;
  }
  return true;
}

}  // namespace

std::optional<ExactStart> start_exact(std::span<const int32_t> tokens, const std::string& tenant,
                                      DonorStore& donors, KvPool& pool) {
  const ReuseOptions lossless{.mode = ReuseMode::exact, .policy = Policy::prefix};
  std::vector<ReuseDonor> found = donors.find({.tokens = tokens, .tenant = tenant});
  for (;;) {
    const ReusePlan plan = plan_reuse(tokens, found, lossless);
    if (!load(plan, found, donors)) continue;
    std::vector<int64_t> rows = plan.rows_to_compute();
    const auto blocks = static_cast<int64_t>(rows.size()) / kBlockTokens + 2;
    if (blocks <= pool.max_blocks() && donors.make_room(blocks, /*keep_candidates=*/!found.empty()))
      return ExactStart{build_view(plan, found, pool), std::move(rows)};
    if (found.empty()) return std::nullopt;
    found.clear();  // they make way, too
  }
}

}  // namespace kvs
