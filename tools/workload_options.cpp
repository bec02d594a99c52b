#include "tools/workload_options.h"

#include <filesystem>

#include "tools/input.h"

namespace kvs {
namespace {

constexpr const char* kTenantsFile = "tenants.json";

TenantGroups groups_of(const WorkloadChoice& choice, const std::string& workload) {
  if (!choice.tenants.empty()) return read_tenant_groups(choice.tenants);
  const auto beside = std::filesystem::path(workload).parent_path() / kTenantsFile;
  return std::filesystem::exists(beside) ? read_tenant_groups(beside) : TenantGroups{};
}

Workload open_workload(const WorkloadChoice& choice, const std::string& file,
                       const PromptEncoder& prompts) {
  Input input(file);
  const WorkloadOptions options{
      .limit = choice.limit, .max_tokens = choice.max_tokens, .groups = groups_of(choice, file)};
  const std::string name = file == "-" ? file : std::filesystem::path(file).stem().string();
  return read_workload(input.stream(), input.name(), name, prompts, options);
}

}  // namespace

CLI::Option* add_workload_options(CLI::App& app, WorkloadChoice& choice) {
  CLI::Option* workload =
      app.add_option("--workload", choice.files, "Requests to replay, as kvs-serve run takes them")
          ->type_name("FILE")
          ->allow_extra_args()
          ->required();
  app.add_option("--limit", choice.limit, "Only the first N requests of each workload")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 30));
  app.add_option("--max-tokens", choice.max_tokens, "Length of an answer at most")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--tenants", choice.tenants,
                 "Share groups; otherwise tenants.json beside the workload, where there is one")
      ->type_name("FILE");
  return workload;
}

std::vector<Workload> open_workloads(const WorkloadChoice& choice, const PromptEncoder& prompts) {
  std::vector<Workload> workloads;
  for (const std::string& file : choice.files)
    workloads.push_back(open_workload(choice, file, prompts));
  return workloads;
}

}  // namespace kvs
