#pragma once

#include <span>
#include <string>
#include <vector>

#include "eval/report_figures.h"
#include "eval/svg_plot.h"

namespace kvs {

/// Policies in order of appearance; the same policy has one colour on the whole page.
class Palette {
 public:
  void add(const std::string& name);

  const std::vector<std::string>& names() const { return names_; }
  std::string colour(const std::string& name) const;

 private:
  std::vector<std::string> names_;
};

/// What the plots of all workloads have in common, so that they can be compared.
struct Ranges {
  double speedup_low = 0.9, speedup_high = 1.2;
  double kl_low = 1e-2, kl_high = 1e-1;
  double ttft_low = 1e300, ttft_high = 0;  ///< low above high: there are no times
  int largest_depth = 0;                   ///< of the donors' rows
  bool positions = false;                  ///< whether it is known where tokens were reused

  explicit Ranges(std::span<const WorkloadFigures> workloads);

 private:
  void add(const PolicyFigures& policy);
  void add_kl(double kl);
};

/// One plot of one workload. Where there is one line for each policy, it is that of the smallest
/// budget.
Plot quality_plot(const WorkloadFigures& workload, const Palette& palette, const Ranges& ranges);
Plot reuse_plot(const WorkloadFigures& workload, const Palette& palette);
Plot position_plot(const WorkloadFigures& workload, const Palette& palette);
Plot ttft_plot(const WorkloadFigures& workload, const Palette& palette, const Ranges& ranges);

/// How errors pile up where approximate rows are donors: a line for each policy and budget. The
/// other plots leave these out.
Plot depth_plot(const WorkloadFigures& workload, const Palette& palette, const Ranges& ranges);

/// Hit rates of the policies, a group for each workload.
std::vector<BarGroup> hit_bars(std::span<const WorkloadFigures> workloads, const Palette& palette);

}  // namespace kvs
