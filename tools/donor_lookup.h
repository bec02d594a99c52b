#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kvs/donor_index.h"
#include "kvs/prompt_encoder.h"
#include "tools/embedder_choice.h"

namespace kvs {

/// How a tool that looks donors up is called.
struct LookupOptions {
  std::vector<std::string> files;
  std::string index;
  std::string model;
  std::string chat_template;
  bool parse_special = false;
  std::string embedder = "auto";
  bool fingerprints_only = false;
  bool keep_going = false;
  std::string tenant;
  std::vector<std::string> group;
  int64_t donors = 8;
  double min_similarity = 0;
  int threads = 1;
};

/// Adds FILE, --index, -m and all else of LookupOptions.
void add_lookup_options(CLI::App& app, LookupOptions& options);

/// Prompts with the donors that an index has for them.
class DonorLookup {
 public:
  /// Throws what DonorIndex, PromptEncoder and ChosenEmbedder throw, and Error(mismatch) where
  /// the index has other tokens than the model or vectors of another embedder.
  explicit DonorLookup(const LookupOptions& options);

  const DonorIndex& index() const { return index_; }
  /// Null without a model, and for models without a tokenizer.
  const Tokenizer* tokenizer() const;

  using OnPrompt = std::function<void(const Request& request, const std::vector<int32_t>& tokens,
                                      const std::vector<DonorCandidate>& donors)>;

  /// Reads all prompts and looks each up; returns how many were skipped (--keep-going). Requests
  /// name the tenant they were looked up for. What the index has to say goes to stderr.
  int64_t for_each_prompt(const OnPrompt& on_prompt) const;

  /// The donor's record, unless its archive is missing or damaged, which is said.
  std::optional<PromptRecord> find_prompt(const Donor& donor) const;

 private:
  std::vector<int32_t> tokens_of(const Request& request) const;
  std::vector<DonorCandidate> search(const Request& request,
                                     const std::vector<int32_t>& tokens) const;

  LookupOptions options_;
  DonorIndex index_;
  std::unique_ptr<PromptEncoder> prompts_;
  std::unique_ptr<ChosenEmbedder> embedder_;
};

/// The word for JSON: "fingerprints", "embedding" or "both".
std::string_view found_by_name(FoundBy found_by);

}  // namespace kvs
