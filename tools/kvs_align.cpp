// kvs-align: says token by token how prompts are made from donors.
#include <fmt/format.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kvs/diff_text.h"
#include "kvs/edit_script.h"
#include "kvs/error.h"
#include "tools/align_apply.h"
#include "tools/align_donors.h"
#include "tools/align_explain.h"
#include "tools/donor_lookup.h"
#include "tools/fuzzy_option.h"
#include "tools/output.h"
#include "tools/terminal.h"
#include "tools/tool.h"

namespace {

struct Options {
  kvs::LookupOptions lookup;
  std::string format = "auto";
  int64_t context = 12;
  double fuzzy = 0;
  bool explain = false;
  std::string policy = "epic";
  kvs::ReuseOptions rule;  // its numbers, but for --fuzzy
  bool apply = false;
  std::string output = "-";
};

kvs::ReuseOptions rule_of(const Options& options) {
  kvs::ReuseOptions rule = options.rule;
  rule.policy = kvs::policy_from_name(options.policy);
  return rule;
}

std::vector<kvs::AlignDonor> read_donors(const kvs::DonorLookup& lookup,
                                         const std::vector<kvs::DonorCandidate>& candidates) {
  std::vector<kvs::AlignDonor> donors;
  for (const kvs::DonorCandidate& candidate : candidates)
    if (std::optional<kvs::PromptRecord> record = lookup.find_prompt(candidate.donor))
      donors.push_back({candidate, *std::move(record)});
  return donors;
}

// What the tokens stand for in the middle of a text; their ids where there is no tokenizer.
std::string text_of(std::span<const int32_t> tokens, const kvs::Tokenizer* tokenizer) {
  std::string text;
  for (const int32_t token : tokens)
    text += tokenizer ? tokenizer->token_bytes(token) : fmt::format("{} ", token);
  return text;
}

std::string heading(const std::string& id, const kvs::AlignedPrompt& prompt,
                    const kvs::Palette& palette) {
  const kvs::EditScript& script = prompt.script;
  const std::string fuzzy = script.fuzzy() > 0 ? fmt::format("{} fuzzy, ", script.fuzzy()) : "";
  std::string text =
      fmt::format("{}{}{}: {} tokens, {} kept, {} moved, {}{} computed ({:.1f} % reused)\n",
                  palette.bold, kvs::shown_id(id), palette.reset, script.target_tokens(),
                  script.kept(), script.moved(), fuzzy, script.computed(), 100 * script.coverage());
  for (size_t at = 0; at < prompt.donors.size(); ++at) {
    const kvs::ScriptDonor donor = prompt.donors[at].name();
    text += fmt::format("{}donor {}: {} (similarity {:.3f}, {} tokens){}\n", palette.faint, at + 1,
                        kvs::shown_id(donor.id), donor.similarity, donor.length, palette.reset);
  }
  return text;
}

// Writes scripts: lines of JSON, or text for people.
class ScriptWriter {
 public:
  ScriptWriter(const Options& options, const kvs::Tokenizer* tokenizer)
      : options_(options),
        tokenizer_(tokenizer),
        as_diff_(options.format == "diff" ||
                 (options.format == "auto" && kvs::is_terminal(STDOUT_FILENO))),
        colour_(kvs::wants_colour(STDOUT_FILENO)) {}

  void write(const std::string& id, const std::vector<int32_t>& tokens,
             const kvs::AlignedPrompt& prompt) const {
    std::optional<kvs::Explanation> explanation;
    if (options_.explain)
      explanation.emplace(kvs::explain_prompt(tokens, prompt, rule_of(options_)));
    as_diff_ ? write_diff(id, prompt, explanation) : write_json(id, prompt, explanation);
  }

 private:
  void write_json(const std::string& id, const kvs::AlignedPrompt& prompt,
                  const std::optional<kvs::Explanation>& explanation) const {
    kvs::PromptScript script{id, {}, prompt.script};
    for (const kvs::AlignDonor& donor : prompt.donors) script.donors.push_back(donor.name());
    kvs::Json line = kvs::script_to_json(script);
    if (explanation) line.set("explain", kvs::to_json(*explanation));
    kvs::write_line(line.dump());
  }

  void write_diff(const std::string& id, const kvs::AlignedPrompt& prompt,
                  const std::optional<kvs::Explanation>& explanation) const {
    const kvs::Palette palette = kvs::palette(colour_);
    const kvs::DecodeTokens decode = [&](std::span<const int32_t> tokens) {
      return text_of(tokens, tokenizer_);
    };
    kvs::write_out(heading(id, prompt, palette));
    if (explanation) kvs::write_out(kvs::to_text(*explanation, palette));
    kvs::write_line(kvs::diff_text(prompt.script, kvs::tokens_of(prompt.donors), decode,
                                   {colour_, options_.context}));
  }

