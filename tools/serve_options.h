#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kvs/engine.h"
#include "kvs/model.h"
#include "tools/compute_options.h"
#include "tools/embedder_choice.h"
#include "tools/fuzzy_option.h"
#include "tools/reuse_support.h"

namespace kvs {

/// What the subcommands have in common: a model, its arithmetic, and what may be reused.
struct ServeOptions {
  ComputeOptions compute;
  std::string model;
  std::string kv = "f16";
  int64_t kv_memory_mb = 2048;
  std::string index;                 ///< directory made by kvs-index; empty: none
  std::string embedder = "auto";     ///< of the index, and of the donors in memory
  std::vector<std::string> preload;  ///< archives
  std::string reuse = "approx";
  std::string policy = policy_name(ReuseOptions{}.policy);
  ReuseOptions rule;  ///< its numbers
  SupportOptions support;
  int64_t host_memory_mb = 0;
  std::string disk;  ///< folder of the disk tier; empty: none
  int64_t disk_memory_mb = 16384;
  std::string store;              ///< URL of the Redis tier; empty: none
  std::string exactify = "idle";  ///< an Exactify's name
  int donor_depth = 0;
  double donor_ttl_s = 0;
  bool pin_preloaded = false;
  std::string chat_template;
  bool parse_special = false;
  int parallel = 1;
  // Of the server.
  std::string schedule = "work";
  bool no_followers = false;
  int drain_timeout_s = 30;

  int64_t max_tokens = 128;
  SamplingOptions sampling;
};

void add_serve_options(CLI::App& app, ServeOptions& options);

/// A model on a backend, and an engine over it with the donors that the options name.
class Server {
 public:
  explicit Server(const ServeOptions& options);

  Model& model() { return *model_; }
  Engine& engine() { return *engine_; }
  Backend& backend() { return *backend_; }
  ReuseOptions reuse() const { return reuse_; }
  /// What exactify_step() did, for --verbose.
  void tell_background_work() const;
  /// Waits until what was computed is in the tiers too, half a minute at most.
  void finish_tiers();

 private:
  void give_support(const ServeOptions& options, DType kv_type);
  DonorStore::Embed open_embedder(const ServeOptions& options);
  void open_donors(const ServeOptions& options, const ArchiveHeader& header);

  ReuseOptions reuse_;
  FuzzyTokens fuzzy_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Model> model_;
  std::optional<ReuseSupport> support_;  // of kvshare
  std::unique_ptr<ChosenEmbedder> embedder_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace kvs
