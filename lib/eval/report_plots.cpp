#include "eval/report_plots.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

namespace kvs {
namespace {

// Colours that stay apart for most kinds of colour blindness (Okabe and Ito, 2008).
constexpr std::array<const char*, 8> kColours{"#000000", "#e69f00", "#56b4e9", "#009e73",
                                              "#8b5a2b", "#0072b2", "#d55e00", "#cc79a7"};
constexpr double kLeastKl = 1e-5;  // nats; a logarithm has no 0, and less is rounding

// The policies of one name, by budget, where only exact rows are donors.
std::vector<const PolicyFigures*> named(const WorkloadFigures& workload, const std::string& name) {
  std::vector<const PolicyFigures*> found;
  for (const PolicyFigures& policy : workload.policies)
    if (policy.name == name && policy.donor_depth == 0) found.push_back(&policy);
  std::sort(found.begin(), found.end(), [](const PolicyFigures* left, const PolicyFigures* right) {
    return left->budget.value_or(0) < right->budget.value_or(0);
  });
  return found;
}

std::string position_title(const PolicyFigures& policy, const PartFigures& part) {
  return fmt::format("{}: {:.0f} % exact, {:.0f} % shifted, {:.0f} % recomputed, {:.0f} % computed",
                     policy.label(), part.exact * 100, part.shifted * 100, part.recomputed * 100,
                     part.computed * 100);
}

}  // namespace

void Palette::add(const std::string& name) {
  if (std::find(names_.begin(), names_.end(), name) == names_.end()) names_.push_back(name);
}

std::string Palette::colour(const std::string& name) const {
  const auto at = std::find(names_.begin(), names_.end(), name) - names_.begin();
  return kColours[static_cast<size_t>(at) % kColours.size()];
}

Ranges::Ranges(std::span<const WorkloadFigures> workloads) {
  for (const WorkloadFigures& workload : workloads) {
    for (const PolicyFigures& policy : workload.policies) add(policy);
    if (workload.noise_floor) add_kl(workload.noise_floor->kl_mean);
  }
}

void Ranges::add(const PolicyFigures& policy) {
  if (policy.speedup > 0) {
    speedup_low = std::min(speedup_low, policy.speedup * 0.9);
    speedup_high = std::max(speedup_high, policy.speedup_interval.high * 1.1);
  }
  if (policy.name != "full") add_kl(policy.kl_mean);
  largest_depth = std::max(largest_depth, policy.donor_depth);
  positions |= !policy.reused_by_position.empty();
  if (policy.ttft_ms.empty()) return;
  ttft_low = std::min(ttft_low, std::max(policy.ttft_ms.front(), 0.01));
  ttft_high = std::max(ttft_high, policy.ttft_ms.back());
}

void Ranges::add_kl(double kl) {
  kl_low = std::min(kl_low, std::max(kl, kLeastKl) * 0.7);
  kl_high = std::max(kl_high, kl * 1.4);
}

Plot quality_plot(const WorkloadFigures& workload, const Palette& palette, const Ranges& ranges) {
  Plot plot{.title = workload.label(),
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
  Plot plot{.title = workload.label(),
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
  Plot plot{.title = workload.label(),
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

Plot position_plot(const WorkloadFigures& workload, const Palette& palette) {
  Plot plot{.title = workload.label(),
            .x = {"place in the prompt", 0, 1, false, true},
            .y = {"tokens reused", 0, 1, false, true}};
  for (const std::string& name : palette.names()) {
    const auto policies = named(workload, name);
    if (policies.empty()) continue;
    PlotLine line{.colour = palette.colour(name)};
    const std::vector<PartFigures>& parts = policies.front()->reused_by_position;
    for (size_t at = 0; at < parts.size(); ++at)
      line.points.push_back({(static_cast<double>(at) + 0.5) / static_cast<double>(parts.size()),
                             parts[at].reused(), position_title(*policies.front(), parts[at])});
    plot.lines.push_back(std::move(line));
  }
  return plot;
}

Plot depth_plot(const WorkloadFigures& workload, const Palette& palette, const Ranges& ranges) {
  Plot plot{.title = workload.label(),
            .x = {"largest depth of a donor's rows", 0, static_cast<double>(ranges.largest_depth)},
            .y = {"KL to full, nats", ranges.kl_low, ranges.kl_high, true}};
  std::map<std::pair<std::string, double>, std::vector<const PolicyFigures*>> lines;
  for (const PolicyFigures& policy : workload.policies)
    lines[{policy.name, policy.budget.value_or(-1)}].push_back(&policy);
  for (auto& [of, policies] : lines) {
    if (policies.size() < 2) continue;
    std::sort(policies.begin(), policies.end(),
              [](const auto* a, const auto* b) { return a->donor_depth < b->donor_depth; });
    PlotLine line{.colour = palette.colour(of.first)};
    for (const PolicyFigures* policy : policies)
      line.points.push_back({static_cast<double>(policy->donor_depth), policy->kl_mean,
                             fmt::format("{}: KL {:.2g}, {:.1f} % reused", policy->label(),
                                         policy->kl_mean, policy->hit_rate * 100)});
    plot.lines.push_back(std::move(line));
  }
  return plot;
}

std::vector<BarGroup> hit_bars(std::span<const WorkloadFigures> workloads, const Palette& palette) {
  std::vector<BarGroup> groups;
  for (const WorkloadFigures& workload : workloads) {
    BarGroup group{.name = workload.label()};
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
  return groups;
}

}  // namespace kvs
