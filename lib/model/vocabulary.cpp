#include "model/vocabulary.h"

#include <functional>

#include "kvs/error.h"

namespace kvs {
namespace {

constexpr int32_t kMaxId = (1 << 22) - 1;
constexpr size_t kMaxTokenBytes = 4096;

size_t slots_for(size_t count) {
  size_t slots = 64;
  while (slots < 2 * count) slots *= 2;
  return slots;
}

}  // namespace

void Vocabulary::reserve(size_t count, size_t bytes) {
  texts_.reserve(bytes);
  entries_.reserve(count);
  if (slots_for(count) > slots_.size()) grow(slots_for(count));
}

void Vocabulary::add(int32_t id, std::string_view text) {
  if (id < 0 || id > kMaxId)
    fail(ErrorKind::format, "token id {} is out of range, expected 0 to {}", id, kMaxId);
  if (text.size() > kMaxTokenBytes)
    fail(ErrorKind::format, "token {} is {} bytes long, expected at most {}", id, text.size(),
         kMaxTokenBytes);
  if (texts_.size() + text.size() > UINT32_MAX) fail(ErrorKind::format, "the tokens exceed 4 GiB");
  if (static_cast<size_t>(id) >= entries_.size()) entries_.resize(id + 1);
  entries_[id] = {static_cast<uint32_t>(texts_.size()), static_cast<int32_t>(text.size()), false};
  texts_ += text;
  if (find_any(text) != kAbsent) {
    has_twins_ = true;
    return;
  }
  if (2 * (used_ + 1) > slots_.size()) grow(slots_for(2 * (used_ + 1)));
  const auto hash = static_cast<uint32_t>(std::hash<std::string_view>()(text));
  size_t slot = hash & (slots_.size() - 1);
  while (slots_[slot].id != kAbsent) slot = (slot + 1) & (slots_.size() - 1);
  slots_[slot] = {hash, id};
  ++used_;
}

void Vocabulary::hide(int32_t id) {
  if (has(id)) entries_[id].hidden = true;
}

int32_t Vocabulary::find(std::string_view text) const {
  const int32_t id = find_any(text);
  return is_hidden(id) ? kAbsent : id;
}

int32_t Vocabulary::find_any(std::string_view text) const {
  if (slots_.empty()) return kAbsent;
  const auto hash = static_cast<uint32_t>(std::hash<std::string_view>()(text));
  for (size_t slot = hash & (slots_.size() - 1); slots_[slot].id != kAbsent;
       slot = (slot + 1) & (slots_.size() - 1)) {
    if (slots_[slot].hash == hash && text_of(entries_[slots_[slot].id]) == text)
      return slots_[slot].id;
  }
  return kAbsent;
}

int32_t Vocabulary::find_any(std::string_view text, int32_t guess) const {
  return !has_twins_ && has(guess) && this->text(guess) == text ? guess : find_any(text);
}

bool Vocabulary::has(int32_t id) const {
  return id >= 0 && id < size() && entries_[id].length != kAbsent;
}

std::string_view Vocabulary::text(int32_t id) const {
  return has(id) ? text_of(entries_[id]) : std::string_view();
}

void Vocabulary::grow(size_t slots) {
  std::vector<Slot> old(slots);
  old.swap(slots_);
  for (const Slot& filled : old) {
    if (filled.id == kAbsent) continue;
    size_t slot = filled.hash & (slots - 1);
    while (slots_[slot].id != kAbsent) slot = (slot + 1) & (slots - 1);
    slots_[slot] = filled;
  }
}

}  // namespace kvs
