#include "engine/edited_prompts.h"

#include <algorithm>
#include <utility>

namespace kvs {
namespace {

Hash128 key_of(bool everyone, std::string_view tenant, std::span<const int32_t> tokens) {
  Hasher hasher;
  hasher.add_value(everyone).add_value(tenant.size()).add(tenant);
  return hasher.add(tokens).digest();
}

}  // namespace

void EditedPrompts::add(PromptRecord prompt, std::vector<ArchivedPiece> pieces) {
  const bool everyone = prompt.visibility == Visibility::everyone;
  const Hash128 key = key_of(everyone, everyone ? "" : prompt.tenant, prompt.tokens);
  entries_.try_emplace(key,
                       Entry{std::move(prompt.id), std::move(prompt.tokens), std::move(pieces)});
}

void EditedPrompts::find(const DonorLookup& lookup, int64_t now, std::vector<ReuseDonor>& found) {
  auto at = entries_.find(key_of(false, lookup.tenant, lookup.tokens));
  if (at == entries_.end()) at = entries_.find(key_of(true, "", lookup.tokens));
  if (at == entries_.end()) return;
  Entry& entry = at->second;
  if (!std::equal(entry.tokens.begin(), entry.tokens.end(), lookup.tokens.begin(),
                  lookup.tokens.end()))
    return;
  entry.used = now;
  for (const ArchivedPiece& piece : entry.pieces)
    found.push_back({.id = entry.id,
                     .tokens = piece.tokens,
                     .exact_rows = piece.first == 0 ? piece.rows.exact_rows() : 0,
                     .similarity = 1,
                     .view = &piece.rows,
                     .only_at = piece.first});
}

EditedPrompts::Entries::const_iterator EditedPrompts::find_oldest(int64_t now) const {
  auto oldest = entries_.end();
  for (auto at = entries_.begin(); at != entries_.end(); ++at)
    if (at->second.used < now &&
        (oldest == entries_.end() || at->second.used < oldest->second.used))
      oldest = at;
  return oldest;
}

int64_t EditedPrompts::oldest(int64_t now) const {
  const auto found = find_oldest(now);
  return found == entries_.end() ? -1 : found->second.used;
}

void EditedPrompts::drop_oldest(int64_t now) {
  const auto found = find_oldest(now);
  if (found != entries_.end()) entries_.erase(found);
}

}  // namespace kvs
