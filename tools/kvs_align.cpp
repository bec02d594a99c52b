// kvs-align: says token by token how prompts are made from donors.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kvs/align.h"
#include "kvs/cover.h"
#include "kvs/diff_text.h"
#include "kvs/edit_script.h"
#include "tools/donor_lookup.h"
#include "tools/output.h"
#include "tools/terminal.h"
#include "tools/tool.h"

namespace {

struct Options {
  kvs::LookupOptions lookup;
  std::string format = "auto";
  int64_t min_span = 8;
  int64_t context = 12;
};

// The donors of one prompt, with their tokens.
struct Donors {
  std::vector<kvs::ScriptDonor> names;
  std::vector<std::vector<int32_t>> tokens;

  std::vector<std::span<const int32_t>> spans() const { return {tokens.begin(), tokens.end()}; }
};

Donors read_donors(const kvs::DonorLookup& lookup,
                   const std::vector<kvs::DonorCandidate>& candidates) {
  Donors donors;
  for (const kvs::DonorCandidate& candidate : candidates) {
    std::optional<kvs::PromptRecord> prompt = lookup.find_prompt(candidate.donor);
    if (!prompt) continue;
    donors.names.push_back(
        {prompt->id, candidate.similarity, static_cast<int64_t>(prompt->tokens.size())});
    donors.tokens.push_back(std::move(prompt->tokens));
  }
  return donors;
}

// Leaves only the donors that a span comes from.
std::vector<kvs::SourceSpan> drop_unused(std::vector<kvs::SourceSpan> spans, Donors& donors) {
  std::vector<int32_t> used;
  used.reserve(spans.size());
  for (const kvs::SourceSpan& span : spans) used.push_back(span.source);
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  Donors left;
  for (const int32_t source : used) {
    left.names.push_back(std::move(donors.names[source]));
    left.tokens.push_back(std::move(donors.tokens[source]));
  }
  for (kvs::SourceSpan& span : spans)
    span.source = static_cast<int32_t>(std::lower_bound(used.begin(), used.end(), span.source) -
                                       used.begin());
  donors = std::move(left);
  return spans;
}

// With one donor the script says of all its tokens what becomes of them, also where none is used.
kvs::EditScript make_script(const std::vector<int32_t>& target, Donors& donors,
                            const Options& options) {
  if (options.lookup.donors == 1 && donors.tokens.size() == 1)
    return kvs::align(target, donors.tokens[0], {.min_span = options.min_span});
  const auto spans =
      drop_unused(kvs::cover(target, donors.spans(), {.min_span = options.min_span}), donors);
  std::vector<int64_t> lengths;
  for (const kvs::ScriptDonor& donor : donors.names) lengths.push_back(donor.length);
  return kvs::make_script(target, lengths, spans);
}

// What the tokens stand for in the middle of a text; their ids where there is no tokenizer.
std::string text_of(std::span<const int32_t> tokens, const kvs::Tokenizer* tokenizer) {
  std::string text;
  for (const int32_t token : tokens)
    text += tokenizer ? tokenizer->token_bytes(token) : fmt::format("{} ", token);
  return text;
}

std::string heading(const kvs::PromptScript& prompt, const kvs::Palette& palette) {
  const kvs::EditScript& script = prompt.script;
  std::string text =
      fmt::format("{}{}{}: {} tokens, {} kept, {} moved, {} computed ({:.1f} % reused)\n",
                  palette.bold, prompt.id, palette.reset, script.target_tokens(), script.kept(),
                  script.moved(), script.computed(), 100 * script.coverage());
  for (size_t at = 0; at < prompt.donors.size(); ++at)
    text += fmt::format("{}donor {}: {} (similarity {:.3f}, {} tokens){}\n", palette.faint, at + 1,
                        prompt.donors[at].id, prompt.donors[at].similarity,
                        prompt.donors[at].length, palette.reset);
  return text;
}

void write_diff(const kvs::PromptScript& prompt, const Donors& donors,
                const kvs::Tokenizer* tokenizer, int64_t context) {
  const bool colour = kvs::wants_colour(STDOUT_FILENO);
  const kvs::DecodeTokens decode = [&](std::span<const int32_t> tokens) {
    return text_of(tokens, tokenizer);
  };
  kvs::write_out(heading(prompt, kvs::palette(colour)));
  kvs::write_line(kvs::diff_text(prompt.script, donors.spans(), decode, {colour, context}));
}

int align_prompts(const Options& options) {
  const kvs::DonorLookup lookup(options.lookup);
  const bool as_diff =
      options.format == "diff" || (options.format == "auto" && kvs::is_terminal(STDOUT_FILENO));
  bool any = false;
  const int64_t skipped = lookup.for_each_prompt(
      [&](const std::string& id, const auto& tokens, const auto& candidates) {
        Donors donors = read_donors(lookup, candidates);
        kvs::PromptScript prompt{id, {}, make_script(tokens, donors, options)};
        prompt.donors = donors.names;
        any = any || prompt.script.coverage() > 0;
        if (as_diff)
          write_diff(prompt, donors, lookup.tokenizer(), options.context);
        else
          kvs::write_line(kvs::script_to_json(prompt).dump());
      });
  return any && skipped == 0 ? kvs::kExitOk : kvs::kExitNegative;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Say how prompts are made from donors, token by token.", "kvs-align"};
  kvs::add_lookup_options(app, options.lookup);
  app.add_option("--min-span", options.min_span, "Shorter spans are computed, a prefix excepted")
      ->check(CLI::Range(1, 1 << 20))
      ->type_name("TOKENS")
      ->capture_default_str();
  app.add_option("--format", options.format, "auto: diff on a terminal, json elsewhere")
      ->check(CLI::IsMember({"auto", "json", "diff"}))
      ->type_name("FORMAT")
      ->capture_default_str();
  app.add_option("--context", options.context, "Tokens of a kept run that a diff shows")
      ->check(CLI::Range(0, 1 << 20))
      ->type_name("TOKENS")
      ->capture_default_str();
  return kvs::run_tool(app, argc, argv, [&] { return align_prompts(options); });
}
