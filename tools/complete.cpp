#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "tools/generate.h"

namespace kvs {
namespace {

using Apps = std::vector<const CLI::App*>;

Apps subcommands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* sub) { return !sub->get_name().empty(); });
}

std::string names_of(const Apps& apps, const char* separator) {
  std::vector<std::string> names;
  for (const CLI::App* app : apps) names.push_back(app->get_name());
  return fmt::format("{}", fmt::join(names, separator));
}

std::vector<std::string> dashed(const CompletedOption& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.short_names) names.push_back("-" + name);
  for (const std::string& name : option.long_names) names.push_back("--" + name);
  return names;
}

std::string replaced(std::string text, char from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, 1, to);
  return text;
}

// The name of a shell function for the tool: "_kvs_index".
std::string function_of(const CLI::App& app) {
  return "_" + replaced(app.get_name(), '-', "_");
}

// A subcommand takes the tool's own options too.
std::vector<CompletedOption> options_behind(const CLI::App& app, const CLI::App* sub) {
  std::vector<CompletedOption> all = completed_options(sub ? *sub : app);
  if (!sub) return all;
  for (CompletedOption& option : completed_options(app)) {
    const bool known = std::any_of(all.begin(), all.end(), [&](const CompletedOption& other) {
      return other.long_names == option.long_names;
    });
    if (!known) all.push_back(std::move(option));
  }
  return all;
}

std::string bash_words(const CLI::App& app, const CLI::App* sub) {
  std::vector<std::string> words;
  for (const CompletedOption& option : options_behind(app, sub))
    for (const std::string& name : dashed(option)) words.push_back(name);
  return fmt::format("    {}) words='{}' ;;\n", sub ? sub->get_name() : "''",
                     fmt::join(words, " "));
}

void bash_values(const CLI::App& app, std::string& choices, std::vector<std::string>& files) {
  for (const CompletedOption& option : completed_options(app)) {
    if (!option.takes_value) continue;
    if (option.values.empty())
      for (const std::string& name : dashed(option)) files.push_back(name);
    else
      choices += fmt::format("    {}) COMPREPLY=($(compgen -W '{}' -- \"$current\")); return ;;\n",
                             fmt::join(dashed(option), "|"), fmt::join(option.values, " "));
  }
}

std::string zsh_option(const CompletedOption& option) {
  const std::string text =
      replaced(replaced(replaced(option.description, '\'', "'\\''"), '[', "("), ']', ")");
  const std::string argument = !option.takes_value ? ""
                               : option.values.empty()
                                   ? ":value:_files"
                                   : fmt::format(":value:({})", fmt::join(option.values, " "));
  std::string all;
  for (const std::string& name : dashed(option))
    all += fmt::format("    '{}[{}]{}'\n", name, text, argument);
  return all;
}

std::string zsh_case(const CLI::App& app, const CLI::App* sub) {
  std::string text = fmt::format("  {})\n  options=(\n", sub ? sub->get_name() : "*");
  for (const CompletedOption& option : options_behind(app, sub)) text += zsh_option(option);
  if (!sub && !subcommands(app).empty())
    text += fmt::format("    '1:command:({})'\n", names_of(subcommands(app), " "));
  return text + "  ) ;;\n";
}

std::string fish_options(const CLI::App& app, const std::string& tool, const std::string& when) {
  std::string text;
  for (const CompletedOption& option : completed_options(app)) {
    text += fmt::format("complete -c {}{}", tool, when);
    for (const std::string& name : option.short_names) text += " -s " + name;
    for (const std::string& name : option.long_names) text += " -l " + name;
    if (!option.values.empty())
      text += fmt::format(" -x -a '{}'", fmt::join(option.values, " "));
    else if (option.takes_value)
      text += " -r";
    text += fmt::format(" -d '{}'\n", replaced(option.description, '\'', "\\'"));
  }
  return text;
}

}  // namespace

std::string complete_bash(const CLI::App& app) {
  const Apps subs = subcommands(app);
  std::string choices;
  std::vector<std::string> files;
  std::string words = bash_words(app, nullptr);
  bash_values(app, choices, files);
  for (const CLI::App* sub : subs) {
    words += bash_words(app, sub);
    bash_values(*sub, choices, files);
  }
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  const std::string files_case =
      files.empty() ? ""
                    : fmt::format("    {}) COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n",
                                  fmt::join(files, "|"));
  std::string text = function_of(app) + "() {\n";
  text += "  local current=${COMP_WORDS[COMP_CWORD]} command='' words='' word\n";
  if (!subs.empty())
    text += "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n    case $word in " +
            names_of(subs, "|") + ") command=$word; break ;; esac\n  done\n";
  text += "  case ${COMP_WORDS[COMP_CWORD-1]} in\n" + choices + files_case + "  esac\n";
  text += "  case $command in\n" + words + "  esac\n";
  text += "  if [[ $current == -* ]]; then\n";
  text += "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n  else\n";
  text += "    COMPREPLY=($(compgen -f -- \"$current\"))\n";
  if (!subs.empty())
    text += "    [[ $command ]] || COMPREPLY+=($(compgen -W '" + names_of(subs, " ") +
            "' -- \"$current\"))\n";
  return text + "  fi\n}\ncomplete -o filenames -F " + function_of(app) + " " + app.get_name() +
         "\n";
}

std::string complete_zsh(const CLI::App& app) {
  const Apps subs = subcommands(app);
  std::string text = "#compdef " + app.get_name() + "\nlocal -a options\n";
  text += "local command=''\n";
  if (!subs.empty())
    text += "command=${${(M)words[2,CURRENT-1]:#(" + names_of(subs, "|") + ")}[1]}\n";
  text += "case $command in\n";
  for (const CLI::App* sub : subs) text += zsh_case(app, sub);
  return text + zsh_case(app, nullptr) + "esac\n_arguments $options '*:file:_files'\n";
}

std::string complete_fish(const CLI::App& app) {
  const std::string& tool = app.get_name();
  std::string text = fish_options(app, tool, "");
  for (const CLI::App* sub : subcommands(app)) {
    text += fmt::format("complete -c {} -n __fish_use_subcommand -a {} -d '{}'\n", tool,
                        sub->get_name(), replaced(sub->get_description(), '\'', "\\'"));
    text += fish_options(*sub, tool, " -n '__fish_seen_subcommand_from " + sub->get_name() + "'");
  }
  return text;
}

}  // namespace kvs
