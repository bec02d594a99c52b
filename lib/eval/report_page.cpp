#include <fmt/format.h>

#include <algorithm>

#include "eval/report_figures.h"
#include "eval/report_rows.h"
#include "eval/svg_plot.h"

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

// Colours that stay apart for most kinds of colour blindness (Okabe and Ito, 2008).
constexpr std::array<const char*, 8> kColours{"#000000", "#e69f00", "#56b4e9", "#009e73",
                                              "#8b5a2b", "#0072b2", "#d55e00", "#cc79a7"};
constexpr double kLeastKl = 1e-5;  // nats; a logarithm has no 0, and less is rounding

// Policies in order of appearance; the same policy has one colour on the whole page.
class Palette {
 public:
  explicit Palette(std::span<const WorkloadFigures> workloads) {
    for (const WorkloadFigures& workload : workloads)
      for (const PolicyFigures& policy : workload.policies)
        if (std::find(names_.begin(), names_.end(), policy.name) == names_.end())
          names_.push_back(policy.name);
  }

  const std::vector<std::string>& names() const { return names_; }

  std::string colour(const std::string& name) const {
    const auto at = std::find(names_.begin(), names_.end(), name) - names_.begin();
    return kColours[static_cast<size_t>(at) % kColours.size()];
  }

  std::string legend() const {
    std::string html = "<p class=\"legend\">";
    for (const std::string& name : names_)
      html += fmt::format("<span><i style=\"background:{}\"></i>{}</span>", colour(name),
                          html_text(name));
    return html + "</p>\n";
  }

 private:
  std::vector<std::string> names_;
};

// The policies of one name, by budget.
std::vector<const PolicyFigures*> named(const WorkloadFigures& workload, const std::string& name) {
  std::vector<const PolicyFigures*> found;
  for (const PolicyFigures& policy : workload.policies)
    if (policy.name == name) found.push_back(&policy);
  std::sort(found.begin(), found.end(), [](const PolicyFigures* left, const PolicyFigures* right) {
    return left->budget.value_or(0) < right->budget.value_or(0);
  });
  return found;
}

// What the plots of all workloads have in common, so that they can be compared.
struct Ranges {
  double speedup_low = 0.9, speedup_high = 1.2;
  double kl_low = 1e-2, kl_high = 1e-1;
  double ttft_low = 1e300, ttft_high = 0;

  explicit Ranges(std::span<const WorkloadFigures> workloads) {
    for (const WorkloadFigures& workload : workloads) {
      for (const PolicyFigures& policy : workload.policies) add(policy);
      if (workload.noise_floor) add_kl(workload.noise_floor->kl_mean);
    }
  }

 private:
  void add(const PolicyFigures& policy) {
    if (policy.speedup > 0) {
      speedup_low = std::min(speedup_low, policy.speedup * 0.9);
      speedup_high = std::max(speedup_high, policy.speedup_interval.high * 1.1);
    }
    if (policy.name != "full") add_kl(policy.kl_mean);
    if (policy.ttft_ms.empty()) return;
    ttft_low = std::min(ttft_low, std::max(policy.ttft_ms.front(), 0.01));
    ttft_high = std::max(ttft_high, policy.ttft_ms.back());
  }

  void add_kl(double kl) {
    kl_low = std::min(kl_low, std::max(kl, kLeastKl) * 0.7);
    kl_high = std::max(kl_high, kl * 1.4);
  }
};

Plot quality_plot(const WorkloadFigures& workload, const Palette& palette, const Ranges& ranges) {
  Plot plot{.title = workload.name,
            .x = {"speed-up of the median TTFT", ranges.speedup_low, ranges.speedup_high, true},
            .y = {"KL to full, nats", ranges.kl_low, ranges.kl_high, true}};
  if (workload.noise_floor) {
    const double kl = workload.noise_floor->kl_mean;
    const std::string title = fmt::format("full against full: KL {:.2g}", kl);
    plot.lines.push_back({.colour = "#999",
                          .points = {{ranges.speedup_low, kl, title}, {ranges.speedup_high, kl}},
                          .markers = false,
                          .dashed = true});
  }
  for (const std::string& name : palette.names()) {
    PlotLine line{.colour = palette.colour(name)};
    for (const PolicyFigures* policy : named(workload, name))
      line.points.push_back(
          {policy->speedup, policy->kl_mean,
           fmt::format("{}: {:.2f}x, KL {:.2g}, top-1 {:.1f} %", policy->label(), policy->speedup,
                       policy->kl_mean, policy->top1_agreement * 100),
           policy->speedup_interval.low, policy->speedup_interval.high});
    plot.lines.push_back(std::move(line));
  }
  return plot;
}

