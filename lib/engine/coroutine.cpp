#include "engine/coroutine.h"

#include <utility>

namespace kvs {

Coroutine::Coroutine(std::function<void(const Pause& pause)> work)
    : thread_([this, work = std::move(work)] { run(work); }) {}

Coroutine::~Coroutine() {
  if (!done_) {
    given_up_ = true;
    work_may_run_.release();
  }
  thread_.join();
}

bool Coroutine::resume() {
  work_may_run_.release();
  owner_may_run_.acquire();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  return !done_;
}

void Coroutine::run(const std::function<void(const Pause&)>& work) {
  work_may_run_.acquire();
  try {
    if (!given_up_) work([this] { pause(); });
  } catch (const GivenUp&) {
  } catch (...) {
    error_ = std::current_exception();
  }
  done_ = true;
  owner_may_run_.release();
}

void Coroutine::pause() {
  owner_may_run_.release();
  work_may_run_.acquire();
  if (given_up_) throw GivenUp();
}

}  // namespace kvs
