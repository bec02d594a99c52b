#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/report_plots.h"
#include "eval/report_tables.h"
#include "kvs/report.h"

namespace kvs {

struct TraceStoreFigures {
  std::string policy;
  int64_t bytes = 0;
  double hit_rate = 0, work_spared = 0;
};

/// What `kvs-eval trace` found.
struct TraceFigures {
  std::string name;
  int64_t requests = 0, tokens = 0;
  std::vector<TraceStoreFigures> stores;
  TraceStoreFigures unlimited;
};

/// Throws as make_report does.
TraceFigures read_trace_figures(const EvaluationFile& file);

Table trace_table(const TraceFigures& trace);
/// Hit rate against memory, a line for each policy.
Plot trace_plot(const TraceFigures& trace, const Palette& palette);

}  // namespace kvs
