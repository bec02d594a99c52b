#include "tools/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "tools/message.h"
#include "tools/terminal.h"

namespace kvs {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);

std::string clock_time(double seconds) {
  const int64_t whole = std::llround(seconds);
  return whole < 3600 ? fmt::format("{}:{:02}", whole / 60, whole % 60)
                      : fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace

std::string progress_line(const std::string& what, const std::string& unit, int64_t done,
                          int64_t total, double seconds) {
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  std::string line =
      total > 0 ? fmt::format("{}  {}/{}", what, done, total) : fmt::format("{}  {}", what, done);
  if (rate > 0) line += fmt::format("  {:.3g} {}/s", rate, unit);
  if (rate > 0 && total > done)
    line += fmt::format("  {} left", clock_time(static_cast<double>(total - done) / rate));
  return line;
}

Progress::Progress(std::string what, std::string unit, int64_t total)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      total_(total),
      shown_(is_terminal(STDERR_FILENO) && verbosity() >= Verbosity::normal) {}

Progress::~Progress() {
  clear();
}

void Progress::add(int64_t count) {
  done_ += count;
  const Clock::time_point now = Clock::now();
  if (shown_ && now - last_ >= kRedraw) draw(now);
}

void Progress::clear() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void Progress::draw(Clock::time_point now) {
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const std::string line = "\r" + progress_line(what_, unit_, done_, total_, seconds) + "\033[K";
  std::fwrite(line.data(), 1, line.size(), stderr);
  last_ = now;
  drawn_ = true;
}

}  // namespace kvs
