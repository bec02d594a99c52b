#include "tools/eval_run.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>

#include "kvs/error.h"
#include "kvs/evaluation.h"
#include "kvs/model.h"
#include "tools/evaluation_table.h"
#include "tools/input.h"
#include "tools/machine.h"
#include "tools/message.h"
#include "tools/model_path.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/rule_options.h"
#include "tools/tool.h"

namespace kvs {
namespace {

constexpr const char* kTenantsFile = "tenants.json";

void add_figures(CLI::App& run, EvaluationCommand& command) {
  run.add_option("--policy", command.policies, "Policies, separated by commas; full always runs")
      ->delimiter(',')
      ->type_name("NAMES")
      ->capture_default_str();
  run.add_option("--budget", command.budgets,
                 "Shares of the kept tokens to compute anew, for policies that have one")
      ->delimiter(',')
      ->type_name("SHARES")
      ->check(CLI::Range(0.0, 1.0));
  add_rule_options(run, command.rule);
  run.add_flag("--no-noise", command.no_noise, "Leave out the second full run (noise floor)");
  run.add_flag("--no-answers", command.no_answers,
               "Only time the first token and measure divergence: faster, no text is compared");
  run.add_flag("--exactify", command.exactify,
               "Compute prompts with much new text in full behind their answers");
}

void add_requests(CLI::App& run, EvaluationCommand& command) {
  run.add_option("--workload", command.workloads, "Requests to replay, as kvs-serve run takes them")
      ->type_name("FILE")
      ->allow_extra_args()
      ->required();
  run.add_option("--limit", command.limit, "Only the first N requests of each workload")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 30));
  run.add_option("--max-tokens", command.max_tokens, "Length of an answer at most")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  run.add_option("--tenants", command.tenants,
                 "Share groups; otherwise tenants.json beside the workload, where there is one")
      ->type_name("FILE");
  run.add_option("--isolation", command.isolations,
                 "Whose earlier prompts may be reused: shared (the group's), private (the "
                 "tenant's), or both, separated by a comma")
      ->delimiter(',')
      ->type_name("NAMES")
      ->check(CLI::IsMember({"shared", "private"}))
      ->capture_default_str();
}

TenantGroups groups_of(const EvaluationCommand& command, const std::string& workload) {
  if (!command.tenants.empty()) return read_tenant_groups(command.tenants);
  const auto beside = std::filesystem::path(workload).parent_path() / kTenantsFile;
  return std::filesystem::exists(beside) ? read_tenant_groups(beside) : TenantGroups{};
}

Workload open_workload(const EvaluationCommand& command, const std::string& file,
                       const PromptEncoder& prompts) {
  Input input(file);
  const WorkloadOptions options{
      .limit = command.limit, .max_tokens = command.max_tokens, .groups = groups_of(command, file)};
  const std::string name = file == "-" ? file : std::filesystem::path(file).stem().string();
  return read_workload(input.stream(), input.name(), name, prompts, options);
}

std::vector<Policy> policies_of(const EvaluationCommand& command) {
  std::vector<Policy> policies;
  for (const std::string& name : command.policies) {
    const Policy policy = policy_from_name(name);
    if (std::find(policies.begin(), policies.end(), policy) == policies.end())
      policies.push_back(policy);
  }
  return policies;
}

// Each once, in the order in which they are asked for.
std::vector<std::string> isolations_of(const EvaluationCommand& command) {
  std::vector<std::string> isolations;
  for (const std::string& name : command.isolations)
    if (std::find(isolations.begin(), isolations.end(), name) == isolations.end())
      isolations.push_back(name);
  return isolations;
}

// A model on a backend, the workloads in its tokens, and what came of them so far.
class Runner {
 public:
  explicit Runner(const EvaluationCommand& command)
      : command_(command),
        contestants_(contestants_of(policies_of(command), command.budgets)),
        isolations_(isolations_of(command)),
        kv_type_(kv_type_from_name(command.kv_type)),
        backend_(make_backend(command.compute.backend)) {
    explain("{}", backend_->description());
    read_workloads();  // first, since weights take longer
    model_ = load();
    for (const Workload& workload : workloads_)
      require_fit(workload, model_->transformer().config());
  }

