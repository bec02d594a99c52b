#include "engine/publisher.h"

#include <span>
#include <utility>

#include "kvs/hash.h"

namespace kvs {
namespace {

constexpr size_t kMaxPrompts = 64;  // prompts; the oldest is dropped

// Names nothing but the tokens.
std::string id_of(std::span<const int32_t> tokens) {
  return std::string(DonorStore::kPublished) + to_hex(Hasher().add(tokens).digest());
}

}  // namespace

void Publisher::add(const Task& task) {
  if (!donors_.may_publish(task.tenant)) return;
  waiting_.push_back({task.id, task.tenant, task.owner, task.tokens});
  if (waiting_.size() > kMaxPrompts) waiting_.pop_front();
}

void Publisher::forget(const DonorFilter& which) {
  std::erase_if(waiting_, [&](const Text& text) {
    return which({.id = text.id, .tenant = text.tenant, .tokens = text.tokens});
  });
}

bool Publisher::step() {
  if (waiting_.empty()) return false;
  const Text text = std::move(waiting_.front());
  waiting_.pop_front();
  const auto found =
      donors_.find_common({.tokens = text.tokens, .tenant = text.tenant, .owner = text.owner});
  for (const std::span<const int32_t> common : found) {
    std::vector<int32_t> tokens(common.begin(), common.end());
    const bool begins = common.data() == text.tokens.data();
    if (!begins && bos_ == text.tokens.front()) tokens.insert(tokens.begin(), *bos_);
    const int64_t behind_bos = std::ssize(tokens) - (bos_ == tokens.front() ? 1 : 0);
    if (behind_bos < PublicationRules::kMinTokens) continue;  // it has no whole piece
    std::string id = id_of(tokens);
    exactifier_.add({.id = std::move(id),
                     .tenant = std::string(DonorStore::kPublished),
                     .conversation = {},
                     .tokens = std::move(tokens),
                     .owner = {}});
  }
  return true;
}

}  // namespace kvs
