#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "kvs/error.h"

namespace kvs {

/// What is to be said about a store, by the threads that use it: that it fails, once a minute at
/// most, and what was damaged. Thread-safe.
class Complaints {
 public:
  void failed(const Error& error);
  void damaged(const Error& error);
  std::vector<std::string> take();

 private:
  std::mutex mutex_;
  std::chrono::steady_clock::time_point next_{};
  std::vector<std::string> messages_;
};

/// From here on the calling thread gets errors where it would get signals: for sockets that are
/// closed (SIGPIPE), and files that grow too large (SIGXFSZ). Other threads are left alone.
void take_errors_for_signals();

}  // namespace kvs
