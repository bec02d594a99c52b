#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <functional>
#include <numeric>
#include <random>
#include <string>

#include "base/least_squares.h"
#include "kvs/archive_reader.h"
#include "kvs/cost_model.h"
#include "kvs/error.h"
#include "kvs/forward_pass.h"
#include "kvs/kv_archive.h"
#include "kvs/kv_pool.h"

namespace kvs {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRepeats = 3;

// `rows` behind `context` others.
struct Size {
  int64_t rows, context;
};

struct Timing {
  Size size;
  double ms;
};

double median_ms(const std::function<void()>& run) {
  std::array<double, kRepeats> runs;
  for (double& ms : runs) {
    const auto start = Clock::now();
    run();
    ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  }
  std::nth_element(runs.begin(), runs.begin() + kRepeats / 2, runs.end());
  return runs[kRepeats / 2];
}

// A file's name that nobody else uses; the file goes with this object.
class ScratchFile {
 public:
  ScratchFile()
      : path_(std::filesystem::temp_directory_path() /
              ("kvs-costs-" + std::to_string(std::random_device()()) + ".kva")) {}
  ~ScratchFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class Stopwatch {
 public:
  Stopwatch(Transformer& transformer, DType kv_type, int64_t positions)
      : transformer_(transformer),
        kv_type_(kv_type),
        pool_(transformer.backend(), transformer.kv_layout(kv_type),
              2 * (positions / kBlockTokens) + 4),
        tokens_(positions) {
    for (int64_t i = 0; i < positions; ++i)
      tokens_[i] = static_cast<int32_t>(i % transformer.config().vocab);
    view_.append_fresh(pool_, positions, true);  // freed rows are zeros, which is as good as any
  }

  double computing_ms(const Size& size) {
    return median_ms([&] { compute(size); });
  }

  // Of the first rows, which have been computed; from an archive that the system has in memory.
  double loading_ms(int64_t rows) {
    const ArchiveHeader header{
        .model = "m", .fingerprint = "m", .tokenizer = "m", .layout = pool_.layout()};
    const ScratchFile file;
    ArchiveWriter writer(file.path(), header);
    KvArchiver archiver(writer, header.fingerprint, KvCodec::shuffle);
    KvView view;
    view.append_shared(view_, 0, rows, true);
    archiver.add(pool_, view, {.id = "p", .tokens = {tokens_.begin(), tokens_.begin() + rows}});
    for (const Error& error : archiver.finish()) throw Error(error);
    writer.finish();
    const ArchiveFile archive(file.path());
    return median_ms([&] {
      const KvView loaded = ArchivedRows(pool_).load(archive, 0, archive.read_prompt(0));
      std::byte last{};  // to have it, a device has to have brought all
      pool_.backend().download(&last, loaded.slot(rows - 1).block, 1);
    });
  }

 private:
  void compute(const Size& size) {
    std::vector<int64_t> positions(size.rows);
    std::iota(positions.begin(), positions.end(), size.context);
    ForwardPass pass(transformer_, kv_type_, tokens_, std::move(positions));
    pass.run(transformer_.config().layers, LayeredView(view_));
    pass.logits();
  }

  Transformer& transformer_;
  DType kv_type_;
  KvPool pool_;
  std::vector<int32_t> tokens_;
  KvView view_;
};

double keys_of(const Size& size) {
  const auto rows = static_cast<double>(size.rows);
  return rows * static_cast<double>(size.context) + rows * (rows + 1) / 2;
}

// ms = pass + rows x row + keys x key. Each timing is weighed by 1 / ms: relative errors count.
CostModel fit(const std::vector<Timing>& timings) {
  std::vector<std::vector<double>> rows;
  rows.reserve(timings.size());
  for (const auto& [size, ms] : timings)
    rows.push_back({1 / ms, static_cast<double>(size.rows) / ms, keys_of(size) / ms});
  const std::vector<double> ones(rows.size(), 1.0);
  const std::vector<double> found = least_squares(rows, ones);
  return {.ms_per_pass = std::max(0.0, found[0]),
          .ms_per_row = std::max(0.0, found[1]),
          .ms_per_key = std::max(0.0, found[2])};
}

}  // namespace

CostModel measure_costs(Transformer& transformer, DType kv_type) {
  const int64_t longest = std::min<int64_t>(1024, transformer.config().context);
  Stopwatch stopwatch(transformer, kv_type, longest);
  stopwatch.computing_ms({1, 0});  // touches the weights
  std::vector<Timing> timings;
  for (const Size size :
       {Size{1, longest / 2}, Size{16, longest / 4}, Size{16, longest - 16}, Size{64, longest / 4},
        Size{64, longest - 64}, Size{longest / 4, 0}, Size{longest / 4, 3 * longest / 4}})
    timings.push_back({size, stopwatch.computing_ms(size)});
  CostModel costs = fit(timings);
  const int64_t rows = longest / 4;
  try {
    costs.ms_per_loaded_row = stopwatch.loading_ms(rows) / static_cast<double>(rows);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::io) throw;
  }
  return costs;
}

}  // namespace kvs