  const Options& options_;
  const kvs::Tokenizer* tokenizer_;
  bool as_diff_;
  bool colour_;
};

void check(const Options& options) {
  kvs::policy_from_name(options.policy);  // or it would be said behind the first prompts
  if (options.apply && options.explain)
    kvs::fail(kvs::ErrorKind::argument, "--explain is for scripts, --apply writes an archive");
  if (!options.apply && options.output != "-")
    kvs::fail(kvs::ErrorKind::argument, "-o is for --apply");
}

int align_prompts(const Options& options) {
  check(options);
  const kvs::FuzzyTokens fuzzy(options.fuzzy, options.lookup.model);
  const kvs::AlignRules rules{.min_span = rule_of(options).least_span(),
                              .fuzzy = options.fuzzy,
                              .cosines = fuzzy.cosines(),
                              .whole = options.lookup.donors == 1};
  const kvs::DonorLookup lookup(options.lookup);
  std::optional<kvs::EditedArchive> archive;
  if (options.apply) archive.emplace(options.output, options.lookup.index, lookup.index().info());
  const ScriptWriter scripts(options, lookup.tokenizer());
  bool any = false;
  const auto align_one = [&](const kvs::Request& request, const std::vector<int32_t>& tokens,
                             const std::vector<kvs::DonorCandidate>& candidates) {
    std::vector<kvs::AlignDonor> donors = read_donors(lookup, candidates);
    if (archive) archive->keep_usable(donors);
    const kvs::AlignedPrompt prompt = kvs::align_prompt(tokens, std::move(donors), rules);
    any = any || prompt.script.coverage() > 0;
    archive ? archive->add(request, tokens, prompt) : scripts.write(request.id, tokens, prompt);
  };
  const int64_t skipped = lookup.for_each_prompt(align_one);
  if (archive) archive->finish();
  return any && skipped == 0 ? kvs::kExitOk : kvs::kExitNegative;
}

void add_explain_options(CLI::App& app, Options& options) {
  app.add_flag("--explain", options.explain, "Say why: of each donor, and of all rows");
  app.add_option("--policy", options.policy, "That --explain supposes, as for kvs-serve")
      ->type_name("NAME")
      ->capture_default_str();
  const auto add = [&](const char* name, int64_t& value, const char* what) {
    app.add_option(name, value, what)
        ->check(CLI::Range(0, 1 << 20))
        ->type_name("N")
        ->capture_default_str();
  };
  add("--halo", options.rule.halo, "Of that policy: first tokens of spans behind edits to compute");
  add("--wide-halo", options.rule.wide_halo, "Of that policy: how wide these may grow");
  add("--sinks", options.rule.sinks, "Of that policy: first tokens of each span to compute");
  add("--last", options.rule.last, "Of that policy: last tokens of the prompt to compute");
  app.add_option("--structure", options.rule.structure,
                 "Of that policy: share of the kept tokens, at most, that halo and last take")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("SHARE")
      ->capture_default_str();
  app.add_option("--budget", options.rule.budget,
                 "Of that policy: share of the kept tokens to compute")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("SHARE")
      ->capture_default_str();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Say how prompts are made from donors, token by token.", "kvs-align"};
  kvs::add_lookup_options(app, options.lookup);
  app.add_option("--min-span", options.rule.min_span,
                 "Shorter spans are computed, a prefix excepted (8; with --policy kvshare 24)")
      ->check(CLI::Range(1, 1 << 20))
      ->type_name("TOKENS");
  kvs::add_fuzzy_option(app, options.fuzzy);
  app.add_option("--format", options.format, "auto: diff on a terminal, json elsewhere")
      ->check(CLI::IsMember({"auto", "json", "diff"}))
      ->type_name("FORMAT")
      ->capture_default_str();
  app.add_option("--context", options.context, "Tokens of a kept run that a diff shows")
      ->check(CLI::Range(0, 1 << 20))
      ->type_name("TOKENS")
      ->capture_default_str();
  add_explain_options(app, options);
  app.add_flag("--apply", options.apply, "Write an archive of the prompts, made from donors' KV");
  app.add_option("-o,--output", options.output, "Of --apply; -: standard output")
      ->type_name("ARCHIVE")
      ->capture_default_str();
  return kvs::run_tool(app, argc, argv, [&] { return align_prompts(options); });
}
