#pragma once

#include <string>
#include <vector>

#include "eval/report_figures.h"

namespace kvs {

using Row = std::vector<std::string>;

/// The cells of a workload's table, its head first.
std::vector<Row> table_rows(const WorkloadFigures& workload);

}  // namespace kvs
