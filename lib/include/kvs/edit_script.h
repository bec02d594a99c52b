#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/export.h"
#include "kvs/json.h"

namespace kvs {

/// What one step of an edit script does.
enum class EditKind : uint8_t {
  keep,     ///< target tokens equal donor tokens, in the donor's order
  move,     ///< as keep, in another order than at the donor, or used a second time
  fuzzy,    ///< target tokens that differ from the donor's, whose rows serve all the same
  insert,   ///< target tokens without a source
  replace,  ///< target tokens without a source, which stand where donor tokens stood
  remove,   ///< donor tokens that the target does not use ("delete" in JSON)
};

/// One step. `target_first` of a remove is the place where the tokens are missing.
struct EditOp {
  EditKind kind = EditKind::insert;
  int32_t source = 0;        ///< which donor; 0 for insert
  int64_t target_first = 0;  ///< position in the target
  int64_t donor_first = 0;   ///< position in that donor; 0 for insert
  int64_t count = 0;         ///< tokens, at least 1

  /// How far the rows move: position in the target minus position at the donor.
  int64_t shift() const { return target_first - donor_first; }
  bool reuses() const { return kind <= EditKind::fuzzy; }
  bool computes() const { return kind == EditKind::insert || kind == EditKind::replace; }
  /// Whether the script gives its tokens, since the donor's are not the target's.
  bool gives_tokens() const { return computes() || kind == EditKind::fuzzy; }

  bool operator==(const EditOp&) const = default;
};

/// Target tokens that equal donor tokens: [target_first, +count) and [donor_first, +count). Fuzzy
/// ones are other tokens, each in the place of one of the donor's; see kvs/fuzzy.h.
struct SourceSpan {
  int64_t target_first = 0;
  int64_t count = 0;
  int32_t source = 0;  ///< index of the donor
  int64_t donor_first = 0;
  bool fuzzy = false;

  bool operator==(const SourceSpan&) const = default;
};

/// How a prompt is made from its donors. The ops stand in the order of the target; all but remove
/// tile it without gap or overlap, so no position has two sources.
struct KVS_API EditScript {
  std::vector<EditOp> ops;
  std::vector<int32_t> inserted;  ///< the target's tokens of insert, replace and fuzzy, in order

  int64_t kept() const;      ///< tokens of the keep ops
  int64_t moved() const;     ///< tokens of the move ops
  int64_t fuzzy() const;     ///< tokens of the fuzzy ops
  int64_t computed() const;  ///< tokens without a source
  int64_t target_tokens() const { return kept() + moved() + fuzzy() + computed(); }
  double coverage() const;  ///< (kept + moved + fuzzy) / target tokens; 0 for an empty target

  bool operator==(const EditScript&) const = default;
};

/// The script of a target whose sources are known. Spans ascend in the target and do not overlap.
/// Per donor, the heaviest chain of spans in the donor's order becomes keep (it always holds a
/// common prefix), the rest move. Donor tokens between two neighbouring kept spans of one donor,
/// before the first kept span and after the last, become replace and remove; with one donor that is
/// every unused token. `donor_tokens` are the donors' lengths.
KVS_API EditScript make_script(std::span<const int32_t> target,
                               std::span<const int64_t> donor_tokens,
                               std::span<const SourceSpan> spans);

/// Builds the target from its donors. Throws Error(argument) where the script reaches beyond a
/// donor, names one that is not there, or does not tile its target.
KVS_API std::vector<int32_t> apply_script(const EditScript& script,
                                          std::span<const std::span<const int32_t>> donors);

/// A donor as a line of kvs-align names it.
struct ScriptDonor {
  std::string id;
  double similarity = 0;  ///< cosine of the embeddings; 0 where unknown
  int64_t length = 0;     ///< tokens of the donor

  bool operator==(const ScriptDonor&) const = default;
};

/// One line of kvs-align: a prompt, its donors and its script.
struct PromptScript {
  std::string id;
  std::vector<ScriptDonor> donors;
  EditScript script;

  bool operator==(const PromptScript&) const = default;
};

/// {"id","tokens","donors":[{"id","similarity","length","tokens"}],"ops":[...],"kept","moved",
/// "fuzzy","computed","coverage"}. An op is {"op","target","count"}, with a donor also "source"
/// (index into donors), "donor" (position) and, where rows are reused, "shift"; insert, replace and
/// fuzzy carry "tokens":[ids], so that the line alone turns the donors into the target.
KVS_API Json script_to_json(const PromptScript& prompt);

/// Reads such a line back. Throws Error(format), naming `where` (a file and line) and the op: an
/// unknown op, a missing field, a number out of range, ops that do not tile the target, or sums
/// that disagree with the ops.
KVS_API PromptScript script_from_json(const Json& line, std::string_view where);

}  // namespace kvs
