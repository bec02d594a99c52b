#pragma once

#include <span>
#include <vector>

#include "kvs/export.h"
#include "model/merge_table.h"
#include "model/vocabulary.h"

namespace kvs {

/// The merges that a SentencePiece BPE vocabulary implies: any two tokens whose concatenation is a
/// token merge into it, tokens with higher scores first. `is_result` says, by id, which tokens may
/// come from merges. Source: Kudo & Richardson 2018, section 3.1.
MergeTable score_merges(const Vocabulary& vocabulary, std::span<const float> scores,
                        const std::vector<bool>& is_result);

}  // namespace kvs
