// Speed of loading, encoding and decoding: bench_tokenizer TOKENIZER(.json or .gguf) TEXT
// TEXT is any UTF-8 file; its lines are encoded one by one. Medians of 9 rounds on one core, in the
// thread's own processor time, so that other load on the machine counts less.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kvs/tokenizer.h"

namespace {

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Times {
  double p10 = 0;
  double median = 0;
  double p90 = 0;
};

Times measure(const std::function<void()>& body) {
  constexpr int kRounds = 9;
  body();  // warm up
  std::vector<double> seconds;
  for (int round = 0; round < kRounds; ++round) {
    const double start = processor_seconds();
    body();
    seconds.push_back(processor_seconds() - start);
  }
  std::sort(seconds.begin(), seconds.end());
  return {seconds[1], seconds[kRounds / 2], seconds[kRounds - 2]};
}

void print(const char* what, const Times& times, double amount, const char* unit) {
  fmt::print("{:<22} {:8.3f} ms (p10 {:.3f}, p90 {:.3f})", what, 1e3 * times.median,
             1e3 * times.p10, 1e3 * times.p90);
  if (amount > 0) fmt::print("   {:.2f} {}", amount / times.median / 1e6, unit);
  fmt::print("\n");
}

std::unique_ptr<kvs::Tokenizer> load(const std::string& path) {
  return path.ends_with(".json") ? kvs::Tokenizer::from_json(path)
                                 : kvs::Tokenizer::from_gguf(kvs::GgufFile(path));
}

void run(const std::string& path, const std::string& text_path) {
  const auto tokenizer = load(path);
  std::ifstream file(text_path, std::ios::binary);
  std::vector<std::string> lines;
  size_t bytes = 0;
  for (std::string line; std::getline(file, line);) {
    bytes += line.size();
    lines.push_back(line);
  }
  std::vector<int32_t> all;
  for (const std::string& line : lines) {
    const auto tokens = tokenizer->encode(line, {.add_special = false});
    all.insert(all.end(), tokens.begin(), tokens.end());
  }
  fmt::print("{} lines, {} bytes, {} tokens\n", lines.size(), bytes, all.size());
  const auto count = static_cast<double>(all.size());
  print("load", measure([&] { (void)load(path); }), 0, "");
  print("encode lines", measure([&] {
          for (const std::string& line : lines) (void)tokenizer->encode(line);
        }),
        count, "M tokens/s");
  print("decode", measure([&] { (void)tokenizer->decode(all); }), count, "M tokens/s");
  const std::pair<const char*, std::string> hard[] = {
      {"1 MB of 'a'", std::string(1 << 20, 'a')},
      {"1 MB of spaces", std::string(1 << 20, ' ')},
      {"1 MB of newlines", std::string(1 << 20, '\n')}};
  for (const auto& [name, text] : hard)
    print(name, measure([&] { (void)tokenizer->encode(text); }), static_cast<double>(text.size()),
          "MB/s");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: bench_tokenizer TOKENIZER TEXT\n", stderr);
    return 2;
  }
  try {
    run(argv[1], argv[2]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_tokenizer: {}\n", error.what());
    return 2;
  }
  return 0;
}
