#pragma once

#include <exception>
#include <functional>
#include <semaphore>
#include <thread>

namespace kvs {

/// Work that is done in parts, between which its owner does other things. It has a stack of its
/// own, so that it may pause within any call: that of a thread, which never runs at the same time
/// as the owner, and sees all that the owner did before.
class Coroutine {
 public:
  using Pause = std::function<void()>;

  /// `work` begins with the first resume(). What its pause() throws, when the owner gives it up,
  /// must not be kept from leaving it.
  explicit Coroutine(std::function<void(const Pause& pause)> work);
  Coroutine(const Coroutine&) = delete;
  Coroutine& operator=(const Coroutine&) = delete;
  /// Gives up what is not done.
  ~Coroutine();

  /// Goes on until the work pauses, or is done: false. Throws what the work throws.
  bool resume();

 private:
  struct GivenUp {};

  void run(const std::function<void(const Pause&)>& work);
  void pause();

  std::binary_semaphore work_may_run_{0}, owner_may_run_{0};
  bool done_ = false, given_up_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace kvs
