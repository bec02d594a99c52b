#include "model/bpe_merges.h"

#include "base/printable.h"
#include "kvs/error.h"

namespace kvs {

void BpeMerges::add(std::string_view pair) {
  const size_t space = pair.find(' ');
  if (space == pair.npos || pair.find(' ', space + 1) != pair.npos)
    fail(ErrorKind::format, "merge {} is '{}', expected two tokens with one space between them",
         rank_, printable(pair));
  add(pair.substr(0, space), pair.substr(space + 1));
}

void BpeMerges::add(std::string_view left, std::string_view right) {
  joined_.assign(left).append(right);
  const int32_t left_id = get_id(left);
  const int32_t right_id = get_id(right);
  const MergeTable::Merge merge{rank_, get_id(joined_, next_result_)};
  next_result_ = merge.id + 1;
  if (!vocabulary_.is_hidden(merge.id)) table_.add(left_id, right_id, merge);
  hasher_.add_value(left_id).add_value(right_id);
  ++rank_;
}

int32_t BpeMerges::get_id(std::string_view text, int32_t guess) const {
  const int32_t id = vocabulary_.find_any(text, guess);
  if (id == Vocabulary::kAbsent)
    fail(ErrorKind::format, "merge {} needs the token '{}', which the vocabulary does not have",
         rank_, printable(text));
  return id;
}

}  // namespace kvs
