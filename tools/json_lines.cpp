#include "tools/json_lines.h"

#include <fmt/format.h>

#include <istream>

#include "kvs/error.h"

namespace kvs {
namespace {

constexpr size_t kMaxBytes = size_t{256} << 20;

}  // namespace

std::string read_text(Input& input) {
  std::string text;
  std::string part(size_t{1} << 16, '\0');
  do {
    input.stream().read(part.data(), static_cast<std::streamsize>(part.size()));
    text.append(part, 0, static_cast<size_t>(input.stream().gcount()));
    if (text.size() > kMaxBytes)
      fail(ErrorKind::format, "{}: longer than {} MiB", input.name(), kMaxBytes >> 20);
  } while (input.stream());
  return text;
}

std::vector<Json> read_json_lines(const std::string& path) {
  Input input(path);
  const std::string text = read_text(input);
  std::vector<Json> lines;
  int number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    ++number;
    if (line.find_first_not_of(" \t\r") != std::string_view::npos)
      lines.push_back(Json::parse(line, fmt::format("{}:{}", input.name(), number)));
    begin = end + 1;
  }
  return lines;
}

}  // namespace kvs
