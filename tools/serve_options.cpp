#include "tools/serve_options.h"

#include <algorithm>
#include <chrono>

#include "kvs/donor_index.h"
#include "kvs/error.h"
#include "tools/interrupt.h"
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
  app.add_option("--embedder", options.embedder,
                 "What finds donors by embedding: auto (the index's, else static), static, bert "
                 "(the installed minilm), an encoder's directory, or none")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--preload", options.preload, "Archive whose prompts are donors from the start")
      ->type_name("ARCHIVE")
      ->allow_extra_args(false);  // or it would take the request files too
  app.add_flag("--pin-preloaded", options.pin_preloaded,
               "Keep what was preloaded, whatever else needs room");
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
  app.add_option("--donor-depth", options.donor_depth,
                 "Approximate rows of this depth at most are donors too: for experiments")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000));
  app.add_option("--donor-ttl", options.donor_ttl_s,
                 "Forget donors so long after they came; 0: when there is no room")
      ->type_name("SECONDS")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1e9));
  app.add_option("--host-memory", options.host_memory_mb,
                 "Of the host, for donors that --kv-memory has no room for")
      ->type_name("MIB")
      ->capture_default_str()
      ->check(CLI::Range(0, 1 << 30));
  app.add_option("--disk", options.disk, "Folder that keeps donors beyond memory and restarts")
      ->type_name("DIR");
  app.add_option("--disk-memory", options.disk_memory_mb, "For the model's donors there at most")
      ->type_name("MIB")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 30));
  app.add_option("--store", options.store,
                 "Redis server that shares donors: redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]")
      ->type_name("URL");
  app.add_option("--exactify", options.exactify,
                 "When texts answered over approximate tokens are computed again, to be donors: "
                 "off, idle or always")
      ->type_name("WHEN")
      ->capture_default_str()
      ->check(CLI::IsMember({"off", "idle", "always"}));
}

constexpr std::chrono::seconds kFinish{30};

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
                   .progress = [&](int64_t, int64_t) {
                     progress.add();
                     check_interrupt();
                   }});
  if (reuse_.policy == Policy::kvshare && reuse_.mode == ReuseMode::approx)
    give_support(options, kv_type);
  Transformer& transformer = model_->transformer();
  EngineOptions engine;
  engine.max_blocks = blocks_of(options.kv_memory_mb, transformer.kv_layout(kv_type));
  engine.kv_type = kv_type;
  engine.parallel = options.parallel;
  engine.cosines = fuzzy_.cosines();
  engine.donors.max_depth = options.donor_depth;
  engine.donors.time_to_live_s = options.donor_ttl_s;
  engine_ = std::make_unique<Engine>(transformer, model_->prompts().tokenizer(), engine);

  open_donors(options, model_->archive_header(kv_type, ""));
}

void Server::give_support(const ServeOptions& options, DType kv_type) {
  support_.emplace(*model_, kv_type, reuse_, options.support);
  support_->give_to(reuse_);
  if (!reuse_.budget) support_->warn_without_guard(*model_);
}

void Server::tell_background_work() const {
  const BackgroundWork& work = engine_->background();
  if (work.texts > 0)
    explain("{} texts made exact: {} tokens computed in {:.0f} ms", work.texts, work.rows, work.ms);
}

void Server::finish_tiers() {
  if (!engine_->donors().finish_tiers(kFinish)) warn("some donors were not written in time");
  for (const std::string& warning : engine_->donors().take_warnings()) warn("{}", warning);
}

void Server::open_donors(const ServeOptions& options, const ArchiveHeader& header) {
  DonorStore& donors = engine_->donors();
  const DonorStore::Embed embed = open_embedder(options);
  if (embed) donors.embed_with(embed);
  for (const std::string& archive : options.preload)
    donors.preload(archive, header, options.pin_preloaded);
  if (!options.index.empty()) donors.open_index(options.index, header, embed);
  if (options.host_memory_mb == 0 && options.disk.empty() && options.store.empty()) return;
  donors.open_tiers({.host_bytes = options.host_memory_mb << 20,
                     .disk = options.disk,
                     .disk_bytes = options.disk_memory_mb << 20,
                     .store = options.store,
                     .embedder = embed ? (*embedder_)->name() : std::string()},
                    header);
}

// The index's embedder where there is one, since its vectors are to be compared; it serves the
// donors in memory too.
DonorStore::Embed Server::open_embedder(const ServeOptions& options) {
  if (options.embedder == "none") return {};
  EmbedderChoice choice{.name = options.embedder,
                        .model = resolve_model(options.model),
                        .tokenizer = model_->prompts().tokenizer(),
                        .backend = options.compute.backend};
  const std::string indexed =
      options.index.empty() ? std::string() : DonorIndex(options.index).info().embedder;
  if (!indexed.empty()) {
    embedder_ = open_index_embedder(choice, indexed, options.index);
  } else {
    if (choice.name == "auto") choice.name = "static";
    embedder_ = std::make_unique<ChosenEmbedder>(choice);
  }
  return [this](std::span<const int32_t> tokens) { return (*embedder_)->embed(tokens); };
}

}  // namespace kvs
