#include "tools/donor_lookup.h"

#include "kvs/error.h"
#include "tools/compute_options.h"
#include "tools/input.h"
#include "tools/interrupt.h"
#include "tools/keep_going.h"
#include "tools/message.h"
#include "tools/model_path.h"

namespace kvs {
namespace {

void say_all(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) warn("{}", warning);
}

void expect_tokens(const DonorIndexInfo& info, const PromptEncoder& prompts,
                   const LookupOptions& options) {
  if (info.donors > 0 && info.tokenizer != prompts.tokenizer_hash())
    fail(ErrorKind::mismatch, "{}: made with another tokenizer ({}) than that of {}", options.index,
         info.model.empty() ? "unknown" : info.model, options.model);
}

// Not required by the command line's parser, which would say so before it names a wrong option.
const std::string& index_folder(const LookupOptions& options) {
  if (options.index.empty()) fail(ErrorKind::argument, "no index: give --index DIR");
  return options.index;
}

}  // namespace

void add_lookup_options(CLI::App& app, LookupOptions& options) {
  app.add_option("FILE", options.files, "Prompts, as lines of text or JSON; - or none: stdin")
      ->type_name("");
  app.add_option("--index", options.index, "The index's folder (required)")->type_name("DIR");
  add_model_option(app, options.model);
  app.add_option("--donors", options.donors, "Donors per prompt at most")
      ->check(CLI::Range(1, 1000))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--tenant", options.tenant, "For requests that name no tenant")->type_name("NAME");
  app.add_option("--group", options.group, "Tenants whose donors for the group are seen too")
      ->delimiter(',')
      ->type_name("NAMES");
  app.add_option("--min-similarity", options.min_similarity,
                 "Of donors that only the embedding finds")
      ->check(CLI::Range(-1.0, 1.0))
      ->type_name("X")
      ->capture_default_str();
  add_embedder_option(app, options.embedder);
  app.add_flag("--fingerprints-only", options.fingerprints_only, "Do not compare embeddings");
  app.add_option("--chat-template", options.chat_template, "In place of the model's own")
      ->type_name("NAME");
  app.add_flag("--parse-special", options.parse_special, "Recognise special tokens in users' text");
  app.add_flag("--keep-going", options.keep_going, "Skip prompts that cannot be read");
  app.add_option("--threads", options.threads, "Threads that search")
      ->check(CLI::Range(1, 1024))
      ->type_name("N")
      ->capture_default_str();
}

DonorLookup::DonorLookup(const LookupOptions& options)
    : options_(options), index_(index_folder(options)) {
  if (options.model.empty()) return;
  const std::string path = resolve_model(options.model);
  prompts_ = std::make_unique<PromptEncoder>(
      path, PromptEncoder::Options{options.chat_template, options.parse_special});
  const DonorIndexInfo info = index_.info();
  expect_tokens(info, *prompts_, options);
  if (info.embeddings == 0 || options.fingerprints_only) return;
  embedder_ = open_index_embedder({.name = options.embedder,
                                   .model = path,
                                   .tokenizer = prompts_->tokenizer(),
                                   .backend = {.threads = options.threads}},
                                  info.embedder, options.index);
}

const Tokenizer* DonorLookup::tokenizer() const {
  return prompts_ ? prompts_->tokenizer() : nullptr;
}

std::vector<int32_t> DonorLookup::tokens_of(const Request& request) const {
  if (prompts_) return prompts_->encode(request);
  if (const auto* tokens = std::get_if<std::vector<int32_t>>(&request.prompt)) return *tokens;
  fail(ErrorKind::argument, "request '{}' has no tokens: give -m MODEL to make them", request.id);
}

std::vector<DonorCandidate> DonorLookup::search(const Request& request,
                                                const std::vector<int32_t>& tokens) const {
  std::vector<float> embedding;
  if (embedder_) embedding = (*embedder_)->embed(tokens);
  DonorQuery query{.tokens = tokens, .embedding = embedding};
  query.tenant = request.tenant;
  query.group = options_.group;
  query.limit = static_cast<size_t>(options_.donors);
  query.min_similarity = options_.min_similarity;
  query.threads = options_.threads;
  DonorSearch found = index_.search(query);
  say_all(found.warnings);
  return std::move(found.candidates);
}

int64_t DonorLookup::for_each_prompt(const OnPrompt& on_prompt) const {
  int64_t skipped = 0;
  for (const std::string& file : files_or_stdin(options_.files)) {
    Input input(file);
    RequestReader reader(input.stream(), input.name());
    for (bool more = true; more;) {
      check_interrupt();
      try {
        std::optional<Request> request = reader.next();
        more = request.has_value();
        if (!more) continue;
        if (request->tenant.empty()) request->tenant = options_.tenant;
        const std::vector<int32_t> tokens = tokens_of(*request);
        on_prompt(*request, tokens, search(*request, tokens));
      } catch (const Error& error) {
        if (!options_.keep_going || !concerns_one_input(error)) throw;
        say(error.what());
        ++skipped;
      }
    }
  }
  return skipped;
}

std::optional<PromptRecord> DonorLookup::find_prompt(const Donor& donor) const {
  std::vector<std::string> warnings;
  std::optional<PromptRecord> prompt = index_.find_prompt(donor, warnings);
  say_all(warnings);
  return prompt;
}

std::string_view found_by_name(FoundBy found_by) {
  switch (found_by) {
    case FoundBy::fingerprints:
      return "fingerprints";
    case FoundBy::embedding:
      return "embedding";
    case FoundBy::both:
      return "both";
  }
  return "";
}

}  // namespace kvs
