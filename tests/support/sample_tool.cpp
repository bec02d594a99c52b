// kvs-sample: the smallest tool over the frame that every tool shares; the CLI tests use it for
// what no real tool shows at will (a slow record, an archive to a terminal, an internal error).
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "kvs/error.h"
#include "tools/compute_options.h"
#include "tools/input.h"
#include "tools/model_path.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/tool.h"

namespace {

struct Options {
  std::vector<std::string> files;
  std::string model;
  std::string output = "-";
  kvs::ComputeOptions compute;
  int min_span = 8;
  int slow_ms = 0;
  bool binary = false;
};

int copy(const Options& options) {
  kvs::Output output(options.output, options.binary ? kvs::Content::binary : kvs::Content::text);
  kvs::Progress progress("copying", "lines", 0);
  for (const std::string& file : kvs::files_or_stdin(options.files)) {
    kvs::Input input(file);
    kvs::explain("reading {}", input.name());
    std::string line;
    while (!kvs::interrupted() && std::getline(input.stream(), line)) {
      output.stream() << line << '\n' << std::flush;
      std::this_thread::sleep_for(std::chrono::milliseconds(options.slow_ms));
      progress.add();
    }
  }
  output.commit();
  return kvs::kExitOk;
}

int count(const Options& options) {
  for (int number = 0; number < options.min_span; ++number)
    kvs::write_out(std::to_string(number) + "\n");
  kvs::warn("counted to {}", options.min_span);
  return kvs::kExitNegative;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Copies lines.", "kvs-sample"};
  app.add_option("FILE", options.files, "Text to copy")->type_name("");
  app.add_option("-o,--output", options.output, "Where to")->type_name("FILE");
  app.add_option("--slow", options.slow_ms, "Wait after each line")->type_name("MS");
  app.add_flag("--binary", options.binary, "Take the output for binary data");
  kvs::add_compute_options(app, options.compute);
  CLI::App* counting = app.add_subcommand("count", "Count, and say no");
  counting->add_option("--min-span", options.min_span, "How far")->check(CLI::Range(1, 100000000));
  CLI::App* where = app.add_subcommand("where", "Say where a model is");
  kvs::add_model_option(*where, options.model)->required();
  CLI::App* broken = app.add_subcommand("broken", "Fail as only a bug does");
  return kvs::run_tool(app, argc, argv, [&] {
    if (*counting) return count(options);
    if (*broken) throw std::logic_error("no such thing");
    if (!*where) return copy(options);
    kvs::write_line(kvs::resolve_model(options.model));
    return kvs::kExitOk;
  });
}
