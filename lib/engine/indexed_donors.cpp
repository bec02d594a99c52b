#include "engine/indexed_donors.h"

#include <algorithm>
#include <utility>

#include "kvs/edited_archive.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr size_t kMaxEntries = 4096;  // tokens kept in memory of donors seen
constexpr double kLoadCost = 0.1;     // of a row, against computing it; a tenth or less

int64_t exact_rows(const PromptRecord& prompt) {
  int64_t rows = 0;
  for (const PromptSpan& span : prompt.spans) {
    if (!span.exact) break;
    rows += span.count;
  }
  return rows;
}

}  // namespace

IndexedDonors::IndexedDonors(const std::filesystem::path& folder, const ArchiveHeader& expected,
                             KvPool& pool, Residency& held, DonorStore::Embed embed)
    : held_(held), index_(folder), embed_(std::move(embed)), rows_(pool) {
  const DonorIndexInfo info = index_.info();
  fingerprint_ = info.fingerprint;
  if (info.fingerprint != expected.fingerprint)
    fail(ErrorKind::mismatch, "{}: made with model {} ({}), expected {} ({})", folder.string(),
         info.model, info.fingerprint, expected.model, expected.fingerprint);
}

IndexedDonors::~IndexedDonors() {
  for (const auto& [number, entry] : entries_)
    if (entry.item >= 0) held_.order.remove(entry.item);
}

void IndexedDonors::find(const DonorLookup& lookup, std::vector<ReuseDonor>& found,
                         std::vector<std::string>& warnings) {
  forget_some();
  std::vector<float> embedding;
  if (embed_) embedding = embed_(lookup.tokens);
  DonorSearch search = index_.search(
      {.tokens = lookup.tokens, .embedding = embedding, .tenant = lookup.tenant, .group = {}});
  std::move(search.warnings.begin(), search.warnings.end(), std::back_inserter(warnings));

  for (const DonorCandidate& candidate : search.candidates) {
    Entry* entry = get(candidate.donor, warnings);
    if (!entry || entry->rows == 0) continue;
    entry->seen = held_.lookup;
    if (entry->item >= 0) held_.order.see(entry->item, held_.lookup);
    found.push_back({.id = candidate.donor.id,
                     .tokens = std::span(entry->prompt.tokens).first(entry->rows),
                     .exact_rows = entry->exact_rows,
                     .similarity = candidate.similarity,
                     .view = entry->view.size() > 0 ? &entry->view : nullptr,
                     .number = candidate.donor.number,
                     .depth = entry->exact_rows < entry->rows ? 1 : 0,
                     .item = entry->item});
  }
}

IndexedDonors::Entry* IndexedDonors::get(const Donor& donor, std::vector<std::string>& warnings) {
  if (const auto known = entries_.find(donor.number); known != entries_.end())
    return &known->second;
  std::optional<PromptRecord> prompt = index_.find_prompt(donor, warnings);
  if (!prompt) return nullptr;

  Entry entry{.donor = donor, .prompt = *std::move(prompt)};
  entry.rows = own_rows(fingerprint_, entry.prompt);
  entry.exact_rows = std::min(entry.rows, exact_rows(entry.prompt));
  return &entries_.emplace(donor.number, std::move(entry)).first->second;
}

const ArchiveFile& IndexedDonors::archive(const std::filesystem::path& path) {
  if (const auto open = archives_.find(path); open != archives_.end()) return open->second;
  return archives_.emplace(path, ArchiveFile(path)).first->second;
}

// Each of its records begins a block of its own.
int64_t IndexedDonors::blocks_to_load(const ReuseDonor& candidate) const {
  const Entry& entry = entries_.at(static_cast<uint32_t>(candidate.number));
  int64_t blocks = 0;
  for (const PromptSpan& span : entry.prompt.spans)
    if (span.kv) blocks += (span.count + kBlockTokens - 1) / kBlockTokens;
  return blocks;
}

bool IndexedDonors::load(ReuseDonor& candidate, std::vector<std::string>& warnings) {
  Entry& entry = entries_.at(static_cast<uint32_t>(candidate.number));
  try {
    if (entry.view.size() == 0) load(entry);
  } catch (const Error& e) {
    rows_.forget();  // or the records that came would keep their blocks
    if (e.kind() == ErrorKind::device) throw;
    if (e.kind() != ErrorKind::memory) {
      warnings.emplace_back(e.what());
      entry.rows = 0;  // from now on a miss
    }
    return false;
  }
  candidate.view = &entry.view;
  candidate.item = entry.item;
  return true;
}

void IndexedDonors::load(Entry& entry) {
  const ArchiveFile& file = archive(entry.donor.archive);
  KvView view = rows_.load(file, file.prompt_member(entry.donor.prompt), entry.prompt);
  const bool everyone = entry.donor.visibility == Visibility::everyone;
  EvictionOrder::Terms terms =
      held_.terms(everyone ? nullptr : &entry.donor.tenant, view, kLoadCost);
  held_.order.make_room_for(terms.owner, terms.blocks, held_.lookup);
  terms.drop = [this, &entry] {
    rows_.forget();  // or the records would keep the blocks
    entry.view = KvView();
    entry.item = -1;
  };
  entry.view = std::move(view);
  entry.item = held_.order.add(std::move(terms));
  held_.order.see(entry.item, held_.lookup);
}

void IndexedDonors::forget_some() {
  if (entries_.size() <= kMaxEntries) return;
  std::erase_if(entries_, [&](const auto& item) {
    return item.second.view.size() == 0 && item.second.seen < held_.lookup;
  });
}

}  // namespace kvs
