#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "kvs/cost_model.h"
#include "kvs/guard.h"
#include "kvs/model.h"
#include "kvs/reuse.h"

namespace kvs {

struct SupportOptions {
  std::string policy_file;  ///< made by kvs-eval calibrate; empty: the one that ships, if any
  GuardPromise promise;
};

/// Adds --max-kl and --confidence.
void add_promise_options(CLI::App& app, GuardPromise& promise);
/// Adds --policy-file and these.
void add_support_options(CLI::App& app, SupportOptions& options);

/// What the policy `kvshare` decides by, for a model on a machine: what computing costs, measured
/// on first use and kept in the user's cache folder, and a guard where there is a policy file.
class ReuseSupport {
 public:
  /// Throws Error(io) where the policy file cannot be read, Error(format) where it is something
  /// else, Error(mismatch) where it belongs to another model or was made with other numbers than
  /// those of `rule`; if it is one that ships, that is a warning, and there is no guard.
  ReuseSupport(Model& model, DType kv_type, const ReuseOptions& rule,
               const SupportOptions& options);

  /// Says that nothing is known of the model, where there is no guard.
  void warn_without_guard(const Model& model) const;

  /// The support must outlive the options' use.
  void give_to(ReuseOptions& options) const;

 private:
  CostModel costs_;
  std::optional<Guard> guard_;
};

/// What computing costs, as ReuseSupport finds it.
CostModel open_costs(Model& model, DType kv_type);

/// What a guard's promise hangs on, by the names of the options.
Json rule_to_json(ReuseOptions rule, DType kv_type);

/// The text of a policy file.
std::string policy_file_text(const Model& model, DType kv_type, const ReuseOptions& rule,
                             const Json& origin, const CostModel& costs, const Json& calibration);

}  // namespace kvs
