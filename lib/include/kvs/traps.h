#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <istream>
#include <string>
#include <vector>

#include "kvs/evaluation.h"
#include "kvs/export.h"
#include "kvs/json.h"
#include "kvs/prompt_encoder.h"

namespace kvs {

/// Two prompts that differ in one decisive word or number, in tokens, with a question below whose
/// answer depends on it.
struct Trap {
  std::string id;
  std::string kind;                             ///< what differs: "dose", "permission", ...
  std::array<std::vector<int32_t>, 2> prompts;  ///< ready for the model's answer
  std::array<std::vector<int32_t>, 2> answers;  ///< answers[k] is right for prompts[k]
};

/// Reads lines of {"id","kind","prompt_a","prompt_b","question","answers":[a, b]} as
/// scripts/make-traps writes them; prompt and question become one user's message in the model's
/// chat template. `source` names the stream in messages. Throws Error(format) "file:7: field
/// 'answers': ..." where a line says something else, where an answer is longer than
/// Transformer::kMaxLogitsRows tokens, or where one's tokens begin the other's: then it would
/// always be the likelier one. Throws what PromptEncoder throws, and
/// Error(format) where there are no lines.
KVS_API std::vector<Trap> read_traps(std::istream& in, const std::string& source,
                                     const PromptEncoder& prompts);

struct TrapOptions {
  std::vector<Contestant> contestants;  ///< as contestants_of gives them
  EngineOptions engine;                 ///< one task at a time
  ReuseOptions reuse;                   ///< but for policy and budget
  int64_t pairs = 100;                  ///< at most so many pairs count
  int noise_rows = 96;  ///< rows in a forward pass of the noise floor's full run; 0: none is made

  /// A line of the details for each prompt and contestant (kvs-eval(1)).
  std::function<void(const Json& detail)> on_detail;
  /// Called after each pair, `counts` where it is one of those that count; may throw.
  std::function<void(bool counts)> on_pair;
};

/// Whether reuse is caught in traps. The model chooses between the two answers by likelihood: the
/// sum of the log-probabilities of an answer's tokens behind the prompt. Pairs count where the full
/// run chooses differently for the two prompts, until there are enough of them. Then each
/// contestant answers each prompt with the other one as its only donor: a choice other than the
/// full run's is the donor's answer. Returns {"tried","pairs","policies":[...],"noise_floor":{...}}
/// as kvs-eval(1) describes it. Throws Error(argument) where a prompt does not fit the context or
/// the pool or rows were to be repaired while decoding, Error(device) where a request fails.
KVS_API Json run_traps(Transformer& transformer, const std::vector<Trap>& traps,
                       const TrapOptions& options);

}  // namespace kvs
