#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/export.h"
#include "kvs/json.h"

namespace kvs {

/// The JSON of one `kvs-eval run` and, where they were kept, the lines of its details.
struct EvaluationFile {
  std::string source;  ///< names it in messages, and in the report where there are several
  Json evaluation;
  std::vector<Json> details;  ///< may be empty; without them no distributions are drawn
};

enum class ReportFormat { terminal, markdown, html };

/// Throws Error(argument) where there is no such format: "terminal", "markdown", "html".
KVS_API ReportFormat report_format_from_name(std::string_view name);

/// Shows evaluations to people. terminal and markdown: a table for each workload. html: a page of
/// its own, UTF-8, that loads nothing and runs nothing, with the same tables behind plots (SVG):
/// divergence against speed-up with a curve for each policy, hit rate by workload, the share of
/// requests that reuse more than 10 to 90 percent, where in the prompts tokens were reused, and
/// TTFT distributions where there are details. Throws Error(format) "file:
/// workloads[0].policies[1]: field 'speedup' is missing" where the JSON is not what kvs-eval(1)
/// describes, Error(argument) where there are no files.
KVS_API std::string make_report(std::span<const EvaluationFile> files, ReportFormat format);

}  // namespace kvs
