#include "tools/index_change.h"

#include <charconv>
#include <ctime>
#include <limits>
#include <string_view>

#include "kvs/donor_index_writer.h"
#include "kvs/error.h"
#include "tools/input.h"
#include "tools/interrupt.h"
#include "tools/tool.h"

namespace kvs {
namespace {

// "-" stands for the lines of standard input.
std::vector<std::string> read_ids(const std::vector<std::string>& given) {
  std::vector<std::string> ids;
  for (const std::string& id : given) {
    if (id != "-") {
      ids.push_back(id);
      continue;
    }
    Input input(id);
    for (std::string line; std::getline(input.stream(), line);)
      if (!line.empty()) ids.push_back(line);
  }
  return ids;
}

DonorSelection selection_of(const IndexChangeOptions& options) {
  return {.ids = read_ids(options.ids),
          .tenants = options.tenants,
          .archives = {options.archives.begin(), options.archives.end()}};
}

DonorIndexWriter open_writer(const IndexChangeOptions& options) {
  if (options.folder.empty()) fail(ErrorKind::argument, "no index: name its folder");
  return DonorIndexWriter(options.folder, {.mode = IndexMode::change, .on_step = check_interrupt});
}

void require_condition(const IndexChangeOptions& options) {
  if (options.ids.empty() && options.tenants.empty() && options.archives.empty())
    fail(ErrorKind::argument, "no donors named: give --id, --tenant or --archive");
}

void add_folder(CLI::App& app, IndexChangeOptions& options) {
  app.add_option("DIR", options.folder, "The index's folder (required)")->type_name("");
}

CLI::Option* add_list(CLI::App& app, const char* name, std::vector<std::string>& values,
                      const char* what) {
  return app.add_option(name, values, what)->allow_extra_args(false);
}

}  // namespace

void add_change_options(CLI::App& app, IndexChangeOptions& options) {
  add_folder(app, options);
  add_list(app, "--id", options.ids, "Donors of this id; - reads ids from stdin")->type_name("ID");
  add_list(app, "--tenant", options.tenants, "Donors of this tenant")->type_name("NAME");
  add_list(app, "--archive", options.archives, "Donors of this archive")->type_name("FILE");
}

void add_expire_options(CLI::App& app, IndexChangeOptions& options) {
  add_folder(app, options);
  app.add_option("--older-than", options.older_than,
                 "Age, such as 90s, 15m, 12h, 30d, 2w (required)")
      ->type_name("AGE");
  add_list(app, "--tenant", options.tenants, "Only donors of this tenant")->type_name("NAME");
}

int64_t parse_age(const std::string& text) {
  constexpr std::string_view kUnits = "smhdw";
  constexpr int64_t kSeconds[] = {1, 60, 3600, 86'400, 604'800};
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  const size_t unit = parsed.ptr + 1 == end ? kUnits.find(*parsed.ptr) : std::string_view::npos;
  if (parsed.ec != std::errc() || number < 0 || unit == std::string_view::npos ||
      number > std::numeric_limits<int32_t>::max())
    fail(ErrorKind::argument, "--older-than: '{}', expected a number and s, m, h, d or w", text);
  return number * kSeconds[unit];
}

int remove_donors(const IndexChangeOptions& options) {
  require_condition(options);
  const DonorSelection which = selection_of(options);
  if (!options.ids.empty() && which.ids.empty()) return kExitNegative;  // stdin named none
  DonorIndexWriter writer = open_writer(options);
  const int64_t count = writer.remove(which);
  if (count > 0) writer.commit();
  explain("{}: {} donors removed", options.folder, count);
  return count > 0 ? kExitOk : kExitNegative;
}

int pin_donors(const IndexChangeOptions& options, bool pinned) {
  require_condition(options);
  const DonorSelection which = selection_of(options);
  if (!options.ids.empty() && which.ids.empty()) return kExitNegative;
  DonorIndexWriter writer = open_writer(options);
  const int64_t count = writer.pin(which, pinned);
  if (count > 0) writer.commit();
  explain("{}: {} donors {}", options.folder, count, pinned ? "pinned" : "unpinned");
  return count > 0 ? kExitOk : kExitNegative;
}

int expire_donors(const IndexChangeOptions& options) {
  if (options.older_than.empty()) fail(ErrorKind::argument, "no age: give --older-than AGE");
  DonorSelection which = selection_of(options);
  which.before = std::time(nullptr) - parse_age(options.older_than);
  which.pinned = false;
  DonorIndexWriter writer = open_writer(options);
  const int64_t count = writer.remove(which);
  if (count > 0) writer.commit();
  explain("{}: {} donors expired", options.folder, count);
  return kExitOk;
}

}  // namespace kvs
