#include "kvs/report.h"

#include "eval/report_json.h"
#include "eval/report_page.h"

namespace kvs {
namespace {

// Names say where they come from where there are several files.
ReportFigures read_all(std::span<const EvaluationFile> files) {
  if (files.empty()) fail(ErrorKind::argument, "report: no evaluations");
  ReportFigures all;
  for (const EvaluationFile& file : files) {
    const std::string suffix = files.size() > 1 ? " (" + file.source + ")" : "";
    if (file.evaluation.find("traps")) {
      all.traps.push_back(read_trap_figures(file));
      all.traps.back().name += suffix;
      continue;
    }
    if (file.evaluation.find("trace")) {
      all.traces.push_back(read_trace_figures(file));
      all.traces.back().name += suffix;
      continue;
    }
    for (WorkloadFigures& workload : read_workload_figures(file)) {
      workload.name += suffix;
      all.workloads.push_back(std::move(workload));
    }
  }
  return all;
}

}  // namespace

std::vector<Table> tables_of(const ReportFigures& figures) {
  std::vector<Table> tables = workload_tables(figures.workloads);
  for (const TrapFigures& traps : figures.traps) tables.push_back(trap_table(traps));
  for (const TraceFigures& trace : figures.traces) tables.push_back(trace_table(trace));
  return tables;
}

ReportFormat report_format_from_name(std::string_view name) {
  if (name == "terminal") return ReportFormat::terminal;
  if (name == "markdown") return ReportFormat::markdown;
  if (name == "html") return ReportFormat::html;
  fail(ErrorKind::argument, "unknown format '{}', expected terminal, markdown or html", name);
}

std::string make_report(std::span<const EvaluationFile> files, ReportFormat format) {
  const ReportFigures figures = read_all(files);
  return format == ReportFormat::html ? report_page(figures)
                                      : text_of_tables(tables_of(figures), format);
}

}  // namespace kvs
