#pragma once

#include <cstdint>
#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kvs/export.h"
#include "kvs/json.h"

namespace kvs {

class LineReader;

/// One request of a trace: how long its prompt is, and which blocks of tokens it is made of. Equal
/// hashes are equal blocks behind equal blocks: each names the whole prompt up to its end.
struct TraceRequest {
  double timestamp_ms = 0;
  int64_t tokens = 0;           ///< of the prompt, at least 1
  std::vector<int64_t> hashes;  ///< one for each block; the last may be shorter
};

/// Reads lines of {"timestamp","input_length","hash_ids":[...]} one at a time; other fields are
/// passed over. Source: the traces of Mooncake (Qin et al., FAST 2025), blocks of 512 tokens.
class KVS_API TraceReader {
 public:
  /// `in` must outlive the reader; `source` names it in messages.
  TraceReader(std::istream& in, std::string source, int64_t block_tokens);
  ~TraceReader();

  /// The next request, or nothing at the end. Throws Error(format) "file:7: field 'hash_ids': ..."
  /// where a line is no request, where it is earlier than the one before it, or where the number of
  /// its blocks does not fit its tokens.
  std::optional<TraceRequest> next();

  std::string where() const;  ///< "file:7"

 private:
  std::unique_ptr<LineReader> lines_;
  int64_t block_tokens_;
  std::string text_;
  double latest_ms_ = 0;
};

struct TraceOptions {
  int64_t block_tokens = 512;
  int64_t token_bytes = 131072;      ///< of keys and values; Llama 3.1 8B in f16
  std::vector<int64_t> memory;       ///< bytes, each at least one block
  int64_t limit = 0;                 ///< only the first so many requests; 0: all
  std::function<void()> on_request;  ///< may throw
};

/// Replays a trace against stores of blocks that follow prefixes: a request finds its first blocks
/// as far as they are there without a gap, and leaves all of its blocks behind. Every size of
/// memory is tried with two rules for what goes first when there is no room (always a block that
/// none other continues): "lru", the one used longest ago, and "cost", GreedyDual-Size-Frequency,
/// the one with the least clock + uses x cost, as the engine's store weighs donors; the cost of a
/// block is its tokens x (1 + position / 32,768), since attention grows with the position. Beside
/// them stands a store that nothing leaves. Returns what kvs-eval(1) describes. The memory that it
/// takes grows with the trace's distinct blocks, not with its requests. Throws what TraceReader
/// throws, Error(format) where one hash stands behind different blocks, where there are more than
/// 2^26 distinct blocks or no requests, and Error(argument) where an option is out of range.
KVS_API Json run_trace(std::istream& in, const std::string& source, const TraceOptions& options);

}  // namespace kvs
