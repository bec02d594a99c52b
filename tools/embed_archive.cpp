#include "tools/embed_archive.h"

#include <functional>

#include "kvs/archive_report.h"
#include "kvs/error.h"
#include "kvs/json.h"
#include "tools/input.h"
#include "tools/output.h"
#include "tools/tool.h"

namespace kvs {
namespace {

Json to_json(const PromptLine& line, const std::string& file) {
  return Json::Object{{"file", file},
                      {"member", static_cast<int64_t>(line.member)},
                      {"id", line.id},
                      {"tenant", line.tenant},
                      {"visibility", visibility_name(line.visibility)},
                      {"tokens", line.tokens},
                      {"exact", line.exact},
                      {"approximate", line.approximate},
                      {"holes", line.holes},
                      {"spans", line.spans},
                      {"kv_bytes", line.kv_bytes},
                      {"codec", line.codecs},
                      {"embedder", line.embedder}};
}

Json to_json(const MemberLine& line, const std::string& file, size_t member) {
  const KvLayout& layout = line.header.layout;
  return Json::Object{{"file", file},
                      {"member", static_cast<int64_t>(member)},
                      {"model", line.header.model},
                      {"fingerprint", line.header.fingerprint},
                      {"layers", layout.layers},
                      {"kv_heads", layout.kv_heads},
                      {"head_dim", layout.head_dim},
                      {"dtype", dtype_name(layout.type)},
                      {"prompts", line.prompts},
                      {"kv", line.kv},
                      {"rows", line.rows},
                      {"kv_bytes", line.kv_bytes},
                      {"table", line.table},
                      {"creator", line.header.creator},
                      {"time", line.header.time}};
}

void print_columns() {
  write_out(fmt::format("{:<24} {:<12} {:<8} {:>7} {:>7} {:>7} {:>7} {:>6} {:>11} {}\n", "PROMPT",
                        "TENANT", "FOR", "TOKENS", "EXACT", "APPROX", "HOLES", "SPANS", "KV BYTES",
                        "CODEC"));
}

// Text from an archive, fit for a terminal: what it does not show as it is becomes '?'.
std::string shown(const std::string& text) {
  if (text.empty()) return "-";
  std::string out = text;
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return out;
}

void print(const PromptLine& line) {
  write_out(fmt::format("{:<24} {:<12} {:<8} {:>7} {:>7} {:>7} {:>7} {:>6} {:>11} {}\n",
                        shown(line.id), shown(line.tenant), visibility_name(line.visibility),
                        line.tokens, line.exact, line.approximate, line.holes, line.spans,
                        line.kv_bytes, shown(line.codecs)));
}

void print(const MemberLine& line) {
  write_out(fmt::format("= {}: {} prompts, {} kv records of {} rows ({}), {} bytes\n",
                        shown(line.header.model), line.prompts, line.kv, line.rows,
                        dtype_name(line.header.layout.type), line.kv_bytes));
}

// Reads an archive to its end and hands on what the report says of each record.
ArchiveReport read_archive(const std::string& path, bool decode_kv,
                           const std::function<void(const PromptLine&)>& on_prompt,
                           const std::function<void(const ArchiveReport&)>& on_end) {
  Input input(path);
  ArchiveReader reader(input.stream(), input.name(), {.decode_kv = decode_kv});
  ArchiveReport report;
  while (const auto item = reader.next()) {
    check_interrupt();
    if (const auto line = report.add(*item)) on_prompt(*line);
    if (std::holds_alternative<ArchiveEnd>(item->record)) on_end(report);
  }
  return report;
}

void list_archive(const std::string& path, bool json) {
  if (!json) print_columns();
  read_archive(
      path, /*decode_kv=*/false,
      [&](const PromptLine& line) {
        json ? write_out(to_json(line, path).dump() + "\n") : print(line);
      },
      [&](const ArchiveReport& report) {
        const auto& members = report.members();
        json ? write_out(to_json(members.back(), path, members.size() - 1).dump() + "\n")
             : print(members.back());
      });
}

void report_whole(const std::string& path, const ArchiveReport& report, bool json) {
  int64_t prompts = 0;
  int64_t kv = 0;
  for (const MemberLine& member : report.members()) {
    prompts += member.prompts;
    kv += member.kv;
  }
  const auto members = std::ssize(report.members());
  if (json)
    write_line(Json(Json::Object{{"file", path},
                                 {"ok", true},
                                 {"members", static_cast<int64_t>(members)},
                                 {"prompts", prompts},
                                 {"kv", kv}})
                   .dump());
  else
    write_line(
        fmt::format("{}: ok, {} members, {} prompts, {} kv records", path, members, prompts, kv));
}

// Whether the archive is whole. What cannot be read or belongs to a later version is an error.
bool test_archive(const std::string& path, bool json) {
  try {
    const auto ignore = [](const auto&) {};
    report_whole(path, read_archive(path, /*decode_kv=*/true, ignore, ignore), json);
    return true;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::format) throw;
    say(error.what());
    if (json)
      write_line(Json(Json::Object{{"file", path}, {"ok", false}, {"error", error.what()}}).dump());
    return false;
  }
}

}  // namespace

void add_archive_commands(CLI::App& app, ArchiveCommand& command) {
  command.list = app.add_subcommand("list", "Say what archives hold");
  command.test = app.add_subcommand("test", "Verify archives");
  for (CLI::App* subcommand : {command.list, command.test}) {
    subcommand->add_option("FILE", command.files, "Archives; -, or none: standard input")
        ->type_name("");
    subcommand->add_flag("--json", command.json, "Write JSON lines");
  }
}

int run_archive_command(const ArchiveCommand& command) {
  bool whole = true;
  for (const std::string& file : files_or_stdin(command.files)) {
    if (*command.list)
      list_archive(file, command.json);
    else
      whole = test_archive(file, command.json) && whole;
  }
  return whole ? kExitOk : kExitNegative;
}

}  // namespace kvs
