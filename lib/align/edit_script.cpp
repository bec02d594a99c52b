#include "kvs/edit_script.h"

#include <algorithm>

#include "align/span_chain.h"
#include "kvs/error.h"

namespace kvs {
namespace {

struct Range {
  int64_t first = 0;
  int64_t end = 0;
};

// A part of one donor that lies between two kept spans.
struct DonorGap {
  int32_t source = 0;
  Range range;
};

// The parts of `range` outside `used`, which is sorted by its first positions.
std::vector<Range> subtract(Range range, std::span<const Range> used) {
  std::vector<Range> left;
  int64_t at = range.first;
  for (const Range& taken : used) {
    if (taken.end <= at) continue;
    if (taken.first >= range.end) break;
    if (taken.first > at) left.push_back({at, taken.first});
    at = std::max(at, taken.end);
  }
  if (at < range.end) left.push_back({at, range.end});
  return left;
}

class ScriptWriter {
 public:
  ScriptWriter(std::span<const int32_t> target, std::span<const int64_t> donor_tokens,
               std::span<const SourceSpan> spans)
      : target_(target),
        donor_tokens_(donor_tokens),
        spans_(spans),
        kept_(heaviest_chains(spans)),
        moved_(donor_tokens.size()) {
    for (size_t at = 0; at < spans.size(); ++at) {
      const SourceSpan& span = spans[at];
      if (!kept_[at])
        moved_[span.source].push_back({span.donor_first, span.donor_first + span.count});
    }
    for (auto& ranges : moved_)
      std::sort(ranges.begin(), ranges.end(),
                [](const Range& a, const Range& b) { return a.first < b.first; });
  }

  EditScript write() {
    const SourceSpan* before = nullptr;
    size_t at = 0;
    do {
      size_t next = at;
      while (next < spans_.size() && !kept_[next]) ++next;
      const SourceSpan* after = next < spans_.size() ? &spans_[next] : nullptr;
      write_gap(spans_.subspan(at, next - at), before, after);
      if (after) add_rows(*after, EditKind::keep);
      before = after;
      at = next + 1;
    } while (before);
    return std::move(script_);
  }

 private:
  // What lies between two kept spans: moved spans, tokens to compute, unused donor tokens.
  void write_gap(std::span<const SourceSpan> moves, const SourceSpan* before,
                 const SourceSpan* after) {
    const DonorGap gap = donor_gap(before, after);
    std::vector<Range> unused;
    if (gap.range.first < gap.range.end) unused = subtract(gap.range, moved_[gap.source]);
    std::reverse(unused.begin(), unused.end());  // taken from the back

    for (const SourceSpan& move : moves) {
      write_computed(move.target_first, gap.source, unused);
      add_rows(move, EditKind::move);
    }
    write_computed(after ? after->target_first : static_cast<int64_t>(target_.size()), gap.source,
                   unused);
    for (; !unused.empty(); unused.pop_back())
      add({EditKind::remove, gap.source, cursor_, unused.back().first,
           unused.back().end - unused.back().first});
  }

  DonorGap donor_gap(const SourceSpan* before, const SourceSpan* after) const {
    if (!before && !after)
      return donor_tokens_.size() == 1 ? DonorGap{0, {0, donor_tokens_[0]}} : DonorGap{};
    const int32_t source = before ? before->source : after->source;
    if (after && after->source != source) return {};
    const int64_t first = before ? before->donor_first + before->count : 0;
    return {source, {first, after ? after->donor_first : donor_tokens_[source]}};
  }

  void write_computed(int64_t end, int32_t source, std::vector<Range>& unused) {
    while (cursor_ < end) {
      const int64_t left = end - cursor_;
      if (unused.empty()) {
        add({EditKind::insert, 0, cursor_, 0, left});
        continue;
      }
      Range& old = unused.back();
      const int64_t count = std::min(left, old.end - old.first);
      add({EditKind::replace, source, cursor_, old.first, count});
      old.first += count;
      if (old.first == old.end) unused.pop_back();
    }
  }

