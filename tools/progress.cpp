#include "tools/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tools/message.h"
#include "tools/terminal.h"

namespace kvs {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);

constexpr size_t kBar = 30;  // columns between the brackets

std::string bar(int64_t done, int64_t total) {
  const double share = std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
  const auto full = static_cast<size_t>(share * static_cast<double>(kBar));
  return std::string(full, '=') + std::string(kBar - full, ' ');
}

std::string clock_time(double seconds) {
  const int64_t whole = std::llround(seconds);
  return whole < 3600 ? fmt::format("{}:{:02}", whole / 60, whole % 60)
                      : fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace

std::string progress_line(const std::string& what, const std::string& unit, int64_t done,
                          int64_t total, double seconds, int columns) {
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  std::string figures = total > 0 ? fmt::format("{}/{}", done, total) : fmt::format("{}", done);
  if (rate >= 100)
    figures += fmt::format("  {:.0f} {}/s", rate, unit);
  else if (rate > 0)
    figures += fmt::format("  {:.3g} {}/s", rate, unit);
  if (rate > 0 && total > done)
    figures += fmt::format("  {} left", clock_time(static_cast<double>(total - done) / rate));
  std::string line = fmt::format("{}  {}", what, figures);
  const size_t room = static_cast<size_t>(std::max(columns, 1)) - 1;  // the cursor's
  if (total > 0 && line.size() + kBar + 4 <= room)
    line = fmt::format("{}  [{}]  {}", what, bar(done, total), figures);
  return line.substr(0, room);
}

Progress::Progress(std::string what, std::string unit, int64_t total)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      total_(total),
      shown_(is_terminal(STDERR_FILENO) && verbosity() >= Verbosity::normal) {}

Progress::~Progress() {
  clear();
}

void Progress::expect(int64_t total) {
  total_ = total;
  start_ = Clock::now();
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
  const std::string line =
      "\r" + progress_line(what_, unit_, done_, total_, seconds, terminal_columns(STDERR_FILENO)) +
      "\033[K";
  std::fwrite(line.data(), 1, line.size(), stderr);
  last_ = now;
  drawn_ = true;
}

}  // namespace kvs
