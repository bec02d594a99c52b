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
                 "Share of the kept tokens, at most, that halo and last take (kvshare)")
      ->type_name("SHARE")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  add("--halo", rule.halo, 0, "First tokens of spans behind edits, or moved, to compute (kvshare)");
  add("--wide-halo", rule.wide_halo, 0,
      "How wide these may grow where no more tokens are measured (kvshare)");
  add("--sinks", rule.sinks, 0, "First tokens of each span to compute (epic)");
  add("--last", rule.last, 0, "Last tokens of the prompt to compute (kvshare)");
  add("--window", rule.window, 1, "Neighbours that are chosen together (probe, kvshare)");
  add("--repair-rows", rule.repair_rows, 0, "Kept tokens computed with each token of the answer");
  app.add_option("--min-span", rule.min_span, "Shorter matches are computed (kvshare: 24, else 8)")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 20));
  add_fuzzy_option(app, rule.fuzzy);
}

}  // namespace kvs
