#include "tools/reuse_support.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "kvs/error.h"
#include "kvs/hash.h"
#include "tools/machine.h"
#include "tools/message.h"
#include "tools/model_path.h"
#include "tools/output.h"
#include "tools/shipped_policies.h"

namespace kvs {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFormat = "kvshare policy 2";
constexpr std::uintmax_t kMaxFileBytes = 16 << 20;

std::string read_file(const std::string& path) {
  std::error_code error;
  const std::uintmax_t bytes = fs::file_size(path, error);
  if (error) fail(ErrorKind::io, "{}: {}", path, error.message());
  if (bytes > kMaxFileBytes)
    fail(ErrorKind::format, "{}: expected at most {} bytes, found {}", path, kMaxFileBytes, bytes);
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!(text << file.rdbuf())) fail(ErrorKind::io, "{}: cannot be read", path);
  return text.str();
}

// A policy file, and what it is called in messages.
struct PolicyFile {
  Json json;
  std::string source;

  bool is_of(const Model& model) const {
    const Json* fingerprint = json.find("fingerprint");
    return fingerprint && fingerprint->is_string() &&
           fingerprint->as_string() == model.fingerprint();
  }
};

PolicyFile parse_policy(std::string_view text, const std::string& source) {
  PolicyFile file{Json::parse(text, source), source};
  const Json* format = file.json.find("format");
  if (!format || !format->is_string() || format->as_string() != kFormat)
    fail(ErrorKind::format, "{}: expected a policy file made by this version's kvs-eval calibrate",
         source);
  return file;
}

// The one asked for, or one that comes with the project.
std::optional<PolicyFile> find_policy(const std::string& path, const Model& model) {
  if (!path.empty()) {
    PolicyFile file = parse_policy(read_file(path), path);
    if (!file.is_of(model))
      fail(ErrorKind::mismatch, "{}: made for another model than {}", path, model.name());
    return file;
  }
  for (const ShippedPolicy& policy : shipped_policies()) {
    PolicyFile file = parse_policy(policy.text, fmt::format("the policy file {}", policy.name));
    if (file.is_of(model)) return file;
  }
  return std::nullopt;
}

Guard guard_of(const PolicyFile& file, const GuardPromise& promise) {
  const Json* calibration = file.json.find("calibration");
  const Json* guard = calibration ? calibration->find("guard") : nullptr;
  if (!guard) fail(ErrorKind::format, "{}: field 'calibration.guard' is missing", file.source);
  return Guard::from_json(*guard, file.source, promise);
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.as_string() : value.dump();
}

// Throws Error(mismatch) where the guard was calibrated with another rule.
void require_rule(const PolicyFile& file, const Json& rule) {
  const Json* calibrated = file.json.find("rule");
  if (!calibrated || !calibrated->is_object())
    fail(ErrorKind::format, "{}: field 'rule' is missing", file.source);
  for (const auto& [name, value] : rule.as_object()) {
    const Json* other = calibrated->find(name);
    if (!other)
      fail(ErrorKind::mismatch,
           "{}: field 'rule.{}' is missing: calibrated for another version's rule", file.source,
           name);
    if (text_of(*other) != text_of(value))
      fail(ErrorKind::mismatch, "{}: expected --{} {} as it was calibrated with, found {}",
           file.source, name, text_of(*other), text_of(value));
  }
}

// Costs are those of a model's shape and arithmetic on a machine.
std::string costs_path(Model& model, DType kv_type) {
  const std::string key = model.fingerprint() + '\n' + machine_description() + '\n' +
                          model.transformer().backend().description() + '\n' +
                          std::to_string(static_cast<int>(kv_type));
  return cache_folder() + "/costs/" + to_hex(Hasher().add(key).digest()) + ".json";
}

// A cache that cannot be written is no reason to fail.
void keep(const std::string& path, const CostModel& costs) {
  try {
    fs::create_directories(fs::path(path).parent_path());
    write_file(path, costs_to_json(costs).dump(1) + "\n");
  } catch (const std::exception& e) {
    warn("the measured costs are not kept: {}", e.what());
  }
}

}  // namespace

CostModel open_costs(Model& model, DType kv_type) {
  const std::string path = costs_path(model, kv_type);
  if (std::error_code none; fs::exists(path, none)) {
    try {
      return costs_from_json(Json::parse(read_file(path), path), path);
    } catch (const Error& e) {
      warn("{}: measuring anew", e.what());
    }
  }
  explain("measuring what computing costs, once on this machine");
  const CostModel costs = measure_costs(model.transformer(), kv_type);
  keep(path, costs);
  return costs;
}

void add_support_options(CLI::App& app, SupportOptions& options) {
  app.add_option("--policy-file", options.policy_file,
                 "Made by kvs-eval calibrate: how far kvshare may go with this model")
      ->type_name("FILE");
  add_promise_options(app, options.promise);
}

void add_promise_options(CLI::App& app, GuardPromise& promise) {
  app.add_option("--max-kl", promise.max_kl,
                 "Divergence from a full run, in nats, that kvshare's guard promises to keep below")
      ->type_name("NATS")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--confidence", promise.confidence,
                 "For at least this share of the prompts whose reuse it accepts")
      ->type_name("SHARE")
      ->capture_default_str()
      ->check(CLI::Range(0.5, 0.999));
}

ReuseSupport::ReuseSupport(Model& model, DType kv_type, const ReuseOptions& rule,
                           const SupportOptions& options) {
  if (const auto policy = find_policy(options.policy_file, model)) {
    try {
      require_rule(*policy, rule_to_json(rule, kv_type));
      guard_ = guard_of(*policy, options.promise);
      if (std::isinf(guard_->limit()))
        warn(
            "{}: cannot promise a divergence below {} with confidence {}: all but lossless reuse "
            "is declined",
            policy->source, options.promise.max_kl, options.promise.confidence);
      explain("{} says how much is computed", policy->source);
    } catch (const Error& e) {
      if (!options.policy_file.empty() || e.kind() != ErrorKind::mismatch) throw;
      warn("{}", e.what());
    }
  }
  costs_ = open_costs(model, kv_type);
}

void ReuseSupport::warn_without_guard(const Model& model) const {
  if (!guard_)
    warn(
        "no guard for {}: kvshare computes {:.0f} % of the kept tokens anew; "
        "'kvs-eval calibrate' finds out what the model needs",
        model.name(), ReuseOptions::kDefaultBudget * 100);
}

void ReuseSupport::give_to(ReuseOptions& options) const {
  options.costs = &costs_;
  options.guard = guard_ ? &*guard_ : nullptr;
}

Json rule_to_json(ReuseOptions rule, DType kv_type) {
  rule.policy = Policy::kvshare;
  Json json;
  json.set("structure", rule.structure);
  json.set("halo", rule.halo);
  json.set("wide-halo", rule.wide_halo);
  json.set("last", rule.last);
  json.set("window", rule.window);
  json.set("min-span", rule.least_span());
  json.set("kv", dtype_name(kv_type));
  return json;
}

std::string policy_file_text(const Model& model, DType kv_type, const ReuseOptions& rule,
                             const Json& origin, const CostModel& costs, const Json& calibration) {
  Json json;
  json.set("format", kFormat);
  json.set("fingerprint", model.fingerprint());
  json.set("origin", origin);
  json.set("rule", rule_to_json(rule, kv_type));
  json.set("costs", costs_to_json(costs));
  json.set("calibration", calibration);
  return json.dump(1) + "\n";
}

}  // namespace kvs