  void add_rows(const SourceSpan& span, EditKind kind) {
    add({span.fuzzy ? EditKind::fuzzy : kind, span.source, cursor_, span.donor_first, span.count});
  }

  void add(const EditOp& op) {
    if (op.gives_tokens()) {
      const auto tokens = target_.subspan(cursor_, op.count);
      script_.inserted.insert(script_.inserted.end(), tokens.begin(), tokens.end());
    }
    if (op.kind != EditKind::remove) cursor_ += op.count;
    script_.ops.push_back(op);
  }

  std::span<const int32_t> target_;
  std::span<const int64_t> donor_tokens_;
  std::span<const SourceSpan> spans_;
  std::vector<bool> kept_;
  std::vector<std::vector<Range>> moved_;  // per donor
  EditScript script_;
  int64_t cursor_ = 0;  // in the target
};

int64_t count_of(std::span<const EditOp> ops, EditKind kind) {
  int64_t count = 0;
  for (const EditOp& op : ops)
    if (op.kind == kind) count += op.count;
  return count;
}

// The donor's tokens that `op` names.
std::span<const int32_t> donor_part(const EditOp& op,
                                    std::span<const std::span<const int32_t>> donors) {
  if (op.source < 0 || static_cast<size_t>(op.source) >= donors.size())
    fail(ErrorKind::argument, "edit script: donor {} of {} is named", op.source, donors.size());
  const auto donor = donors[op.source];
  const auto length = static_cast<int64_t>(donor.size());
  if (op.donor_first < 0 || op.count < 0 || op.donor_first > length ||
      op.count > length - op.donor_first)
    fail(ErrorKind::argument, "edit script: tokens [{}, +{}) are named, donor {} has {}",
         op.donor_first, op.count, op.source, length);
  return donor.subspan(op.donor_first, op.count);
}

}  // namespace

int64_t EditScript::kept() const {
  return count_of(ops, EditKind::keep);
}
int64_t EditScript::moved() const {
  return count_of(ops, EditKind::move);
}
int64_t EditScript::fuzzy() const {
  return count_of(ops, EditKind::fuzzy);
}
int64_t EditScript::computed() const {
  return count_of(ops, EditKind::insert) + count_of(ops, EditKind::replace);
}

double EditScript::coverage() const {
  const int64_t reused = kept() + moved() + fuzzy();
  return reused == 0 ? 0.0 : static_cast<double>(reused) / static_cast<double>(target_tokens());
}

EditScript make_script(std::span<const int32_t> target, std::span<const int64_t> donor_tokens,
                       std::span<const SourceSpan> spans) {
  return ScriptWriter(target, donor_tokens, spans).write();
}

std::vector<int32_t> apply_script(const EditScript& script,
                                  std::span<const std::span<const int32_t>> donors) {
  std::vector<int32_t> target;
  std::span<const int32_t> inserted = script.inserted;
  for (const EditOp& op : script.ops) {
    if (op.target_first != static_cast<int64_t>(target.size()))
      fail(ErrorKind::argument, "edit script: an op starts at {}, expected {}", op.target_first,
           target.size());
    std::span<const int32_t> part;
    if (op.kind != EditKind::insert) part = donor_part(op, donors);
    if (op.gives_tokens()) {
      if (op.count < 0 || static_cast<size_t>(op.count) > inserted.size())
        fail(ErrorKind::argument, "edit script: {} tokens to insert, {} given", op.count,
             inserted.size());
      part = inserted.first(op.count);
      inserted = inserted.subspan(op.count);
    }
    if (op.kind != EditKind::remove) target.insert(target.end(), part.begin(), part.end());
  }
  if (!inserted.empty())
    fail(ErrorKind::argument, "edit script: {} inserted tokens are left over", inserted.size());
  return target;
}

}  // namespace kvs
