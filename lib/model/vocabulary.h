#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/export.h"

namespace kvs {

/// The tokens of a model by id and by text. Ids need not be dense. Copies the texts.
class KVS_API Vocabulary {
 public:
  static constexpr int32_t kAbsent = -1;

  /// Room for `count` tokens of `bytes` in all, so that adding them does not reallocate.
  void reserve(size_t count, size_t bytes);

  /// Adds a token, or renames the one of this id. Where two tokens have the same text, find()
  /// gives the first. Throws Error(format) for an id below 0 or above 4,194,303, or a text above
  /// 4,096 bytes.
  void add(int32_t id, std::string_view text);

  /// From now on find() does not give this token: no user's text turns into it. For special tokens.
  void hide(int32_t id);

  int32_t find(std::string_view text) const;      ///< kAbsent where there is none
  int32_t find_any(std::string_view text) const;  ///< hidden ones, too
  /// The same, faster where `guess` is the id.
  int32_t find_any(std::string_view text, int32_t guess) const;
  bool is_hidden(int32_t id) const { return has(id) && entries_[id].hidden; }
  bool has(int32_t id) const;
  std::string_view text(int32_t id) const;  ///< empty where there is none
  int32_t size() const { return static_cast<int32_t>(entries_.size()); }  ///< highest id + 1

 private:
  struct Entry {
    uint32_t offset = 0;
    int32_t length = kAbsent;
    bool hidden = false;
  };
  struct Slot {
    uint32_t hash = 0;
    int32_t id = kAbsent;
  };

  std::string_view text_of(const Entry& entry) const {
    return {texts_.data() + entry.offset, static_cast<size_t>(entry.length)};
  }
  void grow(size_t slots);

  std::string texts_;
  std::vector<Entry> entries_;  // by id
  std::vector<Slot> slots_;     // open addressing; a power of two, at most half full
  size_t used_ = 0;
  bool has_twins_ = false;  // two tokens with one text
};

}  // namespace kvs
