#include <fmt/format.h>

#include <algorithm>

#include "eval/report_figures.h"
#include "eval/report_plots.h"
#include "eval/report_tables.h"

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

template <typename MakePlot>
std::string plots(std::span<const WorkloadFigures> workloads, MakePlot make) {
  std::string html = "<div class=\"plots\">\n";
  for (const WorkloadFigures& workload : workloads) html += draw_plot(make(workload));
  return html + "</div>\n";
}

std::string origins(std::span<const WorkloadFigures> workloads) {
  std::vector<std::string> seen;
  for (const WorkloadFigures& workload : workloads)
    if (std::find(seen.begin(), seen.end(), workload.origin) == seen.end())
      seen.push_back(workload.origin);
  std::string html;
  for (const std::string& origin : seen) html += "<p>" + html_text(origin) + "</p>\n";
  return html;
}

}  // namespace

std::string report_page(std::span<const WorkloadFigures> workloads) {
  const Palette palette(workloads);
  const Ranges ranges(workloads);
  std::string html = std::string(kHead) + origins(workloads) + legend(palette);
  html +=
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
  html += "<h2>Figures</h2>\n";
  for (const Table& table : workload_tables(workloads))
    html += "<h3>" + html_text(table.title) + "</h3>\n" + html_table(table);
  return html + "</body></html>\n";
}

}  // namespace kvs
