#include "serve/followers.h"

#include <algorithm>
#include <span>

namespace kvs {
namespace {

constexpr int64_t kFewest = 32;  // tokens worth waiting for

int64_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  const size_t size = std::min(a.size(), b.size());
  return std::mismatch(a.begin(), a.begin() + size, b.begin()).first - a.begin();
}

bool may_wait(const Task& leader, const Task& follower) {
  const ReuseOptions& reuse = follower.reuse;
  return leader.store && leader.tenant == follower.tenant && reuse.mode != ReuseMode::off &&
         reuse.policy != Policy::full;
}

bool takes_moved_rows(const ReuseOptions& reuse) {
  return reuse.mode == ReuseMode::approx && reuse.policy != Policy::prefix;
}

// Whether it pays to wait for so many of a prompt's tokens.
bool worth_waiting(int64_t shared, const Task& follower) {
  return shared >= kFewest && 2 * shared >= std::ssize(follower.tokens);
}

}  // namespace

int64_t rows_to_wait_for(const Leader& leader, const Task& follower, int& looks) {
  if (!may_wait(leader.task, follower)) return 0;
  const int64_t beginning = common_prefix(leader.task.tokens, follower.tokens);
  int64_t anywhere = 0;
  if (beginning < std::ssize(follower.tokens) && takes_moved_rows(follower.reuse) && looks-- > 0)
    for (const FingerprintMatch& match : leader.text.search(follower.tokens, 1))
      anywhere = match.tokens;
  const bool more = anywhere >= beginning + kFewest;
  if (!worth_waiting(std::max(beginning, anywhere), follower)) return 0;
  return more ? std::ssize(leader.task.tokens) : beginning;
}

}  // namespace kvs
