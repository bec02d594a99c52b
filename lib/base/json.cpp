#include "kvs/json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "kvs/error.h"

namespace kvs {
namespace {

constexpr size_t kMaxDepth = 512;

// Builds a Json from nlohmann's events, so that its types stay in this file.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(std::string_view source) : source_(source) {}

  bool null() override { return add(Json()); }
  bool boolean(bool value) override { return add(Json(value)); }
  bool number_integer(int64_t value) override { return add(Json(value)); }
  bool number_unsigned(uint64_t value) override {
    return add(value > INT64_MAX ? Json(static_cast<double>(value)) : Json(value));
  }
  bool number_float(double value, const std::string&) override { return add(Json(value)); }
  bool string(std::string& value) override { return add(Json(std::move(value))); }
  bool binary(nlohmann::json::binary_t&) override { return false; }
  bool start_object(size_t) override { return open(Json(Json::Object{})); }
  bool start_array(size_t) override { return open(Json(Json::Array{})); }
  bool key(std::string& value) override {
    keys_.back() = std::move(value);
    return true;
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    fail(ErrorKind::format, "{}: not valid JSON at byte {}", source_, position);
  }

  Json root;

 private:
  bool open(Json container) {
    if (open_.size() == kMaxDepth)
      fail(ErrorKind::format, "{}: JSON nested deeper than {} levels", source_, kMaxDepth);
    open_.push_back(std::move(container));
    keys_.emplace_back();
    return true;
  }

  bool close() {
    Json done = std::move(open_.back());
    open_.pop_back();
    keys_.pop_back();
    return add(std::move(done));
  }

  bool add(Json value) {
    if (open_.empty())
      root = std::move(value);
    else if (open_.back().is_array())
      const_cast<Json::Array&>(open_.back().as_array()).push_back(std::move(value));
    else
      const_cast<Json::Object&>(open_.back().as_object())
          .emplace_back(std::move(keys_.back()), std::move(value));
    return true;
  }

  std::string_view source_;
  std::vector<Json> open_;
  std::vector<std::string> keys_;
};

template <typename T, typename Value>
const T& get_as(const Value& value, const Json& json, std::string_view expected) {
  if (const T* found = std::get_if<T>(&value)) return *found;
  fail(ErrorKind::format, "expected {}, found {}", expected, json.type_name());
}

void write_string(std::string& out, const std::string& text) {
  out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void new_line(std::string& out, int indent, int depth) {
  if (indent < 0) return;
  out += '\n';
  out.append(static_cast<size_t>(indent) * depth, ' ');
}

void write(std::string& out, const Json& json, int indent, int depth) {
  const char* gap = indent < 0 ? "" : " ";
  if (json.is_object()) {
    const char* separator = "";
    out += '{';
    for (const auto& [key, value] : json.as_object()) {
      out += std::exchange(separator, ",");
      new_line(out, indent, depth + 1);
      write_string(out, key);
      out += ':';
      out += gap;
      write(out, value, indent, depth + 1);
    }
    if (*separator) new_line(out, indent, depth);
    out += '}';
  } else if (json.is_array()) {
    const char* separator = "";
    out += '[';
    for (const Json& value : json.as_array()) {
      out += std::exchange(separator, ",");
      new_line(out, indent, depth + 1);
      write(out, value, indent, depth + 1);
    }
    if (*separator) new_line(out, indent, depth);
    out += ']';
  } else if (json.is_string()) {
    write_string(out, json.as_string());
  } else if (json.is_bool()) {
    out += json.as_bool() ? "true" : "false";
  } else if (json.is_int()) {
    out += fmt::to_string(json.as_int());
  } else if (json.is_number() && std::isfinite(json.as_number())) {
    out += nlohmann::json(json.as_number()).dump();
  } else {
    out += "null";
  }
}

}  // namespace

Json Json::parse(std::string_view text, std::string_view source) {
  Builder builder(source);
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return std::move(builder.root);
}

std::string_view Json::type_name() const {
  constexpr std::string_view kNames[] = {"null",   "boolean", "integer", "number",
                                         "string", "array",   "object"};
  return kNames[value_.index()];
}

bool Json::as_bool() const {
  return get_as<bool>(value_, *this, "boolean");
}
int64_t Json::as_int() const {
  return get_as<int64_t>(value_, *this, "integer");
}
double Json::as_number() const {
  return is_int() ? static_cast<double>(as_int()) : get_as<double>(value_, *this, "number");
}
const std::string& Json::as_string() const {
  return get_as<std::string>(value_, *this, "string");
}
const Json::Array& Json::as_array() const {
  return get_as<Array>(value_, *this, "array");
}
const Json::Object& Json::as_object() const {
  return get_as<Object>(value_, *this, "object");
}

const Json* Json::find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const auto& [name, value] : as_object())
    if (name == key) return &value;
  return nullptr;
}

const Json& Json::get(std::string_view key) const {
  if (const Json* found = find(key)) return *found;
  fail(ErrorKind::format, "field '{}' is missing", key);
}

Json& Json::set(std::string_view key, Json value) {
  if (is_null()) value_ = Object{};
  for (auto& [name, old] : std::get<Object>(value_))
    if (name == key) return old = std::move(value);
  return std::get<Object>(value_).emplace_back(std::string(key), std::move(value)).second;
}

void Json::push(Json value) {
  if (is_null()) value_ = Array{};
  std::get<Array>(value_).push_back(std::move(value));
}

std::string Json::dump(int indent) const {
  std::string out;
  write(out, *this, indent, 0);
  return out;
}

}  // namespace kvs
