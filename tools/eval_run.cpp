#include "tools/eval_run.h"

#include <algorithm>

#include "tools/embedder_choice.h"
#include "tools/evaluation_table.h"
#include "tools/model_path.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/tool.h"

namespace kvs {
namespace {

void add_figures(CLI::App& run, EvaluationCommand& command) {
  run.add_option("--donor-depth", command.contest.donor_depths,
                 "Approximate rows of these depths at most become donors too, separated by commas")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("DEPTHS")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000));
  run.add_option("--embedder", command.embedder,
                 "What finds donors by embedding: static, bert (the installed minilm), an "
                 "encoder's directory, or none")
      ->type_name("NAME")
      ->capture_default_str();
  run.add_flag("--no-answers", command.no_answers,
               "Only time the first token and measure divergence: faster, no text is compared");
  run.add_flag("--exactify", command.exactify,
               "Compute prompts with much new text in full behind their answers");
  run.add_flag("--skip-idle", command.skip_idle,
               "Where a policy would reuse next to nothing, take the full run's figures for it");
}

void add_requests(CLI::App& run, EvaluationCommand& command) {
  add_workload_options(run, command.requests);
  run.add_option("--isolation", command.isolations,
                 "Whose earlier prompts may be reused: shared (the group's), private (the "
                 "tenant's), or both, separated by a comma")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("NAMES")
      ->check(CLI::IsMember({"shared", "private"}))
      ->capture_default_str();
}

// None where donors are found by common tokens only.
std::unique_ptr<ChosenEmbedder> open_embedder(const EvaluationCommand& command,
                                              const ContestModel& model) {
  if (command.embedder == "none") return nullptr;
  return std::make_unique<ChosenEmbedder>(
      EmbedderChoice{.name = command.embedder,
                     .model = resolve_model(command.contest.model),
                     .tokenizer = model.prompts().tokenizer(),
                     .backend = command.contest.compute.backend});
}

// Each once, in the order in which they are asked for.
std::vector<std::string> isolations_of(const EvaluationCommand& command) {
  std::vector<std::string> isolations;
  for (const std::string& name : command.isolations)
    if (std::find(isolations.begin(), isolations.end(), name) == isolations.end())
      isolations.push_back(name);
  return isolations;
}

// A model, the workloads in its tokens, and what came of them so far.
class Runner {
 public:
  explicit Runner(const EvaluationCommand& command)
      : command_(command),
        contestants_(contestants_of(command.contest)),
        isolations_(isolations_of(command)),
        model_(command.contest),
        embedder_(open_embedder(command, model_)),
        workloads_(open_workloads(command.requests, model_.prompts())) {
    model_.load();
    for (const Workload& workload : workloads_)
      require_fit(workload, model_.transformer().config());
  }

  void run() {
    const std::string& json = command_.contest.json;
    Json done{Json::Array{}};
    report_ = model_.origin();
    for (const Workload& workload : workloads_)
      for (const std::string& isolation : isolations_) {
        done.push(replay(workload, isolation == "shared"));
        report_.set("workloads", done);
        if (json != "-") write_out(evaluation_table_of(done.as_array().back()));
        flush_out();
        if (json != "-") save();
      }
    if (json == "-") save();
  }

 private:
  EvaluationOptions options() {
    return {.contestants = contestants_,
            .engine = model_.engine_options(),
            .reuse = model_.rule(contestants_),
            .embed = embed(),
            .answers = !command_.no_answers,
            .exactify = command_.exactify,
            .skip_idle = command_.skip_idle,
            .noise_rows = command_.contest.no_noise ? 0 : EvaluationOptions{}.noise_rows};
  }

  DonorStore::Embed embed() const {
    if (!embedder_) return {};
    return [this](std::span<const int32_t> tokens) { return (*embedder_)->embed(tokens); };
  }

  Json replay(const Workload& workload, bool shared) {
    EvaluationOptions options = this->options();
    options.shared = shared;
    const auto runs =
        static_cast<int64_t>(contestants_.size()) + (command_.contest.no_noise ? 0 : 1);
    Progress progress(workload.name, "runs", runs * static_cast<int64_t>(workload.requests.size()));
    options.on_progress = [&] {
      progress.add();
      check_interrupt();
    };
    if (!command_.contest.detail.empty())
      options.on_detail = [&](const Json& line) { detail_ += line.dump() + "\n"; };
    check_interrupt();
    return run_evaluation(model_.transformer(), model_.prompts().tokenizer(), workload, options);
  }

  void save() const {
    const ContestOptions& files = command_.contest;
    if (!files.detail.empty()) write_file(files.detail, detail_);
    if (!files.json.empty()) write_file(files.json, report_.dump(1) + "\n");
  }

  const EvaluationCommand& command_;
  std::vector<Contestant> contestants_;
  std::vector<std::string> isolations_;
  ContestModel model_;
  std::unique_ptr<ChosenEmbedder> embedder_;
  std::vector<Workload> workloads_;
  Json report_;
  std::string detail_;  // lines of the workloads that are done
};

}  // namespace

CLI::App* add_evaluation_command(CLI::App& app, EvaluationCommand& command) {
  CLI::App* run = app.add_subcommand("run", "Replay workloads, policies side by side");
  add_requests(*run, command);
  add_figures(*run, command);
  add_contest_options(*run, command.contest);
  return run;
}

int run_evaluation_command(const EvaluationCommand& command) {
  Runner(command).run();
  return kExitOk;
}

}  // namespace kvs
