#pragma once

#include <cstdint>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kvs/chat_message.h"
#include "kvs/export.h"
#include "kvs/sampling.h"

namespace kvs {

class LineReader;

/// What a user asks for: raw text, a conversation for the model's chat template, or token ids.
using Prompt = std::variant<std::string, std::vector<ChatMessage>, std::vector<int32_t>>;

/// One line of a request file.
struct Request {
  std::string id;  ///< the line's number where the request gives none
  Prompt prompt;
  std::string tenant;        ///< empty: the default tenant
  int64_t max_tokens = 128;  ///< of the answer; 0 only computes the prompt's KV
  SamplingOptions sampling;
  std::vector<std::string> stop;         ///< the answer ends before any of these, none empty
  std::optional<std::string> reference;  ///< an answer to compare with
  double arrival_ms = 0;                 ///< since the start of the workload, at least 0
};

/// Reads requests from lines of text. A line that begins with '{' is a JSON object with the fields
/// of Request (`prompt`, `messages` or `tokens`; the sampling fields stand beside them; `stop` may
/// be one string); any other line is a prompt. Empty lines and unknown fields are passed over. A
/// line may be 64 MiB long.
class KVS_API RequestReader {
 public:
  /// `in` must outlive the reader; `source` names it in messages. What a request does not say, it
  /// takes from `defaults`.
  RequestReader(std::istream& in, std::string source, Request defaults = {});
  ~RequestReader();

  /// The next request, or nothing at the end. Throws Error(format) "file:7: field 'top_p': expected
  /// a number in (0, 1], found 2" where a line is no request; the next call goes on behind it.
  /// Throws Error(io) where `in` cannot be read.
  std::optional<Request> next();

  /// The number of the line that next() last read, from 1.
  int64_t line() const;

 private:
  Request read_request() const;

  std::unique_ptr<LineReader> lines_;
  Request defaults_;
  std::string text_;
};

}  // namespace kvs
