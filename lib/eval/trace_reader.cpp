#include <algorithm>
#include <cmath>

#include "base/line_reader.h"
#include "kvs/error.h"
#include "kvs/trace.h"

namespace kvs {
namespace {

constexpr int64_t kMaxTokens = int64_t{1} << 40;

[[noreturn]] void refuse(const std::string& where, const char* name, const std::string& what) {
  fail(ErrorKind::format, "{}: field '{}': {}", where, name, what);
}

const Json& field(const Json& json, const char* name, const std::string& where) {
  const Json* value = json.find(name);
  if (!value) fail(ErrorKind::format, "{}: field '{}' is missing", where, name);
  return *value;
}

int64_t read_tokens(const Json& json, const std::string& where) {
  const Json& value = field(json, "input_length", where);
  if (!value.is_int() || value.as_int() < 1 || value.as_int() > kMaxTokens)
    refuse(where, "input_length",
           fmt::format("expected an integer from 1 to {}, found {}", kMaxTokens,
                       value.is_number() ? value.dump() : std::string(value.type_name())));
  return value.as_int();
}

std::vector<int64_t> read_hashes(const Json& json, const std::string& where) {
  const Json& list = field(json, "hash_ids", where);
  if (!list.is_array())
    refuse(where, "hash_ids", fmt::format("expected an array, found {}", list.type_name()));
  std::vector<int64_t> hashes;
  hashes.reserve(list.as_array().size());
  for (const Json& hash : list.as_array()) {
    if (!hash.is_int())
      refuse(where, "hash_ids", fmt::format("expected integers, found {}", hash.type_name()));
    hashes.push_back(hash.as_int());
  }
  return hashes;
}

}  // namespace

TraceReader::TraceReader(std::istream& in, std::string source, int64_t block_tokens)
    : lines_(std::make_unique<LineReader>(in, std::move(source))), block_tokens_(block_tokens) {}

TraceReader::~TraceReader() = default;

std::string TraceReader::where() const {
  return lines_->where();
}

std::optional<TraceRequest> TraceReader::next() {
  do {
    if (!lines_->next(text_)) return std::nullopt;
  } while (text_.find_first_not_of(" \t") == std::string::npos);

  const std::string where = this->where();
  const Json json = Json::parse(text_, where);
  const Json& timestamp = field(json, "timestamp", where);
  if (!timestamp.is_number() || !std::isfinite(timestamp.as_number()))
    refuse(where, "timestamp", fmt::format("expected a number, found {}", timestamp.type_name()));
  TraceRequest request{.timestamp_ms = timestamp.as_number(),
                       .tokens = read_tokens(json, where),
                       .hashes = read_hashes(json, where)};
  if (request.timestamp_ms < latest_ms_)
    refuse(where, "timestamp",
           fmt::format("{:g} comes behind {:g}, expected the order of time", request.timestamp_ms,
                       latest_ms_));
  latest_ms_ = request.timestamp_ms;
  const int64_t blocks = (request.tokens + block_tokens_ - 1) / block_tokens_;
  if (blocks != static_cast<int64_t>(request.hashes.size()))
    refuse(where, "hash_ids",
           fmt::format("expected {} for {} tokens in blocks of {}, found {}", blocks,
                       request.tokens, block_tokens_, request.hashes.size()));
  return request;
}

}  // namespace kvs
