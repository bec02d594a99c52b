#include <algorithm>
#include <array>
#include <limits>

#include "kvs/edit_script.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr std::array<std::string_view, 6> kOpNames = {"keep",   "move",    "fuzzy",
                                                      "insert", "replace", "delete"};
constexpr int64_t kMaxPosition = std::numeric_limits<int32_t>::max();

std::string_view name_of(EditKind kind) {
  return kOpNames[static_cast<size_t>(kind)];
}

Json op_to_json(const EditOp& op, std::span<const int32_t> inserted) {
  Json json;
  json.set("op", name_of(op.kind));
  json.set("target", op.target_first);
  json.set("count", op.count);
  if (op.kind != EditKind::insert) {
    json.set("source", op.source);
    json.set("donor", op.donor_first);
  }
  if (op.reuses()) json.set("shift", op.shift());
  if (op.gives_tokens()) {
    Json::Array tokens(inserted.begin(), inserted.end());
    json.set("tokens", std::move(tokens));
  }
  return json;
}

int64_t tokens_from(const EditScript& script, size_t source) {
  int64_t tokens = 0;
  for (const EditOp& op : script.ops)
    if (op.reuses() && static_cast<size_t>(op.source) == source) tokens += op.count;
  return tokens;
}

// Reads the fields of one object of the line; every error says which.
class FieldReader {
 public:
  FieldReader(const Json& object, std::string subject)
      : object_(object), subject_(std::move(subject)) {
    if (!object.is_object())
      fail(ErrorKind::format, "{}: expected object, found {}", subject_, object.type_name());
  }

  const Json& get(std::string_view key) const {
    if (const Json* found = object_.find(key)) return *found;
    fail(ErrorKind::format, "{}: field '{}' is missing", subject_, key);
  }

  int64_t integer(std::string_view key, int64_t low, int64_t high) const {
    const Json& value = get(key);
    if (!value.is_int() || value.as_int() < low || value.as_int() > high)
      fail(ErrorKind::format, "{}: field '{}' must be an integer from {} to {}, found {}", subject_,
           key, low, high, value.is_int() ? std::to_string(value.as_int()) : value.type_name());
    return value.as_int();
  }

  const std::string& string(std::string_view key) const {
    const Json& value = get(key);
    if (!value.is_string()) wrong_type(key, "string", value);
    return value.as_string();
  }

  const Json::Array& array(std::string_view key) const {
    const Json& value = get(key);
    if (!value.is_array()) wrong_type(key, "array", value);
    return value.as_array();
  }

  double number(std::string_view key) const {
    const Json& value = get(key);
    if (!value.is_number()) wrong_type(key, "number", value);
    return value.as_number();
  }

  const std::string& subject() const { return subject_; }

 private:
  [[noreturn]] void wrong_type(std::string_view key, std::string_view expected,
                               const Json& value) const {
    fail(ErrorKind::format, "{}: field '{}': expected {}, found {}", subject_, key, expected,
         value.type_name());
  }

  const Json& object_;
  std::string subject_;
};

EditKind read_kind(const FieldReader& fields) {
  const std::string& name = fields.string("op");
  const auto found = std::find(kOpNames.begin(), kOpNames.end(), name);
  if (found == kOpNames.end())
    fail(ErrorKind::format,
         "{}: unknown op '{}', expected keep, move, fuzzy, insert, replace or delete",
         fields.subject(), name);
  return static_cast<EditKind>(found - kOpNames.begin());
}

void read_inserted(const FieldReader& fields, int64_t count, std::vector<int32_t>& inserted) {
  const Json::Array& tokens = fields.array("tokens");
  if (static_cast<int64_t>(tokens.size()) != count)
    fail(ErrorKind::format, "{}: {} tokens given, expected count {}", fields.subject(),
         tokens.size(), count);
  for (const Json& token : tokens) {
    if (!token.is_int() || token.as_int() > kMaxPosition ||
        token.as_int() < std::numeric_limits<int32_t>::min())
      fail(ErrorKind::format, "{}: tokens must be 32-bit integers", fields.subject());
    inserted.push_back(static_cast<int32_t>(token.as_int()));
  }
}

