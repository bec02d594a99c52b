#include "tools/interrupt.h"

#include <atomic>
#include <csignal>

namespace kvs {
namespace {

std::atomic<int> pending{0};
std::atomic<bool> hangup{false};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may only touch such");

extern "C" void note_signal(int signal) {
  int none = 0;
  if (pending.compare_exchange_strong(none, signal)) return;
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

extern "C" void note_hangup(int) {
  hangup.store(true);
}

}  // namespace

void catch_hangups() {
  struct sigaction action {};
  action.sa_handler = note_hangup;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGHUP, &action, nullptr);
}

bool take_hangup() noexcept {
  return hangup.exchange(false);
}

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = note_signal;  // without SA_RESTART: a read that waits returns
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction inherited {};
    sigaction(signal, nullptr, &inherited);
    if (inherited.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);  // as under nohup
  }
}

int interrupted() noexcept {
  return pending.load();
}

void check_interrupt() {
  if (interrupted()) throw Interrupted{};
}

void clear_interrupt() noexcept {
  pending.store(0);
}

}  // namespace kvs
