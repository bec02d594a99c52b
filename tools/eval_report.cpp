#include "tools/eval_report.h"

#include <fmt/format.h>

#include <istream>

#include "kvs/error.h"
#include "kvs/report.h"
#include "tools/input.h"
#include "tools/output.h"
#include "tools/tool.h"

namespace kvs {
namespace {

constexpr size_t kMaxBytes = size_t{256} << 20;

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

std::vector<Json> read_lines(const std::string& path) {
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

}  // namespace

CLI::App* add_report_command(CLI::App& app, ReportCommand& command) {
  CLI::App* report = app.add_subcommand("report", "Show what run measured, as tables or a page");
  report->add_option("FILES", command.files, "What run --json wrote; -: standard input");
  report
      ->add_option("--detail", command.details,
                   "What run --detail wrote, for each of FILES in the same order")
      ->type_name("FILE")
      ->allow_extra_args(false);  // or it would take the FILES too
  report->add_option("--format", command.format, "terminal, markdown or html")
      ->type_name("NAME")
      ->capture_default_str()
      ->check(CLI::IsMember({"terminal", "markdown", "html"}));
  report->add_option("-o,--output", command.output, "Where the report goes; -: standard output")
      ->type_name("FILE")
      ->capture_default_str();
  return report;
}

int run_report_command(const ReportCommand& command) {
  const std::vector<std::string> paths = files_or_stdin(command.files);
  if (command.details.size() > paths.size())
    fail(ErrorKind::argument, "--detail: {} files for {} evaluations", command.details.size(),
         paths.size());
  std::vector<EvaluationFile> files;
  for (size_t at = 0; at < paths.size(); ++at) {
    Input input(paths[at]);
    EvaluationFile& file = files.emplace_back();
    file.source = input.name();
    file.evaluation = Json::parse(read_text(input), input.name());
    if (at < command.details.size()) file.details = read_lines(command.details[at]);
  }
  write_file(command.output, make_report(files, report_format_from_name(command.format)));
  return kExitOk;
}

}  // namespace kvs
