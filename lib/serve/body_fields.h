#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/json.h"

namespace kvs {

/// The members of a request's body. null stands for absence. Every getter throws a Refusal that
/// names the field where the value is of another type or outside its range.
class BodyFields {
 public:
  static constexpr size_t kAnyValues = std::numeric_limits<size_t>::max();

  /// Throws a Refusal where `body` is no JSON object in UTF-8, or one of more than `most_values`,
  /// of which each takes 40 bytes and as few as 2 of the body.
  static BodyFields parse(std::string_view body, size_t most_values = kAnyValues);
  explicit BodyFields(Json object) : json_(std::move(object)) {}

  const Json* find(std::string_view name) const;
  std::optional<bool> boolean(std::string_view name) const;
  std::optional<int64_t> integer(std::string_view name, int64_t low, int64_t high) const;
  std::optional<double> number(std::string_view name, double low, double high) const;
  std::optional<std::string> text(std::string_view name) const;
  /// One string or several, none empty.
  std::vector<std::string> texts(std::string_view name, size_t most) const;

  [[noreturn]] static void refuse(std::string_view name, std::string_view expected,
                                  const Json& found);

 private:
  Json json_;
};

/// Token ids below `vocab`, at least one; `name` is the field they stand in.
std::vector<int32_t> read_token_ids(std::string_view name, const Json& list, int32_t vocab);

}  // namespace kvs
