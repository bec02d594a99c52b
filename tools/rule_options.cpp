#include "tools/rule_options.h"

#include "tools/fuzzy_option.h"

namespace kvs {

void add_rule_options(CLI::App& app, ReuseOptions& rule) {
  const auto add = [&](const char* name, int64_t& value, int least, const char* what) {
    app.add_option(name, value, what)
        ->type_name("N")
        ->capture_default_str()
        ->check(CLI::Range(least, 1 << 20));
  };
  app.add_option("--structure", rule.structure,
                 "Share of the kept tokens, at most, that halo, sinks and last take (kvshare)")
      ->type_name("SHARE")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  add("--halo", rule.halo, 0, "Tokens behind each edit to compute (kvshare)");
  add("--sinks", rule.sinks, 0, "First tokens of each moved span to compute (epic, kvshare)");
  add("--last", rule.last, 0, "Last tokens of the prompt to compute (kvshare)");
  add("--window", rule.window, 1, "Neighbours that are chosen together (probe, kvshare)");
  add("--repair-rows", rule.repair_rows, 0, "Kept tokens computed with each token of the answer");
  add("--min-span", rule.min_span, 1, "Shorter matches are computed");
  add_fuzzy_option(app, rule.fuzzy);
}

}  // namespace kvs
