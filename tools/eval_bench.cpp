#include "tools/eval_bench.h"

#include <fmt/format.h>

#include "kvs/model.h"
#include "kvs/model_files.h"
#include "tools/machine.h"
#include "tools/message.h"
#include "tools/model_path.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/source_commit.h"
#include "tools/tool.h"

namespace kvs {
namespace {

constexpr int kMostTokens = 1 << 20;

double number(const Json& json, const char* key) {
  return json.get(key).as_number();
}

// Lines that a person reads; the same figures as the JSON.
std::string bench_table_of(const Json& bench) {
  const Json& limits = bench.get("limits");
  std::string text = fmt::format("limits   {:.0f} GFLOP/s, {:.1f} GB/s read\n",
                                 number(limits, "gemm_gflops"), number(limits, "read_gb_per_s"));
  for (const Json& row : bench.get("prefill").as_array())
    text +=
        fmt::format("prefill  {:>5} tokens  {:>8.0f} tokens/s  {:>5.0f} GFLOP/s  {:.2f} of peak\n",
                    row.get("tokens").as_int(), number(row, "tokens_per_s"), number(row, "gflops"),
                    number(row, "share_of_peak"));
  for (const Json& row : bench.get("append").as_array())
    text += fmt::format("append   {:>5} behind {:<5} {:>8.1f} ms  {:.2f} of peak\n",
                        row.get("new").as_int(), row.get("context").as_int(), number(row, "ms"),
                        number(row, "share_of_peak"));
  for (const Json& row : bench.get("decode").as_array())
    text += fmt::format("decode   {:>5} behind {:<5} {:>8.1f} tokens/s  {:.2f} of bandwidth\n",
                        row.get("batch").as_int(), row.get("context").as_int(),
                        number(row, "tokens_per_s"), number(row, "share_of_bandwidth"));
  for (const Json& row : bench.get("attention").as_array())
    text += fmt::format("attend   {:>5} rows, {:>2} segments {:>8.2f} ms  {:.2f} of peak\n",
                        row.get("tokens").as_int(), row.get("segments").as_int(), number(row, "ms"),
                        number(row, "share_of_peak"));
  if (const Json& edit = bench.get("edit"); edit.is_object())
    text +=
        fmt::format("edit     {} of {} replaced in a view: {:.4f} ms\n",
                    edit.get("replaced").as_int(), edit.get("tokens").as_int(), number(edit, "ms"));
  if (const Json& load = bench.get("load"); load.is_object())
    text += fmt::format(
        "load     {} from host memory: {:.1f} ms to the first token; copying {:.1f}, computing "
        "{:.1f}\n",
        load.get("loaded").as_int(), number(load, "ttft_ms"), number(load, "copy_ms"),
        number(load, "compute_ms"));
  if (const Json& reuse = bench.get("reuse"); reuse.is_object())
    text +=
        fmt::format("reuse    first {} of {} replaced: {:.0f} ms, {:.0f} ms in full: {:.1f}x\n",
                    reuse.get("replaced").as_int(), reuse.get("context").as_int(),
                    number(reuse, "naive_ms"), number(reuse, "full_ms"), number(reuse, "speedup"));
  const Json& memory = bench.get("memory");
  text += fmt::format("memory   {:.0f} MB of weights, {:.0f} MB of KV",
                      number(memory, "weight_bytes") * 1e-6, number(memory, "kv_bytes") * 1e-6);
  if (const Json* beyond = memory.find("beyond_bytes"))
    text += fmt::format(", {:.0f} MB beyond", beyond->as_number() * 1e-6);
  if (const Json* peak = memory.find("device_peak_bytes"); peak && peak->is_number())
    text += fmt::format(", {:.0f} MB of the device at most", peak->as_number() * 1e-6);
  return text + "\n";
}

void add_list(CLI::App& bench, const std::string& name, std::vector<int>& list,
              const std::string& words, int most) {
  bench.add_option(name, list, words + ", separated by commas")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("LENGTHS")
      ->capture_default_str()
      ->check(CLI::Range(1, most));
}

void add_lengths(CLI::App& bench, BenchOptions& options) {
  add_list(bench, "--prefill", options.prefill, "Tokens that are computed from nothing",
           kMostTokens);
  add_list(bench, "--append", options.append, "New tokens behind the context", kMostTokens);
  bench
      .add_option("--context", options.context, "Cached tokens in front of new ones, for reuse too")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, kMostTokens));
  add_list(bench, "--decode", options.decode, "Cached tokens in front of a decoded one",
           kMostTokens);
  add_list(bench, "--batch", options.batch, "Sequences that are decoded together",
           Transformer::kMaxLogitsRows);
  add_list(bench, "--attention", options.attention, "Rows of attention alone", kMostTokens);
}

}  // namespace

CLI::App* add_bench_command(CLI::App& app, BenchCommand& command) {
  CLI::App* bench = app.add_subcommand("bench", "Measure speed beside the machine's limits");
  add_model_option(*bench, command.model)->required();
  add_compute_options(*bench, command.compute);
  bench->add_option("--kv", command.kv_type, "Type of cached keys and values: f16, bf16, f32 or q8")
      ->type_name("TYPE")
      ->capture_default_str();
  bench
      ->add_option("--repeats", command.bench.repeats,
                   "Runs per figure, of which the median counts")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  add_lengths(*bench, command.bench);
  bench->add_option("--json", command.json, "Write the figures to this file; -: standard output")
      ->type_name("FILE");
  return bench;
}

int run_bench_command(const BenchCommand& command) {
  const auto backend = make_backend(command.compute.backend);
  explain("{}", backend->description());
  BenchOptions options = command.bench;
  options.compute = command.compute.compute;
  options.kv_type = kv_type_from_name(command.kv_type);
  options.progress = [](std::string_view what) {
    check_interrupt();
    explain("measuring {}", what);
  };
  // The files are closed again: what they map would count as memory of the engine.
  Transformer transformer(*backend, *open_model_files(resolve_model(command.model)),
                          options.compute);

  Json bench = run_bench(transformer, options);
  bench.set("model", command.model);
  bench.set("device", backend->description());
  bench.set("machine", machine_description());
  bench.set("commit", source_commit());
  if (command.json.empty()) {
    write_out(bench_table_of(bench));
    flush_out();
    return kExitOk;
  }
  write_file(command.json, bench.dump(1) + "\n");
  return kExitOk;
}

}  // namespace kvs
