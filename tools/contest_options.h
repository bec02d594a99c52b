#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kvs/evaluation.h"
#include "kvs/model.h"
#include "tools/compute_options.h"
#include "tools/fuzzy_option.h"
#include "tools/reuse_support.h"

namespace kvs {

/// What commands that set policies side by side have in common: a model, the contestants, and where
/// the figures go.
struct ContestOptions {
  ComputeOptions compute;
  std::string model;
  std::string kv_type = "f16";
  int64_t kv_memory_mb = 1024;
  std::string chat_template;
  std::vector<std::string> policies{"full", "prefix", "naive", "epic", "kvshare"};
  std::vector<double> budgets;
  std::vector<int> donor_depths{0};
  ReuseOptions rule;  ///< its numbers, but for the budget
  SupportOptions support;
  bool no_noise = false;
  std::string json;
  std::string detail;
};

/// The model's options only: what it computes with, the rules' numbers, memory.
void add_contest_model_options(CLI::App& app, ContestOptions& options);
void add_contest_options(CLI::App& app, ContestOptions& options);

/// Throws Error(argument) where both outputs are standard output, or a policy is unknown.
std::vector<Contestant> contestants_of(const ContestOptions& options);

/// A model on its backend.
class ContestModel {
 public:
  /// Opens the tokenizer; weights, which take longer, are loaded by load().
  explicit ContestModel(const ContestOptions& options);

  const PromptEncoder& prompts() const { return prompts_; }
  const Backend& backend() const { return *backend_; }

  void load();
  Model& model() { return *model_; }  ///< the same
  DType kv_type() const { return kv_type_; }
  Transformer& transformer() { return model_->transformer(); }  ///< behind load()
  EngineOptions engine_options() const;                         ///< the same; must not outlive this
  /// The rule's numbers, with what kvshare decides by where one of them is kvshare: the same.
  ReuseOptions rule(const std::vector<Contestant>& contestants);

  /// {"model","device","machine","commit"}.
  Json origin() const;

 private:
  const ContestOptions& options_;
  DType kv_type_;
  FuzzyTokens fuzzy_;
  std::unique_ptr<Backend> backend_;
  PromptEncoder prompts_;
  std::unique_ptr<Model> model_;
  std::optional<ReuseSupport> support_;
};

}  // namespace kvs
