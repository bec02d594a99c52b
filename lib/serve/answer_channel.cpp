#include "serve/answer_channel.h"

#include <utility>

namespace kvs {
namespace {

size_t bytes_of(const Logprobs& logprobs) {
  return sizeof(Logprobs) + logprobs.top.size() * sizeof(TokenLogprob);
}

size_t bytes_of(const AnswerPiece& piece) {
  size_t bytes = piece.text.size();
  for (const Logprobs& token : piece.tokens) bytes += bytes_of(token);
  return bytes;
}

bool is_without_text(const AnswerPiece& piece) {
  return piece.text.empty() && !piece.end;
}

}  // namespace

AnswerChannel::AnswerChannel(int choices, size_t max_bytes)
    : pieces_(choices), max_bytes_(max_bytes), open_(choices) {
  for (int choice = 0; choice < choices; ++choice) pieces_[choice].choice = choice;
}

AnswerPiece& AnswerChannel::grow(int choice, size_t bytes) {
  if (!first_at_) first_at_ = std::chrono::steady_clock::now();
  bytes_ += bytes;
  return pieces_[choice];
}

void AnswerChannel::wake() {
  news_ = true;
  changed_.notify_one();
}

void AnswerChannel::add_text(int choice, std::string_view text) {
  const std::lock_guard lock(mutex_);
  grow(choice, text.size()).text += text;
  wake();
}

void AnswerChannel::add_token(int choice, Logprobs logprobs) {
  const std::lock_guard lock(mutex_);
  grow(choice, bytes_of(logprobs)).tokens.push_back(std::move(logprobs));
  if (bytes_ > max_bytes_) wake();  // else its text will
}

void AnswerChannel::finish(int choice, Response response) {
  const std::lock_guard lock(mutex_);
  grow(choice, 0).end = std::move(response);
  wake();
}

bool AnswerChannel::wanted() const {
  const std::lock_guard lock(mutex_);
  return !abandoned_;
}

bool AnswerChannel::keeps_up() const {
  const std::lock_guard lock(mutex_);
  return bytes_ <= max_bytes_;
}

std::optional<std::chrono::steady_clock::time_point> AnswerChannel::first_at() const {
  const std::lock_guard lock(mutex_);
  return first_at_;
}

std::vector<AnswerPiece> AnswerChannel::take(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [&] { return news_; });
  const bool wait_for_text = news_ && bytes_ <= max_bytes_;
  std::vector<AnswerPiece> taken;
  for (AnswerPiece& piece : pieces_) {
    if (piece.empty() || (wait_for_text && is_without_text(piece))) continue;
    if (piece.end) --open_;
    bytes_ -= bytes_of(piece);
    taken.push_back(std::exchange(piece, AnswerPiece{.choice = piece.choice}));
  }
  news_ = false;
  return taken;
}

bool AnswerChannel::finished() const {
  const std::lock_guard lock(mutex_);
  return open_ == 0;
}

void AnswerChannel::abandon() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
}

}  // namespace kvs
