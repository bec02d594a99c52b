#pragma once

#include <string>
#include <vector>

#include "eval/report_figures.h"
#include "eval/report_tables.h"
#include "eval/trace_report.h"
#include "eval/trap_report.h"

namespace kvs {

/// All that a report shows.
struct ReportFigures {
  std::vector<WorkloadFigures> workloads;
  std::vector<TrapFigures> traps;
  std::vector<TraceFigures> traces;
};

std::vector<Table> tables_of(const ReportFigures& figures);

/// A page of HTML. What there are no figures of is left out.
std::string report_page(const ReportFigures& figures);

}  // namespace kvs
