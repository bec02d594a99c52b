#pragma once

#include <span>
#include <string>
#include <vector>

#include "eval/report_figures.h"

namespace kvs {

using Row = std::vector<std::string>;

struct Table {
  std::string title;
  std::string origin;     ///< model, machine, commit; said where it changes
  std::vector<Row> rows;  ///< the head first; all of one length
};

/// A table of times and divergence for each workload; behind the last of one name, one of how much
/// is reused, by isolation.
std::vector<Table> workload_tables(std::span<const WorkloadFigures> workloads);

/// `format`: terminal or markdown.
std::string text_of_tables(std::span<const Table> tables, ReportFormat format);

/// An element of HTML, without the title.
std::string html_table(const Table& table);

}  // namespace kvs
