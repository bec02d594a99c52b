#pragma once

#include <span>
#include <string>

#include "kvs/explain.h"
#include "kvs/json.h"
#include "tools/align_donors.h"
#include "tools/terminal.h"

namespace kvs {

/// Why a prompt is made as it is (kvs-align --explain): what found each donor, and what becomes of
/// each row under the policy.
struct Explanation {
  std::span<const int32_t> target;
  const AlignedPrompt& prompt;
  ExplainedPlan plan;
};

Explanation explain_prompt(std::span<const int32_t> target, const AlignedPrompt& prompt,
                           const ReuseOptions& options);

/// {"donors":[{"id","found_by":[...],"similarity","matched","prefix","used","why"}],
/// "spans":[{"target","count","action","reason","source","donor","shift"}],"measured"}; the last
/// three of a span where a donor has the rows.
Json to_json(const Explanation& explanation);

/// The same in words, one line for each donor and each span.
std::string to_text(const Explanation& explanation, const Palette& palette);

}  // namespace kvs
