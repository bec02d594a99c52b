#include "tools/generate.h"

#include <algorithm>

#include "kvs/error.h"
#include "tools/man_pages.h"

namespace kvs {
const std::vector<std::string>& generated_pages() {
  static const std::vector<std::string> pages{"man", "complete-bash", "complete-zsh",
                                              "complete-fish"};
  return pages;
}

std::string generate(const CLI::App& app, const std::string& page) {
  if (page == "complete-bash") return complete_bash(app);
  if (page == "complete-zsh") return complete_zsh(app);
  if (page == "complete-fish") return complete_fish(app);
  if (const auto text = find_man_page(app.get_name())) return std::string(*text);
  fail(ErrorKind::argument, "{} has no manual page", app.get_name());
}

// CLI11 describes a set of allowed values as "{a,b,c}" at the end of the type's name.
std::vector<std::string> allowed_values(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.rfind('{');
  if (open == std::string::npos || type.back() != '}') return {};
  return CLI::detail::split(type.substr(open + 1, type.size() - open - 2), ',');
}

std::vector<CompletedOption> completed_options(const CLI::App& app) {
  std::vector<CompletedOption> all;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional() && option->get_lnames().empty()) continue;
    all.push_back({.short_names = option->get_snames(),
                   .long_names = option->get_lnames(),
                   .values = allowed_values(*option),
                   .description = option->get_description(),
                   .takes_value = option->get_expected_max() != 0});
  }
  return all;
}

}  // namespace kvs
