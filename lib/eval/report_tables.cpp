#include <fmt/format.h>

#include <algorithm>

#include "eval/report_figures.h"
#include "eval/report_rows.h"

namespace kvs {
namespace {

constexpr std::array<const char*, 11> kHeads{"policy",  "budget",  "hit %",       "similar %",
                                             "TTFT ms", "p95 ms",  "speed-up",    "KL",
                                             "top-1 %", "exact %", "ROUGE-L/full"};

std::string optional_text(const std::optional<double>& value, int digits, double scale = 1) {
  return value ? fmt::format("{:.{}f}", *value * scale, digits) : "-";
}

Row row_of(const PolicyFigures& policy, const std::string& name) {
  const Interval& interval = policy.speedup_interval;
  return {name,
          optional_text(policy.budget, 2),
          fmt::format("{:.1f}", policy.hit_rate * 100),
          optional_text(policy.hit_rate_similar, 1, 100),
          fmt::format("{:.0f}", policy.ttft_median_ms),
          fmt::format("{:.0f}", policy.ttft_p95_ms),
          fmt::format("{:.2f} ({:.2f}-{:.2f})", policy.speedup, interval.low, interval.high),
          fmt::format("{:.4f}", policy.kl_mean),
          fmt::format("{:.1f}", policy.top1_agreement * 100),
          optional_text(policy.exact_match, 1, 100),
          optional_text(policy.rouge_l_vs_full, 3)};
}

std::string terminal_table(const std::vector<Row>& rows) {
  std::vector<size_t> widths(kHeads.size());
  for (const Row& row : rows)
    for (size_t column = 0; column < row.size(); ++column)
      widths[column] = std::max(widths[column], row[column].size());
  std::string text;
  for (const Row& row : rows) {
    for (size_t column = 0; column < row.size(); ++column)
      text += column == 0 ? fmt::format("{:<{}}", row[0], widths[0])
                          : fmt::format("  {:>{}}", row[column], widths[column]);
    text += '\n';
  }
  return text;
}

// A name from outside must not end its cell.
std::string markdown_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '\\' || c == '*' || c == '_' || c == '`' || c == '<') out += '\\';
    out += c == '\n' || c == '\r' ? ' ' : c;
  }
  return out;
}

std::string markdown_table(const std::vector<Row>& rows) {
  std::string text;
  for (size_t at = 0; at < rows.size(); ++at) {
    for (const std::string& cell : rows[at]) text += "| " + markdown_text(cell) + " ";
    text += "|\n";
    if (at > 0) continue;
    for (size_t column = 0; column < kHeads.size(); ++column)
      text += column == 0 ? "|---" : "|---:";
    text += "|\n";
  }
  return text;
}

}  // namespace

std::vector<Row> table_rows(const WorkloadFigures& workload) {
  std::vector<Row> rows{Row(kHeads.begin(), kHeads.end())};
  for (const PolicyFigures& policy : workload.policies) rows.push_back(row_of(policy, policy.name));
  if (workload.noise_floor) rows.push_back(row_of(*workload.noise_floor, "(noise floor)"));
  return rows;
}

std::string report_tables(std::span<const WorkloadFigures> workloads, ReportFormat format) {
  std::string text;
  std::string origin;
  for (const WorkloadFigures& workload : workloads) {
    if (!text.empty()) text += '\n';
    if (!workload.origin.empty() && workload.origin != origin) text += workload.origin + "\n\n";
    origin = workload.origin;
    const std::vector<Row> rows = table_rows(workload);
    if (format == ReportFormat::markdown)
      text +=
          fmt::format("### {}, {} requests\n\n", markdown_text(workload.name), workload.requests) +
          markdown_table(rows);
    else
      text +=
          fmt::format("{}, {} requests\n", workload.name, workload.requests) + terminal_table(rows);
  }
  return text;
}

}  // namespace kvs
