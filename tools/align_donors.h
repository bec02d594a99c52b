#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kvs/archive.h"
#include "kvs/donor_index.h"
#include "kvs/edit_script.h"
#include "kvs/fuzzy.h"

namespace kvs {

/// A donor of one prompt: how it was found, and its record.
struct AlignDonor {
  DonorCandidate found;
  PromptRecord record;

  ScriptDonor name() const {
    return {record.id, found.similarity, static_cast<int64_t>(record.tokens.size())};
  }
};

/// An id, which comes from outside, fit for a terminal: '?' for each control character.
std::string shown_id(std::string id);

std::vector<std::span<const int32_t>> tokens_of(std::span<const AlignDonor> donors);

/// A prompt's script over the donors that it uses, and those that it does without.
struct AlignedPrompt {
  std::vector<AlignDonor> donors;
  std::vector<AlignDonor> unused;
  EditScript script;
};

/// How align_prompt() goes about it.
struct AlignRules {
  int64_t min_span = 8;
  double fuzzy = 0;      ///< as ReuseOptions::fuzzy
  TokenCosines cosines;  ///< where it is not 0
  /// For a single donor, the script says of all its tokens what becomes of them, also where none is
  /// used.
  bool whole = false;
};

/// Aligns a prompt with its donors.
AlignedPrompt align_prompt(std::span<const int32_t> target, std::vector<AlignDonor> donors,
                           const AlignRules& rules);

}  // namespace kvs
