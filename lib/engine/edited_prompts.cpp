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
  if (entries_.contains(key)) return;
  KvView all;  // what goes with it
  for (const ArchivedPiece& piece : pieces)
    all.append_shared(piece.rows, 0, piece.rows.size(), true);
  EvictionOrder::Terms terms = held_.terms(everyone ? nullptr : &prompt.tenant, all, 1);
  terms.drop = [this, key] { entries_.erase(key); };
  entries_.emplace(key, Entry{.id = std::move(prompt.id),
                              .tenant = everyone ? "" : prompt.tenant,
                              .everyone = everyone,
                              .tokens = std::move(prompt.tokens),
                              .pieces = std::move(pieces),
                              .item = held_.order.add(std::move(terms))});
}

int64_t EditedPrompts::forget(const DonorFilter& which) {
  const size_t count = std::erase_if(entries_, [&](const auto& item) {
    const Entry& entry = item.second;
    if (!which({.id = entry.id,
                .tenant = entry.tenant,
                .everyone = entry.everyone,
                .tokens = entry.tokens}))
      return false;
    held_.order.remove(entry.item);
    return true;
  });
  return static_cast<int64_t>(count);
}

void EditedPrompts::find(const DonorLookup& lookup, std::vector<ReuseDonor>& found) {
  auto at = entries_.find(key_of(false, lookup.tenant, lookup.tokens));
  if (at == entries_.end()) at = entries_.find(key_of(true, "", lookup.tokens));
  if (at == entries_.end()) return;
  const Entry& entry = at->second;
  if (!std::equal(entry.tokens.begin(), entry.tokens.end(), lookup.tokens.begin(),
                  lookup.tokens.end()))
    return;
  held_.order.see(entry.item, held_.lookup);
  for (const ArchivedPiece& piece : entry.pieces)
    found.push_back({.id = entry.id,
                     .tokens = piece.tokens,
                     .exact_rows = piece.first == 0 ? piece.rows.exact_rows() : 0,
                     .similarity = 1,
                     .view = &piece.rows,
                     .only_at = piece.first,
                     .item = entry.item});
}

}  // namespace kvs
