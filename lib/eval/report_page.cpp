#include "eval/report_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/report_plots.h"

namespace kvs {
namespace {

constexpr std::string_view kHead = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Reuse of KV: evaluation</title><style>
body{font:14px/1.45 sans-serif;color:#222;max-width:1130px;margin:24px auto;padding:0 16px}
h1{font-size:22px}h2{font-size:17px;margin:28px 0 4px}h3{font-size:14px;margin:18px 0 4px}
p{margin:4px 0 10px;color:#555}.plots{display:flex;flex-wrap:wrap;gap:6px}
.wide{overflow-x:auto}.legend span{margin-right:16px;white-space:nowrap}
.legend i{display:inline-block;width:12px;height:12px;margin-right:5px;border-radius:6px}
table{border-collapse:collapse;font-size:13px}th,td{padding:3px 9px;text-align:right}
th{border-bottom:1px solid #888}td{border-bottom:1px solid #e4e4e4}
th:first-child,td:first-child{text-align:left}
</style></head><body>
<h1>Reuse of KV: evaluation</h1>
)";

std::string legend(const Palette& palette) {
  std::string html = "<p class=\"legend\">";
  for (const std::string& name : palette.names())
    html += fmt::format("<span><i style=\"background:{}\"></i>{}</span>", palette.colour(name),
                        html_text(name));
  return html + "</p>\n";
}

template <typename Figures, typename MakePlot>
std::string plots(const std::vector<Figures>& all, MakePlot make) {
  std::string html = "<div class=\"plots\">\n";
  for (const Figures& figures : all) html += draw_plot(make(figures));
  return html + "</div>\n";
}

Palette palette_of(const ReportFigures& figures) {
  Palette palette;
  for (const WorkloadFigures& workload : figures.workloads)
    for (const PolicyFigures& policy : workload.policies) palette.add(policy.name);
  for (const TrapFigures& traps : figures.traps)
    for (const TrapPolicyFigures& policy : traps.policies) palette.add(policy.name);
  return palette;
}

std::string origins(const std::vector<Table>& tables) {
  std::vector<std::string> seen;
  for (const Table& table : tables)
    if (!table.origin.empty() && std::find(seen.begin(), seen.end(), table.origin) == seen.end())
      seen.push_back(table.origin);
  std::string html;
  for (const std::string& origin : seen) html += "<p>" + html_text(origin) + "</p>\n";
  return html;
}

std::string workload_sections(const std::vector<WorkloadFigures>& workloads,
                              const Palette& palette) {
  const Ranges ranges(workloads);
  std::string html =
      "<h2>Quality against speed-up</h2>\n<p>Right and down is better. A curve joins the "
      "budgets of a policy; bars are the intervals of the speed-up; the dashed line is one "
      "full run against another. What lies on the lower edge is below 1e-5.</p>\n";
  html += plots(workloads, [&](const auto& w) { return quality_plot(w, palette, ranges); });
  html +=
      "<h2>Hit rate by workload</h2>\n<p>Tokens reused of all tokens; each policy at its "
      "smallest budget, here and below.</p>\n";
  html += "<div class=\"wide\">" + draw_bars(hit_bars(workloads, palette)) + "</div>\n";
  html += "<h2>How much of a prompt is reused</h2>\n";
  html += plots(workloads, [&](const auto& w) { return reuse_plot(w, palette); });
  if (ranges.positions) {
    html +=
        "<h2>Where in the prompt tokens are reused</h2>\n<p>The beginning is left; prompts of all "
        "lengths are put one over another.</p>\n";
    html += plots(workloads, [&](const auto& w) { return position_plot(w, palette); });
  }
  if (ranges.ttft_high > 0) {
    html += "<h2>Time to first token</h2>\n<p>Left is better.</p>\n";
    html += plots(workloads, [&](const auto& w) { return ttft_plot(w, palette, ranges); });
  }
  if (ranges.largest_depth > 0) {
    html +=
        "<h2>Approximate donors</h2>\n<p>How errors pile up where rows that were computed over "
        "others' rows serve third ones.</p>\n";
    html += plots(workloads, [&](const auto& w) { return depth_plot(w, palette, ranges); });
  }
  return html;
}

std::string trap_section(const std::vector<TrapFigures>& traps, const Palette& palette) {
  return "<h2>Traps: one decisive word or number</h2>\n<p>Up and left is better. The donor differs "
         "from the prompt in what is asked for; a choice other than the full run's is the "
         "donor's.</p>\n" +
         plots(traps, [&](const auto& t) { return trap_plot(t, palette); });
}

// Its rules for what goes first are no policies of reuse: they have colours of their own.
std::string trace_section(const std::vector<TraceFigures>& traces) {
  Palette palette;
  for (const TraceFigures& trace : traces)
    for (const TraceStoreFigures& store : trace.stores) palette.add(store.policy);
  return "<h2>Traces: hit rate against memory</h2>\n<p>Tokens found at the beginning of the "
         "requests, by what goes first when there is no room; the dashed line is a store that "
         "nothing leaves.</p>\n" +
         legend(palette) + plots(traces, [&](const auto& t) { return trace_plot(t, palette); });
}

}  // namespace

std::string report_page(const ReportFigures& figures) {
  const Palette palette = palette_of(figures);
  const std::vector<Table> tables = tables_of(figures);
  std::string html = std::string(kHead) + origins(tables);
  if (!palette.names().empty()) html += legend(palette);
  if (!figures.workloads.empty()) html += workload_sections(figures.workloads, palette);
  if (!figures.traps.empty()) html += trap_section(figures.traps, palette);
  if (!figures.traces.empty()) html += trace_section(figures.traces);
  html += "<h2>Figures</h2>\n";
  for (const Table& table : tables)
    html += "<h3>" + html_text(table.title) + "</h3>\n" + html_table(table);
  return html + "</body></html>\n";
}

}  // namespace kvs