Plot reuse_plot(const WorkloadFigures& workload, const Palette& palette) {
  Plot plot{.title = workload.name,
            .x = {"more than this part of the prompt reused", 0.1, 0.9, false, true},
            .y = {"requests", 0, 1, false, true}};
  for (const std::string& name : palette.names()) {
    const auto policies = named(workload, name);
    if (policies.empty()) continue;
    PlotLine line{.colour = palette.colour(name)};
    for (size_t step = 0; step < kReuseSteps.size(); ++step) {
      const double share = policies.front()->reused_over[step];
      line.points.push_back(
          {0.1 + 0.2 * static_cast<double>(step), share,
           fmt::format("{}: {:.0f} % of the requests reuse more than {} %",
                       policies.front()->label(), share * 100, kReuseSteps[step])});
    }
    plot.lines.push_back(std::move(line));
  }
  return plot;
}

Plot ttft_plot(const WorkloadFigures& workload, const Palette& palette, const Ranges& ranges) {
  Plot plot{.title = workload.name,
            .x = {"TTFT, ms", ranges.ttft_low, ranges.ttft_high, true},
            .y = {"requests answered by then", 0, 1, false, true}};
  for (const std::string& name : palette.names()) {
    const auto policies = named(workload, name);
    if (policies.empty()) continue;
    const std::vector<double>& times = policies.front()->ttft_ms;
    PlotLine line{.colour = palette.colour(name), .markers = false};
    for (size_t at = 0; at < times.size(); ++at)
      line.points.push_back({times[at],
                             static_cast<double>(at + 1) / static_cast<double>(times.size()),
                             policies.front()->label()});
    plot.lines.push_back(std::move(line));
  }
  return plot;
}

std::string hit_bars(std::span<const WorkloadFigures> workloads, const Palette& palette) {
  std::vector<BarGroup> groups;
  for (const WorkloadFigures& workload : workloads) {
    BarGroup group{.name = workload.name};
    for (const std::string& name : palette.names()) {
      const auto policies = named(workload, name);
      if (name == "full" || policies.empty()) continue;
      const double rate = policies.front()->hit_rate;
      group.bars.push_back(
          {.y = rate, .title = fmt::format("{}: {:.1f} %", policies.front()->label(), rate * 100)});
      group.colours.push_back(palette.colour(name));
    }
    groups.push_back(std::move(group));
  }
  return "<div class=\"wide\">" + draw_bars(groups) + "</div>\n";
}

std::string html_table(const std::vector<Row>& rows) {
  std::string html = "<div class=\"wide\"><table>\n";
  for (size_t at = 0; at < rows.size(); ++at) {
    const std::string_view tag = at == 0 ? "th" : "td";
    html += "<tr>";
    for (const std::string& cell : rows[at])
      html += fmt::format("<{0}>{1}</{0}>", tag, html_text(cell));
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
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
  std::string html = std::string(kHead) + origins(workloads) + palette.legend();
  html +=
      "<h2>Quality against speed-up</h2>\n<p>Right and down is better. A curve joins the "
      "budgets of a policy; bars are the intervals of the speed-up; the dashed line is one "
      "full run against another. What lies on the lower edge is below 1e-5.</p>\n";
  html += plots(workloads, [&](const auto& w) { return quality_plot(w, palette, ranges); });
  html +=
      "<h2>Hit rate by workload</h2>\n<p>Tokens reused of all tokens; each policy at its "
      "smallest budget, here and below.</p>\n";
  html += hit_bars(workloads, palette);
  html += "<h2>How much of a prompt is reused</h2>\n";
  html += plots(workloads, [&](const auto& w) { return reuse_plot(w, palette); });
  if (ranges.ttft_high > 0) {
    html += "<h2>Time to first token</h2>\n<p>Left is better.</p>\n";
    html += plots(workloads, [&](const auto& w) { return ttft_plot(w, palette, ranges); });
  }
  html += "<h2>Figures</h2>\n";
  for (const WorkloadFigures& workload : workloads)
    html += fmt::format("<h3>{}, {} requests</h3>\n", html_text(workload.name), workload.requests) +
            html_table(table_rows(workload));
  return html + "</body></html>\n";
}

}  // namespace kvs
