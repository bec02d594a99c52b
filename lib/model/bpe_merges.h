#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "kvs/hash.h"
#include "model/merge_table.h"
#include "model/vocabulary.h"

namespace kvs {

/// Fills a MergeTable from a list of pairs of texts, in the order of their ranks. Merges into a
/// hidden token are left out.
class BpeMerges {
 public:
  BpeMerges(const Vocabulary& vocabulary, Hasher& hasher, size_t count)
      : vocabulary_(vocabulary), hasher_(hasher), table_(count) {}

  /// "left right", as merges were written at first. Throws Error(format) where that is not two
  /// texts, or where they or their concatenation are not in the vocabulary.
  void add(std::string_view pair);
  void add(std::string_view left, std::string_view right);

  MergeTable take() { return std::move(table_); }

 private:
  int32_t get_id(std::string_view text, int32_t guess = -1) const;

  const Vocabulary& vocabulary_;
  Hasher& hasher_;
  MergeTable table_;
  uint32_t rank_ = 0;
  int32_t next_result_ = -1;  // as a rule, the results of merges have ids in order
  std::string joined_;
};

}  // namespace kvs
