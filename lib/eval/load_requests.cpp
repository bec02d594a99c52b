#include <algorithm>
#include <utility>

#include "base/line_reader.h"
#include "kvs/error.h"
#include "kvs/load.h"

namespace kvs {
namespace {

constexpr size_t kMaxKeyLine = 4096;

Json body_of(const Request& request, const LoadRequestOptions& options) {
  Json body = api_body(request, options.model);
  body.set("max_tokens", std::clamp<int64_t>(request.max_tokens, 1, options.max_tokens));
  for (const auto& [field, value] : options.extra.as_object()) body.set(field, value);
  return body;
}

}  // namespace

std::vector<LoadRequest> read_load_requests(std::istream& in, const std::string& source,
                                            const LoadRequestOptions& options) {
  Request defaults;
  defaults.max_tokens = options.max_tokens;
  RequestReader reader(in, source, defaults);
  std::vector<LoadRequest> requests;
  while (const std::optional<Request> request = reader.next())
    requests.push_back({.id = request->id,
                        .tenant = request->tenant,
                        .arrival_ms = request->arrival_ms,
                        .body = body_of(*request, options)});
  if (requests.empty()) fail(ErrorKind::format, "{}: no requests", source);
  return requests;
}

std::map<std::string, std::string> read_load_keys(std::istream& in, const std::string& source) {
  LineReader lines(in, source, kMaxKeyLine);
  std::map<std::string, std::string> keys;
  for (std::string line; lines.next(line);) {
    if (line.empty() || line.starts_with('#')) continue;
    const size_t space = line.find(' ');
    const std::string key = space == std::string::npos ? "" : line.substr(space + 1);
    if (space == 0 || key.empty() || key.find_first_of(" \t") != std::string::npos)
      fail(ErrorKind::format, "{}: expected 'TENANT KEY'", lines.where());
    if (!keys.emplace(line.substr(0, space), key).second)
      fail(ErrorKind::format, "{}: tenant '{}' stands twice", lines.where(), line.substr(0, space));
  }
  return keys;
}

}  // namespace kvs
