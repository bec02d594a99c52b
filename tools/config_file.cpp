#include "tools/config_file.h"

#include <set>
#include <string>
#include <vector>

#include "kvs/error.h"
#include "kvs/json.h"
#include "tools/command_line.h"
#include "tools/input.h"

namespace kvs {
namespace {

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  return begin == text.npos ? "" : text.substr(begin, text.find_last_not_of(" \t\r") + 1 - begin);
}

// Up to a '#' that is not in a string.
std::string without_comment(const std::string& line) {
  bool quoted = false;
  for (size_t at = 0; at < line.size(); ++at) {
    if (line[at] == '#' && !quoted) return line.substr(0, at);
    if (line[at] == '"') quoted = !quoted;
    if (line[at] == '\\' && quoted) ++at;
  }
  return line;
}

// TOML's strings, numbers, booleans and lists, as far as JSON has them too.
std::vector<std::string> values_of(const Json& json) {
  if (json.is_string()) return {json.as_string()};
  if (json.is_bool() || json.is_number()) return {json.dump()};
  std::vector<std::string> values;
  for (const Json& each : json.as_array()) {
    if (each.is_array()) fail(ErrorKind::argument, "a list in a list");
    values.push_back(values_of(each)[0]);
  }
  return values;
}

CLI::Option* find_option(CLI::App& command, const std::string& name) {
  if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != name.npos)
    return nullptr;
  CLI::Option* option = command.get_option_no_throw("--" + name);
  if (!option) option = command.get_parent()->get_option_no_throw("--" + name);
  return option && option->get_configurable() && !option->get_envname().empty() ? option : nullptr;
}

void give(CLI::Option& option, const std::string& name, const Json& value) {
  std::vector<std::string> values = values_of(value);
  if (option.get_expected_max() == 0)
    for (std::string& each : values) each = option.get_flag_value(name, each);
  if (values.empty()) return;
  option.add_result(values);
  option.run_callback();
}

void read_line(CLI::App& command, const std::string& line, std::set<std::string>& seen) {
  if (line == "[" + command.get_name() + "]") return;
  const size_t equals = line.find('=');
  const std::string name = trimmed(line.substr(0, equals));
  if (equals == line.npos) fail(ErrorKind::argument, "expected 'name = value', found '{}'", line);
  CLI::Option* option = find_option(command, name);
  if (!option) fail(ErrorKind::argument, "'{}' is no option of '{}'", name, command.get_name());
  if (!seen.insert(name).second) fail(ErrorKind::argument, "'{}' is there twice", name);
  const Json value = Json::parse(line.substr(equals + 1), name);
  if (option->count() == 0) give(*option, name, value);
}

void read_file(CLI::App& command, const std::string& path) {
  Input file(path);
  std::set<std::string> seen;
  std::string line;
  for (int number = 1; std::getline(file.stream(), line); ++number) try {
      line = trimmed(without_comment(line));
      if (!line.empty()) read_line(command, line, seen);
    } catch (const CLI::ParseError& e) {
      fail(ErrorKind::argument, "{}:{}: {}", path, number, usage_message(e));
    } catch (const Error& e) {
      fail(ErrorKind::argument, "{}:{}: {}", path, number, e.what());
    }
}

}  // namespace

void add_config_option(CLI::App& command) {
  command.add_option("--config", "File of options: 'name = value', a line each")
      ->type_name("FILE")
      ->configurable(false);
}

void read_config(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands()) {
    const CLI::Option* config = command->get_option_no_throw("--config");
    if (config && config->count() > 0) read_file(*command, config->as<std::string>());
  }
}

}  // namespace kvs