void read_source(const FieldReader& fields, std::span<const ScriptDonor> donors, EditOp& op) {
  op.source =
      static_cast<int32_t>(fields.integer("source", 0, static_cast<int64_t>(donors.size()) - 1));
  const int64_t last = donors[op.source].length - op.count;
  if (last < 0)
    fail(ErrorKind::format, "{}: {} tokens named, donor '{}' has {}", fields.subject(), op.count,
         donors[op.source].id, donors[op.source].length);
  op.donor_first = fields.integer("donor", 0, last);
  if (op.reuses() && fields.integer("shift", -kMaxPosition, kMaxPosition) != op.shift())
    fail(ErrorKind::format, "{}: shift is not target - donor = {}", fields.subject(), op.shift());
}

EditOp read_op(const FieldReader& fields, const PromptScript& prompt, int64_t cursor,
               std::vector<int32_t>& inserted) {
  EditOp op;
  op.kind = read_kind(fields);
  op.target_first = fields.integer("target", 0, kMaxPosition);
  if (op.target_first != cursor)
    fail(ErrorKind::format, "{}: starts at target token {}, expected {}", fields.subject(),
         op.target_first, cursor);
  op.count = fields.integer("count", 1, kMaxPosition - cursor);
  if (op.kind != EditKind::insert) {
    if (prompt.donors.empty())
      fail(ErrorKind::format, "{}: needs a donor, the line has none", fields.subject());
    read_source(fields, prompt.donors, op);
  }
  if (op.gives_tokens()) read_inserted(fields, op.count, inserted);
  return op;
}

void check_sum(const FieldReader& fields, std::string_view key, int64_t expected) {
  const int64_t found = fields.integer(key, 0, kMaxPosition);
  if (found != expected)
    fail(ErrorKind::format, "{}: '{}' is {}, the ops sum up to {}", fields.subject(), key, found,
         expected);
}

}  // namespace

Json script_to_json(const PromptScript& prompt) {
  const EditScript& script = prompt.script;
  Json::Array donors;
  for (size_t source = 0; source < prompt.donors.size(); ++source) {
    const ScriptDonor& donor = prompt.donors[source];
    donors.emplace_back(Json::Object{{"id", donor.id},
                                     {"similarity", donor.similarity},
                                     {"length", donor.length},
                                     {"tokens", tokens_from(script, source)}});
  }
  Json::Array ops;
  size_t inserted = 0;
  for (const EditOp& op : script.ops) {
    const size_t tokens = op.gives_tokens() ? op.count : 0;
    ops.push_back(op_to_json(op, std::span(script.inserted).subspan(inserted, tokens)));
    inserted += tokens;
  }
  return Json::Object{{"id", prompt.id},
                      {"tokens", script.target_tokens()},
                      {"donors", std::move(donors)},
                      {"ops", std::move(ops)},
                      {"kept", script.kept()},
                      {"moved", script.moved()},
                      {"fuzzy", script.fuzzy()},
                      {"computed", script.computed()},
                      {"coverage", script.coverage()}};
}

PromptScript script_from_json(const Json& line, std::string_view where) {
  const FieldReader fields(line, std::string(where));
  PromptScript prompt;
  prompt.id = fields.string("id");
  for (const Json& donor : fields.array("donors")) {
    const FieldReader of_donor(donor, fmt::format("{}: donor {}", where, prompt.donors.size()));
    prompt.donors.push_back({of_donor.string("id"), of_donor.number("similarity"),
                             of_donor.integer("length", 0, kMaxPosition)});
  }
  int64_t cursor = 0;
  EditScript& script = prompt.script;
  for (const Json& op : fields.array("ops")) {
    const FieldReader of_op(op, fmt::format("{}: op {}", where, script.ops.size()));
    script.ops.push_back(read_op(of_op, prompt, cursor, script.inserted));
    if (script.ops.back().kind != EditKind::remove) cursor += script.ops.back().count;
  }
  check_sum(fields, "tokens", cursor);
  check_sum(fields, "kept", script.kept());
  check_sum(fields, "moved", script.moved());
  check_sum(fields, "fuzzy", script.fuzzy());
  check_sum(fields, "computed", script.computed());
  return prompt;
}

}  // namespace kvs
