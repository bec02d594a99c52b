#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kvs/json.h"

namespace kvs {

/// Typed access to the members of a JSON object from outside. A member that is null counts as
/// absent, as in Python's configuration files. Every fault is an Error(format) that names file and
/// field.
class JsonFields {
 public:
  /// Throws where `json` is no object. Both arguments must outlive this.
  JsonFields(const Json& json, const std::string& source);

  const std::string& source() const { return source_; }
  bool has(std::string_view key) const { return find(key) != nullptr; }
  bool is_named(std::string_view key) const { return json_.find(key) != nullptr; }  ///< null counts
  const Json* find(std::string_view key) const;  ///< null where absent
  std::optional<JsonFields> find_object(std::string_view key) const;

  int get_int(std::string_view key) const;
  int int_or(std::string_view key, int otherwise) const;
  double get_number(std::string_view key) const;
  double number_or(std::string_view key, double otherwise) const;
  bool bool_or(std::string_view key, bool otherwise) const;
  const std::string& get_string(std::string_view key) const;
  std::string string_or(std::string_view key, std::string_view otherwise) const;

 private:
  const Json& need(std::string_view key) const;
  [[noreturn]] void fail_type(std::string_view key, std::string_view expected,
                              const Json& found) const;

  const Json& json_;
  const std::string& source_;
};

}  // namespace kvs
