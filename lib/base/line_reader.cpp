#include "base/line_reader.h"

#include <array>
#include <string_view>
#include <utility>

#include "kvs/error.h"

namespace kvs {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string size_text(size_t bytes) {
  return bytes >= 1 << 20 ? fmt::format("{} MiB", bytes >> 20) : fmt::format("{} KiB", bytes >> 10);
}

}  // namespace

LineReader::LineReader(std::istream& in, std::string source, size_t max_bytes)
    : in_(in), source_(std::move(source)), max_bytes_(max_bytes) {}

// A line that is too long is read to its end, so that the next one counts again.
bool LineReader::next(std::string& text) {
  std::array<char, 1 << 14> piece;
  size_t length = 0;
  text.clear();
  do {
    in_.clear(in_.rdstate() & ~std::ios::failbit);  // a full piece is no failure
    in_.getline(piece.data(), piece.size());
    if (in_.bad()) fail(ErrorKind::io, "{}: cannot be read", source_);
    const bool ended = !in_.fail() && !in_.eof();  // then a line feed was counted, but not stored
    const auto count = static_cast<size_t>(in_.gcount()) - (ended ? 1 : 0);
    if (!ended && in_.eof() && length + count == 0) return false;
    length += count;
    if (length <= max_bytes_) text.append(piece.data(), count);
  } while (in_.fail() && !in_.eof());
  ++line_;
  if (length > max_bytes_)
    fail(ErrorKind::format, "{}: line longer than {}", where(), size_text(max_bytes_));
  if (text.ends_with('\r')) text.pop_back();
  if (line_ == 1 && text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  return true;
}

std::string LineReader::where() const {
  return fmt::format("{}:{}", source_, line_);
}

}  // namespace kvs
