#include "serve/answer_channel.h"

#include <utility>

namespace kvs {
namespace {

size_t bytes_of(const Logprobs& logprobs) {
  return sizeof(Logprobs) + logprobs.top.size() * sizeof(TokenLogprob);
}

}  // namespace

AnswerChannel::AnswerChannel(int choices, size_t max_bytes)
    : pieces_(choices), max_bytes_(max_bytes), open_(choices) {
  for (int choice = 0; choice < choices; ++choice) pieces_[choice].choice = choice;
}

AnswerPiece& AnswerChannel::grow(int choice, size_t bytes) {
  if (!first_at_) first_at_ = std::chrono::steady_clock::now();
  bytes_ += bytes;
  news_ = true;
  changed_.notify_one();
  return pieces_[choice];
}

void AnswerChannel::add_text(int choice, std::string_view text) {
  const std::lock_guard lock(mutex_);
  grow(choice, text.size()).text += text;
}

void AnswerChannel::add_token(int choice, Logprobs logprobs) {
  const std::lock_guard lock(mutex_);
  grow(choice, bytes_of(logprobs)).tokens.push_back(std::move(logprobs));
}

void AnswerChannel::finish(int choice, Response response) {
  const std::lock_guard lock(mutex_);
  grow(choice, 0).end = std::move(response);
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
  std::vector<AnswerPiece> taken;
  for (AnswerPiece& piece : pieces_) {
    if (piece.empty()) continue;
    if (piece.end) --open_;
    taken.push_back(std::exchange(piece, AnswerPiece{.choice = piece.choice}));
  }
  bytes_ = 0;
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
