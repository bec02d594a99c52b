#include "tools/contest_options.h"

#include <algorithm>

#include "kvs/error.h"
#include "tools/machine.h"
#include "tools/message.h"
#include "tools/model_path.h"
#include "tools/progress.h"
#include "tools/rule_options.h"
#include "tools/source_commit.h"

namespace kvs {
namespace {

void add_policies(CLI::App& app, ContestOptions& options) {
  app.add_option("--policy", options.policies, "Policies, separated by commas; full always runs")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("NAMES")
      ->capture_default_str();
  app.add_option("--budget", options.budgets,
                 "Shares of the kept tokens to compute anew, for policies that have one")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("SHARES")
      ->check(CLI::Range(0.0, 1.0));
  add_support_options(app, options.support);
  app.add_flag("--no-noise", options.no_noise, "Leave out the second full run (noise floor)");
}

}  // namespace

void add_contest_model_options(CLI::App& app, ContestOptions& options) {
  add_model_option(app, options.model)->required();
  add_rule_options(app, options.rule);
  add_compute_options(app, options.compute);
  app.add_option("--kv", options.kv_type, "Type of cached keys and values: f16, bf16, f32 or q8")
      ->type_name("TYPE")
      ->capture_default_str();
  app.add_option("--kv-memory", options.kv_memory_mb,
                 "For keys and values of each policy and budget at most")
      ->type_name("MIB")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 30));
  app.add_option("--chat-template", options.chat_template, "In place of the model's own")
      ->type_name("NAME");
}

void add_contest_options(CLI::App& app, ContestOptions& options) {
  add_contest_model_options(app, options);
  add_policies(app, options);
  app.add_option("--json", options.json, "Write the figures to this file; -: standard output")
      ->type_name("FILE");
  app.add_option("--detail", options.detail, "Write a line for each request and policy")
      ->type_name("FILE");
}

std::vector<Contestant> contestants_of(const ContestOptions& options) {
  if (options.json == "-" && options.detail == "-")
    fail(ErrorKind::argument, "--json and --detail cannot both be standard output");
  std::vector<Policy> policies;
  for (const std::string& name : options.policies) {
    const Policy policy = policy_from_name(name);
    if (std::find(policies.begin(), policies.end(), policy) == policies.end())
      policies.push_back(policy);
  }
  return contestants_of(policies, options.budgets, options.donor_depths);
}

ContestModel::ContestModel(const ContestOptions& options)
    : options_(options),
      kv_type_(kv_type_from_name(options.kv_type)),
      fuzzy_(options.rule.fuzzy, options.model),
      backend_(make_backend(options.compute.backend)),
      prompts_(resolve_model(options.model), {.chat_template = options.chat_template}) {
  explain("{}", backend_->description());
}

void ContestModel::load() {
  Progress progress("loading", "matrices", 0);
  model_ =
      std::make_unique<Model>(resolve_model(options_.model), *backend_,
                              ModelOptions{.compute = options_.compute.compute,
                                           .prompts = {.chat_template = options_.chat_template},
                                           .progress = [&](int64_t, int64_t) { progress.add(); }});
}

EngineOptions ContestModel::engine_options() const {
  const auto block = static_cast<int64_t>(model_->transformer().kv_layout(kv_type_).block_bytes());
  return {.max_blocks = std::max<int64_t>(2, (options_.kv_memory_mb << 20) / block),
          .kv_type = kv_type_,
          .cosines = fuzzy_.cosines()};
}

ReuseOptions ContestModel::rule(const std::vector<Contestant>& contestants) {
  ReuseOptions rule = options_.rule;
  const auto asks = [](const Contestant& contestant) {
    return contestant.policy == Policy::kvshare;
  };
  if (!support_ && std::any_of(contestants.begin(), contestants.end(), asks)) {
    support_.emplace(*model_, kv_type_, options_.rule, options_.support);
    support_->warn_without_guard(*model_);
  }
  if (support_) support_->give_to(rule);
  return rule;
}

Json ContestModel::origin() const {
  Json json;
  json.set("model", options_.model);
  json.set("device", backend_->description());
  json.set("machine", machine_description());
  json.set("commit", source_commit());
  return json;
}

}  // namespace kvs