  void run() {
    Json done{Json::Array{}};
    report_.set("model", command_.model);
    report_.set("device", backend_->description());
    report_.set("machine", machine_description());
    report_.set("commit", source_commit());
    for (const Workload& workload : workloads_)
      for (const std::string& isolation : isolations_) {
        done.push(replay(workload, isolation == "shared"));
        report_.set("workloads", done);
        if (command_.json != "-") write_out(table_of(done.as_array().back()));
        flush_out();
        if (command_.json != "-") save();
      }
    if (command_.json == "-") save();
  }

 private:
  void read_workloads() {
    const PromptEncoder prompts(resolve_model(command_.model),
                                {.chat_template = command_.chat_template});
    for (const std::string& file : command_.workloads)
      workloads_.push_back(open_workload(command_, file, prompts));
  }

  std::unique_ptr<Model> load() const {
    Progress progress("loading", "matrices", 0);
    return std::make_unique<Model>(
        resolve_model(command_.model), *backend_,
        ModelOptions{.compute = command_.compute.compute,
                     .prompts = {.chat_template = command_.chat_template},
                     .progress = [&](int64_t, int64_t) { progress.add(); }});
  }

  EvaluationOptions options() const {
    const auto block =
        static_cast<int64_t>(model_->transformer().kv_layout(kv_type_).block_bytes());
    return {.contestants = contestants_,
            .engine = {.max_blocks = std::max<int64_t>(2, (command_.kv_memory_mb << 20) / block),
                       .kv_type = kv_type_},
            .reuse = command_.rule,
            .answers = !command_.no_answers,
            .exactify = command_.exactify,
            .noise_rows = command_.no_noise ? 0 : EvaluationOptions{}.noise_rows};
  }

  Json replay(const Workload& workload, bool shared) {
    EvaluationOptions options = this->options();
    options.shared = shared;
    const auto runs = static_cast<int64_t>(contestants_.size()) + (command_.no_noise ? 0 : 1);
    Progress progress(workload.name, "runs", runs * static_cast<int64_t>(workload.requests.size()));
    options.on_progress = [&] {
      progress.add();
      check_interrupt();
    };
    if (!command_.detail.empty())
      options.on_detail = [&](const Json& line) { detail_ += line.dump() + "\n"; };
    check_interrupt();
    return run_evaluation(model_->transformer(), model_->prompts().tokenizer(), workload, options);
  }

  void save() const {
    if (!command_.detail.empty()) write_file(command_.detail, detail_);
    if (!command_.json.empty()) write_file(command_.json, report_.dump(1) + "\n");
  }

  static void write_file(const std::string& path, const std::string& text) {
    Output output(path, Content::text);
    output.stream() << text;
    output.commit();
  }

  const EvaluationCommand& command_;
  std::vector<Contestant> contestants_;
  std::vector<std::string> isolations_;
  DType kv_type_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Model> model_;
  std::vector<Workload> workloads_;
  Json report_;
  std::string detail_;  // lines of the workloads that are done
};

}  // namespace

CLI::App* add_evaluation_command(CLI::App& app, EvaluationCommand& command) {
  CLI::App* run = app.add_subcommand("run", "Replay workloads, policies side by side");
  add_model_option(*run, command.model)->required();
  add_requests(*run, command);
  add_figures(*run, command);
  add_compute_options(*run, command.compute);
  run->add_option("--kv", command.kv_type, "Type of cached keys and values: f16, bf16, f32 or q8")
      ->type_name("TYPE")
      ->capture_default_str();
  run->add_option("--kv-memory", command.kv_memory_mb,
                  "For keys and values of each policy and budget at most")
      ->type_name("MIB")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 30));
  run->add_option("--chat-template", command.chat_template, "In place of the model's own")
      ->type_name("NAME");
  run->add_option("--json", command.json, "Write the figures to this file; -: standard output")
      ->type_name("FILE");
  run->add_option("--detail", command.detail, "Write a line for each request and policy")
      ->type_name("FILE");
  return run;
}

int run_evaluation_command(const EvaluationCommand& command) {
  if (command.json == "-" && command.detail == "-")
    fail(ErrorKind::argument, "--json and --detail cannot both be standard output");
  Runner(command).run();
  return kExitOk;
}

}  // namespace kvs
