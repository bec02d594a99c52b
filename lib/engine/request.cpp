#include "kvs/request.h"

#include <array>

#include "base/utf8.h"
#include "engine/request_fields.h"
#include "kvs/error.h"
#include "kvs/json.h"

namespace kvs {
namespace {

constexpr size_t kMaxLineBytes = size_t{64} << 20;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

RequestReader::RequestReader(std::istream& in, std::string source, Request defaults)
    : in_(in), source_(std::move(source)), defaults_(std::move(defaults)) {}

std::optional<Request> RequestReader::next() {
  while (read_line())
    if (!text_.empty()) return read_request();
  return std::nullopt;
}

// A line that is too long is read to its end, so that the next one can be a request again.
bool RequestReader::read_line() {
  std::array<char, 1 << 14> piece;
  size_t length = 0;
  text_.clear();
  do {
    in_.clear(in_.rdstate() & ~std::ios::failbit);  // a full piece is no failure
    in_.getline(piece.data(), piece.size());
    if (in_.bad()) fail(ErrorKind::io, "{}: cannot be read", source_);
    const bool ended = !in_.fail() && !in_.eof();  // then a line feed was counted, but not stored
    const auto count = static_cast<size_t>(in_.gcount()) - (ended ? 1 : 0);
    if (!ended && in_.eof() && length + count == 0) return false;
    length += count;
    if (length <= kMaxLineBytes) text_.append(piece.data(), count);
  } while (in_.fail() && !in_.eof());
  ++line_;
  if (length > kMaxLineBytes)
    fail(ErrorKind::format, "{}:{}: line longer than {} MiB", source_, line_, kMaxLineBytes >> 20);
  if (text_.ends_with('\r')) text_.pop_back();
  if (line_ == 1 && text_.starts_with(kByteOrderMark)) text_.erase(0, kByteOrderMark.size());
  return true;
}

Request RequestReader::read_request() const {
  const std::string where = fmt::format("{}:{}", source_, line_);
  if (const auto byte = find_invalid_utf8(text_))
    fail(ErrorKind::format, "{}: not valid UTF-8 at byte {}", where, *byte + 1);

  Request request = defaults_;
  request.id = std::to_string(line_);
  if (text_[0] != '{') {
    request.prompt = text_;
    return request;
  }
  read_fields(Json::parse(text_, where), where, request);
  return request;
}

}  // namespace kvs
