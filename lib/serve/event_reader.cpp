#include "serve/event_reader.h"

#include <utility>

#include "kvs/error.h"

namespace kvs {
namespace {

constexpr size_t kMaxEventBytes = 4 << 20;

}  // namespace

bool EventReader::take(std::string_view bytes) {
  for (const char byte : bytes) {
    if (!open_) break;
    const bool second_half = byte == '\n' && after_return_;
    after_return_ = byte == '\r';
    if (second_half) continue;
    if (byte == '\n' || byte == '\r') {
      open_ = take_line();
      line_.clear();
      continue;
    }
    if (line_.size() + data_.size() >= kMaxEventBytes)
      fail(ErrorKind::format, "event stream: an event has more than {} MiB", kMaxEventBytes >> 20);
    line_ += byte;
  }
  return open_;
}

bool EventReader::take_line() {
  if (line_.empty()) {
    const bool has_data = std::exchange(has_data_, false);
    const std::string data = std::exchange(data_, {});
    return !has_data || on_data_(data);
  }
  std::string_view line = line_;
  if (line != "data" && !line.starts_with("data:")) return true;
  line.remove_prefix(line == "data" ? 4 : 5);
  if (line.starts_with(' ')) line.remove_prefix(1);
  if (has_data_) data_ += '\n';
  data_ += line;
  has_data_ = true;
  return true;
}

}  // namespace kvs
