// What storing KV costs beside computing it, as kvs-embed --kv does both: bench_embed MODEL
// [PROMPTS [TOKENS]]. Computes random prompts with and without an archive to write, in turn, and
// prints the medians of the rates by wall clock and by processor time.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <random>

#include "kvs/engine.h"
#include "kvs/error.h"
#include "kvs/kv_archive.h"
#include "kvs/model.h"

namespace {

using namespace kvs;

struct Cost {
  double wall = 0;
  double processor = 0;  // of all threads
};

Cost now() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  const auto wall = std::chrono::steady_clock::now().time_since_epoch();
  return {std::chrono::duration<double>(wall).count(),
          seconds(used.ru_utime) + seconds(used.ru_stime)};
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

class Bench {
 public:
  Bench(const std::string& name, int64_t tokens)
      : backend_(make_backend({})),
        model_(name, *backend_, {}),
        engine_(model_.transformer(), nullptr, {.max_blocks = 512}),
        tokens_(tokens) {}

  // Computes so many prompts; with a codec also stores their KV.
  Cost run(int prompts, std::optional<KvCodec> codec) {
    const std::filesystem::path path =
        std::filesystem::temp_directory_path() / fmt::format("bench_embed_{}.kva", getpid());
    const Cost start = now();
    std::optional<ArchiveWriter> writer;
    std::optional<KvArchiver> archiver;
    if (codec) {
      writer.emplace(path, model_.archive_header(DType::f16, "bench"),
                     ArchiveOptions{.threads = 0});
      archiver.emplace(*writer, model_.fingerprint(), *codec);
    }
    for (int prompt = 0; prompt < prompts; ++prompt) compute(prompt, archiver);
    if (archiver)
      for (const Error& error : archiver->finish()) throw Error(error);
    if (writer) writer->finish();
    const Cost end = now();
    std::filesystem::remove(path);
    return {end.wall - start.wall, end.processor - start.processor};
  }

 private:
  void compute(int prompt, std::optional<KvArchiver>& archiver) {
    Task task{.id = std::to_string(prompt), .max_tokens = 0, .store = false};
    for (int64_t token = 0; token < tokens_; ++token)
      task.tokens.push_back(static_cast<int32_t>(random_() % 1000));
    const std::vector<int32_t> tokens = task.tokens;
    task.on_prompt = [&](const LayeredView& view) {
      if (archiver)
        archiver->add(engine_.pool(), view.top(), {.id = std::to_string(prompt), .tokens = tokens});
    };
    engine_.run(std::move(task));
  }

  std::unique_ptr<Backend> backend_;
  Model model_;
  Engine engine_;
  int64_t tokens_;
  std::mt19937 random_{1};
};

int measure(const std::string& model, int prompts, int64_t tokens) {
  constexpr int kRounds = 5;
  Bench bench(model, tokens);
  const std::vector<std::optional<KvCodec>> ways{std::nullopt, KvCodec::raw, KvCodec::shuffle,
                                                 KvCodec::q8, KvCodec::q4};
  std::vector<std::vector<double>> wall(ways.size()), processor(ways.size());
  bench.run(1, KvCodec::shuffle);
  for (int round = 0; round < kRounds; ++round)
    for (size_t way = 0; way < ways.size(); ++way) {
      const Cost cost = bench.run(prompts, ways[way]);
      wall[way].push_back(cost.wall);
      processor[way].push_back(cost.processor);
    }
  const double all = static_cast<double>(prompts) * static_cast<double>(tokens);
  for (size_t way = 0; way < ways.size(); ++way)
    fmt::print("{:8} {:6.0f} tokens/s, {:.3f} of computing alone; {:.3f} by processor time\n",
               ways[way] ? codec_name(*ways[way]) : "(none)", all / median(wall[way]),
               median(wall[0]) / median(wall[way]), median(processor[0]) / median(processor[way]));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: bench_embed MODEL [PROMPTS [TOKENS]]\n");
    return 2;
  }
  try {
    return measure(argv[1], argc > 2 ? std::stoi(argv[2]) : 4,
                   argc > 3 ? std::stoi(argv[3]) : 1000);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_embed: {}\n", error.what());
    return 1;
  }
}
