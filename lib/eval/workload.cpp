#include "kvs/workload.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "kvs/cover.h"
#include "kvs/error.h"
#include "kvs/json.h"

namespace kvs {
namespace {

constexpr int64_t kSimilarSpan = 8;
constexpr uintmax_t kMaxGroupsBytes = 16 << 20;

std::string read_text(const std::filesystem::path& file) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(file, error);
  std::ifstream in(file, std::ios::binary);
  if (error || !in) fail(ErrorKind::io, "{}: cannot be read", file.string());
  if (size > kMaxGroupsBytes)
    fail(ErrorKind::format, "{}: longer than {} MiB", file.string(), kMaxGroupsBytes >> 20);
  return {std::istreambuf_iterator<char>(in), {}};
}

void add_group(const std::string& where, const Json::Member& member, TenantGroups& groups) {
  const auto& [group, tenants] = member;
  if (!tenants.is_array())
    fail(ErrorKind::format, "{}: group '{}': expected an array of tenants, found {}", where, group,
         tenants.type_name());
  for (const Json& tenant : tenants.as_array()) {
    if (!tenant.is_string())
      fail(ErrorKind::format, "{}: group '{}': expected a tenant's name, found {}", where, group,
           tenant.type_name());
    if (!groups.emplace(tenant.as_string(), group).second)
      fail(ErrorKind::format, "{}: tenant '{}' stands twice", where, tenant.as_string());
  }
}

// Tokens of `later` in spans of 8 or more that `earlier` has, at most.
int64_t shared_tokens(const std::vector<int32_t>& later, const std::vector<int32_t>& earlier) {
  const std::span<const int32_t> donors[] = {earlier};
  int64_t shared = 0;
  for (const SourceSpan& span :
       cover(later, donors, {.min_span = kSimilarSpan, .span_cost = 0, .donor_cost = 0}))
    if (span.count >= kSimilarSpan) shared += span.count;
  return shared;
}

bool is_similar(const WorkloadRequest& later, const WorkloadRequest& earlier) {
  return earlier.group == later.group && earlier.tokens != later.tokens &&
         2 * shared_tokens(later.tokens, earlier.tokens) >=
             static_cast<int64_t>(later.tokens.size());
}

std::vector<Request> read_requests(std::istream& in, const std::string& source,
                                   const WorkloadOptions& options) {
  Request defaults;
  defaults.max_tokens = options.max_tokens;
  RequestReader reader(in, source, defaults);
  std::vector<Request> requests;
  while (std::optional<Request> request = reader.next()) requests.push_back(*std::move(request));
  if (requests.empty()) fail(ErrorKind::format, "{}: no requests", source);
  std::stable_sort(requests.begin(), requests.end(),
                   [](const Request& a, const Request& b) { return a.arrival_ms < b.arrival_ms; });
  if (options.limit > 0 && static_cast<int64_t>(requests.size()) > options.limit)
    requests.resize(options.limit);
  return requests;
}

}  // namespace

TenantGroups read_tenant_groups(const std::filesystem::path& file) {
  const std::string where = file.string();
  const Json json = Json::parse(read_text(file), where);
  const Json* listed = json.find("groups");
  if (!listed || !listed->is_object())
    fail(ErrorKind::format, "{}: field 'groups': expected an object, found {}", where,
         listed ? listed->type_name() : "none");
  TenantGroups groups;
  for (const Json::Member& member : listed->as_object()) add_group(where, member, groups);
  return groups;
}

Workload read_workload(std::istream& in, const std::string& source, std::string name,
                       const PromptEncoder& prompts, const WorkloadOptions& options) {
  Workload workload{.name = std::move(name)};
  for (Request& request : read_requests(in, source, options)) {
    WorkloadRequest& added = workload.requests.emplace_back();
    added.tokens = prompts.encode(request);
    if (added.tokens.empty())
      fail(ErrorKind::format, "{}: request '{}': the prompt is empty", source, request.id);
    request.prompt = Prompt{};
    request.max_tokens = std::clamp<int64_t>(request.max_tokens, 1, options.max_tokens);
    const auto group = options.groups.find(request.tenant);
    added.group = group == options.groups.end() ? request.tenant : group->second;
    added.request = std::move(request);
  }
  mark_similar(workload);
  return workload;
}

void require_fit(const Workload& workload, const ModelConfig& model) {
  for (const WorkloadRequest& request : workload.requests) {
    const auto refuse = [&](const std::string& what) {
      fail(ErrorKind::argument, "{}: request '{}': {}", workload.name, request.request.id, what);
    };
    if (static_cast<int64_t>(request.tokens.size()) >= model.context)
      refuse(fmt::format("the prompt has {} tokens, expected fewer than the model's context of {}",
                         request.tokens.size(), model.context));
    const auto [lowest, highest] =
        std::minmax_element(request.tokens.begin(), request.tokens.end());
    if (*lowest < 0 || *highest >= model.vocab)
      refuse(fmt::format("token {} is outside the vocabulary of {}",
                         *lowest < 0 ? *lowest : *highest, model.vocab));
  }
}

void mark_similar(Workload& workload) {
  std::vector<WorkloadRequest>& requests = workload.requests;
  for (auto later = requests.begin(); later != requests.end(); ++later)
    later->similar =
        std::any_of(std::make_reverse_iterator(later), requests.rend(),
                    [&](const WorkloadRequest& earlier) { return is_similar(*later, earlier); });
}

}  // namespace kvs
