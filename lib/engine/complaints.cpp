#include "engine/complaints.h"

#include <fmt/format.h>

#include <csignal>
#include <utility>

namespace kvs {
namespace {

constexpr std::chrono::minutes kSilence{1};

}  // namespace

void Complaints::failed(const Error& error) {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + kSilence;
  messages_.push_back(fmt::format("{}; going on without it", error.what()));
}

void Complaints::damaged(const Error& error) {
  const std::lock_guard lock(mutex_);
  messages_.push_back(fmt::format("{}; it is removed", error.what()));
}

std::vector<std::string> Complaints::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(messages_, {});
}

void take_errors_for_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  sigaddset(&signals, SIGXFSZ);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace kvs
