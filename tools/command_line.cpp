#include "tools/command_line.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>
#include <vector>

#include "tools/config_file.h"
#include "tools/generate.h"
#include "tools/message.h"
#include "tools/output.h"
#include "tools/tool.h"

namespace kvs {
namespace {

// CLI11 writes "--threads N:INT in [0 - 1024]=0 (Env:KVS_THREADS)"; a reader needs "--threads N=0".
class HelpFormat : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_expected_max() == 0 || option->get_positional()) return "";
    const std::string type = option->get_type_name();
    std::string text = " " + type.substr(0, type.find(':'));
    if (const auto values = allowed_values(*option); !values.empty())
      text = " " + CLI::detail::join(values, "|");
    if (!option->get_default_str().empty()) text += "=" + option->get_default_str();
    return option->get_required() ? text + " (required)" : text;
  }
};

struct GenerateRequest {
  std::string what;
};

std::vector<CLI::App*> with_subcommands(CLI::App& app) {
  std::vector<CLI::App*> all{&app};
  for (CLI::App* sub : app.get_subcommands([](CLI::App*) { return true; }))
    for (CLI::App* each : with_subcommands(*sub)) all.push_back(each);
  return all;
}

bool has_variable(const CLI::Option& option) {
  static const std::vector<std::string> excepted{"help", "version", "generate"};
  if (option.get_lnames().empty() || !option.get_envname().empty()) return false;
  return std::find(excepted.begin(), excepted.end(), option.get_lnames()[0]) == excepted.end();
}

void add_common(CLI::App& app, int& verbose, int& quiet) {
  app.formatter(std::make_shared<HelpFormat>());
  app.get_formatter()->column_width(32);
  app.footer(
      "Every --option can also be given as an environment variable: --min-span 8 as "
      "KVS_MIN_SPAN=8.\nThe manual page: " +
      app.get_name() + " --generate man | man -l -");
  app.set_version_flag("--version", app.get_name() + " " KVS_VERSION, "Print the version and exit");
  app.add_flag("-v,--verbose", verbose, "Say more on standard error");
  app.add_flag("-q,--quiet", quiet, "Say nothing but errors on standard error");
  app.add_option_function<std::string>(
         "--generate", [](const std::string& what) { throw GenerateRequest{what}; },
         "Print the manual page or a shell completion and exit")
      ->check(CLI::IsMember(generated_pages()));
  for (CLI::App* each : with_subcommands(app)) {
    each->get_help_ptr()->description("Print this help and exit");
    for (CLI::Option* option : each->get_options())
      if (has_variable(*option)) option->envname(variable_of(option->get_lnames()[0]));
    if (each == &app) continue;
    each->formatter(app.get_formatter());
    each->footer("It also takes the options of '" + app.get_name() + " --help'.");
    each->fallthrough();  // so that -q may stand behind the subcommand
    // With any such callback, CLI11 reads the variables of the chosen subcommand only.
    each->parse_complete_callback([] {});
  }
}

std::string chosen_command(const CLI::App& app) {
  std::string name = app.get_name();
  for (const CLI::App* sub : app.get_subcommands())
    name = app.get_name() + " " + chosen_command(*sub);
  return name;
}

// A bad value that nobody typed is hard to find without its source.
std::string origin_of(CLI::App& app, const std::string& message) {
  for (CLI::App* each : with_subcommands(app))
    for (const CLI::Option* option : each->get_options()) {
      const char* value = std::getenv(option->get_envname().c_str());
      if (value && message.rfind(option->get_name() + ":", 0) == 0 &&
          option->results() == std::vector<std::string>{value})
        return " (from " + option->get_envname() + ")";
    }
  return "";
}

int usage_error(CLI::App& app, const CLI::ParseError& error) {
  // What is missing is said before what is too much; a mistyped option is the likelier mistake.
  const bool missing = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  const std::vector<std::string> unknown =
      missing ? app.remaining(true) : std::vector<std::string>();
  const std::string message =
      unknown.empty() ? usage_message(error) : usage_message(CLI::ExtrasError({unknown[0]}));
  say(message + origin_of(app, message));
  say(fmt::format("try '{} --help'", chosen_command(app)));
  return kExitError;
}

// A subcommand's surplus arguments reach the tool's own positionals; only one of both may have any.
void refuse_surplus(const CLI::App& app) {
  if (app.get_subcommands().empty()) return;
  for (const CLI::Option* option : app.get_options())
    if (option->get_positional() && option->count() > 0)
      throw CLI::ExtrasError({option->results()[0]});
}

}  // namespace

// CLI11 says "The following argument was not expected: x"; the house says it in lower case.
std::string usage_message(const CLI::ParseError& error) {
  std::string text = error.what();
  const size_t colon = text.rfind(": ");
  const std::string tail = colon == std::string::npos ? text : text.substr(colon + 2);
  if (dynamic_cast<const CLI::ExtrasError*>(&error))
    return (tail[0] == '-' ? "unknown option: " : "unexpected argument: ") + tail;
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) && tail.ends_with(" missing"))
    return text.substr(0, colon) + " needs a value";
  if (text.rfind("Could not convert: ", 0) == 0) {
    const size_t equals = tail.find(" = ");
    return fmt::format("{}: '{}' is not what it takes", tail.substr(0, equals),
                       tail.substr(equals + 3));
  }
  const size_t first = text[0] == '-' && colon != std::string::npos ? text.find(": ") + 2 : 0;
  text[first] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[first])));
  return text;
}

std::string variable_of(const std::string& option) {
  std::string name = "KVS_";
  for (const char c : option)
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv) {
  int verbose = 0;
  int quiet = 0;
  add_common(app, verbose, quiet);
  try {
    app.parse(argc, argv);
    refuse_surplus(app);
    read_config(app);
  } catch (const GenerateRequest& request) {
    write_out(generate(app, request.what));
    return kExitOk;
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    if (app.exit(error, out, err) != 0) return usage_error(app, error);
    write_out(out.str());
    return kExitOk;
  }
  const Verbosity chosen = quiet > 0     ? Verbosity::quiet
                           : verbose > 0 ? Verbosity::verbose
                                         : Verbosity::normal;
  set_messages(app.get_name(), chosen);
  return std::nullopt;
}

}  // namespace kvs
