#include "engine/residency.h"

#include <algorithm>
#include <chrono>

#include "kvs/error.h"

namespace kvs {

double Residency::now() const {
  if (options.clock) return options.clock();
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(time).count();
}

EvictionOrder::Terms Residency::terms(const std::string* owner, const KvView& view,
                                      double share) const {
  const auto rows = static_cast<double>(view.size());
  return {.owner = owner ? name_of(*owner) : "everyone",
          .cost = share * rows * (1 + rows / 2 / options.doubling_tokens),
          .blocks = std::max<int64_t>(1, view.block_count()),
          .added = now()};
}

void Residency::require_pinnable(int64_t blocks, const KvPool& pool) const {
  const int64_t pinned = order.pinned_blocks() + blocks;
  if (2 * pinned > pool.max_blocks())
    fail(ErrorKind::argument,
         "pinned donors need {} blocks of KV, expected at most half of the pool's {}", pinned,
         pool.max_blocks());
}

}  // namespace kvs
