#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace kvs {

/// Takes a stream of server-sent events apart, however it is cut into pieces. Only the data count:
/// comments and other fields are passed over. Source: the HTML standard, 9.2.6, "Interpreting an
/// event stream".
class EventReader {
 public:
  /// `on_data` is called with each event's data; where it returns false nothing more is read.
  explicit EventReader(std::function<bool(const std::string& data)> on_data)
      : on_data_(std::move(on_data)) {}

  /// False once on_data returned false. Throws Error(format) where an event has more than 4 MiB.
  bool take(std::string_view bytes);

 private:
  bool take_line();

  std::function<bool(const std::string& data)> on_data_;
  std::string line_;
  std::string data_;
  bool has_data_ = false;
  bool after_return_ = false;  // a line feed behind a carriage return ends no other line
  bool open_ = true;
};

}  // namespace kvs
