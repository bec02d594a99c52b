#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace kvs {

/// One line on stderr that shows how far a long run is: a bar, the rate and the time left. Silent
/// where stderr is no terminal, or under -q.
class Progress {
 public:
  /// `total` 0 means unknown: then only count and rate are shown.
  Progress(std::string what, std::string unit, int64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// The total, where it becomes known later. The rate counts from here.
  void expect(int64_t total);
  void add(int64_t count = 1);
  /// Clears the line, so that something else can be said.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  void draw(Clock::time_point now);

  std::string what_;
  std::string unit_;
  int64_t total_;
  int64_t done_ = 0;
  bool shown_;
  bool drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
};

/// What Progress draws, cut to `columns`:
/// "embedding  [======              ]  120/400  31.2 prompts/s  0:09 left". Without a total, or
/// where there is no room for it, without the bar.
std::string progress_line(const std::string& what, const std::string& unit, int64_t done,
                          int64_t total, double seconds, int columns);

}  // namespace kvs
