#include "tools/prompt_source.h"

#include <charconv>
#include <filesystem>
#include <istream>
#include <optional>

#include "kvs/error.h"
#include "tools/input.h"
#include "tools/interrupt.h"
#include "tools/keep_going.h"
#include "tools/message.h"

namespace kvs {
namespace {

std::optional<int64_t> find_count(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), value);
  if (error != std::errc() || end != text.end() || value < 1) return {};
  return value;
}

// Of lines that are not empty, as RequestReader reads them.
int64_t count_lines(const std::string& file) {
  Input input(file);
  int64_t lines = 0;
  for (std::string line; std::getline(input.stream(), line);)
    lines += !line.empty() && line != "\r";
  return lines;
}

}  // namespace

Shard parse_shard(const std::string& text) {
  const size_t slash = text.find('/');
  const auto index = find_count(std::string_view(text).substr(0, slash));
  const auto count = slash == std::string::npos
                         ? std::nullopt
                         : find_count(std::string_view(text).substr(slash + 1));
  if (!index || !count || *index > *count)
    fail(ErrorKind::argument, "--shard: found '{}', expected I/N with 1 <= I <= N", text);
  return {*index, *count};
}

int64_t PromptSource::for_each(const PromptEncoder& encoder, const OnPrompt& on_prompt) const {
  int64_t skipped = 0, read = 0;
  for (const std::string& file : files_or_stdin(files)) {
    Input input(file);
    RequestReader reader(input.stream(), input.name());
    for (bool more = true; more;) {
      check_interrupt();
      const bool ours = read++ % shard.count == shard.index - 1;
      try {
        const std::optional<Request> request = reader.next();
        more = request.has_value();
        if (more && ours) on_prompt(*request, encoder.encode(*request));
      } catch (const Error& e) {
        if (!keep_going || !concerns_one_input(e)) throw;
        say(e.what());
        ++skipped;
      }
    }
    --read;  // the end of the file was no prompt
  }
  return skipped;
}

int64_t PromptSource::count() const {
  int64_t prompts = 0;
  for (const std::string& file : files_or_stdin(files)) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(file, ignored)) return 0;
    prompts += count_lines(file);
  }
  return (prompts - shard.index + shard.count) / shard.count;
}

}  // namespace kvs
