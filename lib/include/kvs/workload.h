#pragma once

#include <cstdint>
#include <filesystem>
#include <istream>
#include <map>
#include <string>
#include <vector>

#include "kvs/export.h"
#include "kvs/model_config.h"
#include "kvs/prompt_encoder.h"
#include "kvs/request.h"

namespace kvs {

/// One request of a workload, in tokens.
struct WorkloadRequest {
  Request request;              ///< its prompt is given up: see tokens
  std::vector<int32_t> tokens;  ///< at least one
  std::string group;            ///< the share group of its tenant
  bool similar = false;         ///< see mark_similar
};

/// Requests in order of time.
struct Workload {
  std::string name;
  std::vector<WorkloadRequest> requests;
};

/// Which tenants share donors: tenant to group. A tenant that is not there is a group of its own.
using TenantGroups = std::map<std::string, std::string>;

/// Reads {"groups":{"GROUP":["TENANT", ...], ...}}. Throws Error(io) where the file cannot be read,
/// Error(format) where it says something else or names a tenant twice.
KVS_API TenantGroups read_tenant_groups(const std::filesystem::path& file);

struct WorkloadOptions {
  int64_t limit = 0;         ///< only the first so many requests by time; 0: all
  int64_t max_tokens = 128;  ///< of an answer at most; requests may ask for less, but at least 1
  TenantGroups groups;
};

/// Reads requests as RequestReader does and sorts them by arrival, equal ones as they stand. `in`
/// must outlive the call only; `source` names it in messages. Throws what RequestReader and
/// PromptEncoder throw, and Error(format) where there is no request.
KVS_API Workload read_workload(std::istream& in, const std::string& source, std::string name,
                               const PromptEncoder& prompts, const WorkloadOptions& options);

/// Throws Error(argument), naming workload and request, where a prompt leaves no room for an answer
/// in the model's context, or has a token outside its vocabulary.
KVS_API void require_fit(const Workload& workload, const ModelConfig& model);

/// Sets `similar` where an earlier prompt of the same share group is not identical and has at least
/// half of the tokens in spans of 8 or more, wherever these stand. O(pairs of prompts x tokens).
/// Source: design, section 8.
KVS_API void mark_similar(Workload& workload);

}  // namespace kvs
