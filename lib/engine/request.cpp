#include "kvs/request.h"

#include "base/line_reader.h"
#include "base/utf8.h"
#include "engine/request_fields.h"
#include "kvs/error.h"
#include "kvs/json.h"

namespace kvs {

RequestReader::RequestReader(std::istream& in, std::string source, Request defaults)
    : lines_(std::make_unique<LineReader>(in, std::move(source))), defaults_(std::move(defaults)) {}

RequestReader::~RequestReader() = default;

int64_t RequestReader::line() const {
  return lines_->line();
}

std::optional<Request> RequestReader::next() {
  while (lines_->next(text_))
    if (!text_.empty()) return read_request();
  return std::nullopt;
}

Request RequestReader::read_request() const {
  const std::string where = lines_->where();
  if (const auto byte = find_invalid_utf8(text_))
    fail(ErrorKind::format, "{}: not valid UTF-8 at byte {}", where, *byte + 1);

  Request request = defaults_;
  request.id = std::to_string(line());
  if (text_[0] != '{') {
    request.prompt = text_;
    return request;
  }
  read_fields(Json::parse(text_, where), where, request);
  return request;
}

}  // namespace kvs
