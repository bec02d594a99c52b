#include "tools/serve_options.h"

#include <algorithm>

#include "kvs/donor_index.h"
#include "kvs/error.h"
#include "tools/message.h"
#include "tools/model_path.h"
#include "tools/progress.h"
#include "tools/rule_options.h"

namespace kvs {
namespace {

void add_sampling(CLI::App& app, ServeOptions& options) {
  SamplingOptions& sampling = options.sampling;
  app.add_option("--max-tokens", options.max_tokens, "Length of an answer at most")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(0, 1 << 20));
  app.add_option("--temperature", sampling.temperature, "0 takes the most likely token")
      ->type_name("X")
      ->capture_default_str();
  app.add_option("--top-k", sampling.top_k, "Draw from the N most likely tokens; 0: all")
      ->type_name("N");
  app.add_option("--top-p", sampling.top_p, "Draw from the tokens that hold this probability")
      ->type_name("X");
  app.add_option("--min-p", sampling.min_p, "Draw from tokens at least this share as likely")
      ->type_name("X");
  app.add_option("--repetition-penalty", sampling.repetition_penalty, "Against repetition; 1: none")
      ->type_name("X");
  app.add_option("--seed", sampling.seed, "Of the random draw")->type_name("N");
}

void add_reuse(CLI::App& app, ServeOptions& options) {
  app.add_option("--index", options.index, "Directory made by kvs-index: donors on disk")
      ->type_name("DIR");
  add_embedder_option(app, options.embedder);
  app.add_option("--preload", options.preload, "Archive whose prompts are donors from the start")
      ->type_name("ARCHIVE")
      ->allow_extra_args(false);  // or it would take the request files too
  app.add_option("--reuse", options.reuse, "What may be reused: off, exact or approx")
      ->type_name("MODE")
      ->capture_default_str();
  app.add_option("--policy", options.policy,
                 "How: full, prefix, naive, epic, cacheblend, dhd, probe or kvshare")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--budget", options.rule.budget,
                 "Share of the kept tokens that rules compute anew")
      ->type_name("SHARE")
      ->check(CLI::Range(0.0, 1.0));
  add_rule_options(app, options.rule);
  add_support_options(app, options.support);
}

int64_t blocks_of(int64_t megabytes, const KvLayout& layout) {
  return std::max<int64_t>(2, megabytes * (1 << 20) / static_cast<int64_t>(layout.block_bytes()));
}

}  // namespace

void add_serve_options(CLI::App& app, ServeOptions& options) {
  add_model_option(app, options.model)->required();
  add_compute_options(app, options.compute);
  app.add_option("--kv", options.kv, "Type of cached keys and values: f16, bf16, f32 or q8")
      ->type_name("TYPE")
      ->capture_default_str();
  app.add_option("--kv-memory", options.kv_memory_mb, "For keys and values at most")
      ->type_name("MIB")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 30));
  app.add_option("--chat-template", options.chat_template, "In place of the model's own")
      ->type_name("NAME");
  app.add_flag("--parse-special", options.parse_special,
               "Recognise special tokens in users' text too");
  add_reuse(app, options);
  add_sampling(app, options);
}

Server::Server(const ServeOptions& options)
    : reuse_(options.rule),
      fuzzy_(options.rule.fuzzy, options.model),
      backend_(make_backend(options.compute.backend)) {
  reuse_.mode = reuse_mode_from_name(options.reuse);
  reuse_.policy = policy_from_name(options.policy);
  explain("{}", backend_->description());
  const DType kv_type = kv_type_from_name(options.kv);
  Progress progress("loading", "matrices", 0);
  model_ = std::make_unique<Model>(
      resolve_model(options.model), *backend_,
      ModelOptions{.compute = options.compute.compute,
                   .prompts = {options.chat_template, options.parse_special},
                   .progress = [&](int64_t, int64_t) { progress.add(); }});
  if (reuse_.policy == Policy::kvshare && reuse_.mode == ReuseMode::approx)
    support_.emplace(*model_, kv_type, options.support).give_to(reuse_);
  Transformer& transformer = model_->transformer();
  engine_ = std::make_unique<Engine>(
      transformer, model_->prompts().tokenizer(),
      EngineOptions{.max_blocks = blocks_of(options.kv_memory_mb, transformer.kv_layout(kv_type)),
                    .kv_type = kv_type,
                    .parallel = options.parallel,
                    .cosines = fuzzy_.cosines()});

  open_donors(options, model_->archive_header(kv_type, ""));
}

void Server::open_donors(const ServeOptions& options, const ArchiveHeader& header) {
  DonorStore& donors = engine_->donors();
  for (const std::string& archive : options.preload) donors.preload(archive, header);
  if (options.index.empty()) return;
  const DonorIndexInfo info = DonorIndex(options.index).info();
  if (info.embeddings == 0) return donors.open_index(options.index, header);
  embedder_ = open_index_embedder({.name = options.embedder,
                                   .model = resolve_model(options.model),
                                   .tokenizer = model_->prompts().tokenizer(),
                                   .backend = options.compute.backend},
                                  info.embedder, options.index);
  donors.open_index(options.index, header, [this](std::span<const int32_t> tokens) {
    return (*embedder_)->embed(tokens);
  });
}

}  // namespace kvs
