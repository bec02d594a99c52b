#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/logprobs.h"
#include "kvs/response.h"

namespace kvs {

/// What came of one choice of an answer since the last look.
struct AnswerPiece {
  int choice = 0;
  std::string text;
  std::vector<Logprobs> tokens;  ///< where they were asked for
  std::optional<Response> end;   ///< the choice is done

  bool empty() const { return text.empty() && tokens.empty() && !end; }
};

/// Takes answers from the engine's thread to the one that serves the client. The writer never
/// waits: what is not taken is gathered, and where it exceeds `max_bytes` the writer is to pause.
/// Thread-safe.
class AnswerChannel {
 public:
  explicit AnswerChannel(int choices, size_t max_bytes = size_t{1} << 16);

  void add_text(int choice, std::string_view text);
  /// Before its text, with which it is taken; where that is long in coming, without it.
  void add_token(int choice, Logprobs logprobs);
  void finish(int choice, Response response);

  /// False where the reader has left.
  bool wanted() const;
  /// False while more waits for the reader than should.
  bool keeps_up() const;
  /// When the first of it came; nothing before.
  std::optional<std::chrono::steady_clock::time_point> first_at() const;

  /// What has come since the last call, in the order of choices; waits up to `timeout` where that
  /// is nothing.
  std::vector<AnswerPiece> take(std::chrono::milliseconds timeout);
  /// Whether every choice is done and taken.
  bool finished() const;
  /// The reader leaves.
  void abandon();

 private:
  AnswerPiece& grow(int choice, size_t bytes);
  void wake();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<AnswerPiece> pieces_;  // by choice
  std::optional<std::chrono::steady_clock::time_point> first_at_;
  size_t bytes_ = 0;
  size_t max_bytes_;
  bool news_ = false;
  bool abandoned_ = false;
  int open_;  // choices that are not done and taken
};

}  // namespace kvs
