#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "tools/compute_options.h"

namespace kvs {

/// What kvs-embed does without a subcommand.
struct EmbedOptions {
  std::vector<std::string> files;
  std::string model;
  std::string output = "-";
  bool tokenize = false;
  bool kv = false;
  std::string kv_type = "f16";
  std::string codec = "shuffle";
  std::string embedder = "static";
  std::string shard = "1/1";
  bool resume = false;
  bool no_text = false;
  bool everyone = false;
  bool keep_going = false;
  std::string chat_template;
  bool parse_special = false;
  ComputeOptions compute;
  int64_t kv_memory_mb = 2048;
};

void add_embed_options(CLI::App& app, EmbedOptions& options);

/// Writes {"id","tokens"} lines. Returns the exit code.
int tokenize_prompts(const EmbedOptions& options);

/// Writes an archive of prompts, with --kv their keys and values too. Returns the exit code.
int embed_prompts(const EmbedOptions& options);

}  // namespace kvs
