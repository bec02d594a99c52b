#include "eval/trace_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "eval/report_json.h"

namespace kvs {
namespace {

double gib(int64_t bytes) {
  return static_cast<double>(bytes) / (1 << 30);
}

TraceStoreFigures read_store(const Json& json) {
  TraceStoreFigures store{.policy = json.get("policy").as_string(),
                          .bytes = json.get("bytes").as_int(),
                          .hit_rate = json.get("hit_rate").as_number(),
                          .work_spared = json.get("work_spared").as_number()};
  if (store.bytes < 1) fail(ErrorKind::format, "field 'bytes': expected at least 1");
  return store;
}

Row row_of(const TraceStoreFigures& store) {
  return {store.policy, fmt::format("{:g}", gib(store.bytes)),
          fmt::format("{:.1f}", store.hit_rate * 100),
          fmt::format("{:.1f}", store.work_spared * 100)};
}

PlotPoint point_of(const TraceStoreFigures& store) {
  return {gib(store.bytes), store.hit_rate,
          fmt::format("{}, {:g} GiB: {:.1f} % of the tokens, {:.1f} % of the work", store.policy,
                      gib(store.bytes), store.hit_rate * 100, store.work_spared * 100)};
}

}  // namespace

TraceFigures read_trace_figures(const EvaluationFile& file) {
  TraceFigures trace;
  const std::string where = file.source + ": trace";
  const Json& json = file.evaluation.get("trace");
  const Json::Array& stores = read_at(where, [&]() -> const Json::Array& {
    trace.name = json.get("name").as_string();
    trace.requests = json.get("requests").as_int();
    trace.tokens = json.get("tokens").as_int();
    return json.get("stores").as_array();
  });
  for (size_t at = 0; at < stores.size(); ++at)
    trace.stores.push_back(
        read_at(fmt::format("{}.stores[{}]", where, at), [&] { return read_store(stores[at]); }));
  trace.unlimited =
      read_at(where + ".unlimited", [&] { return read_store(json.get("unlimited")); });
  return trace;
}

Table trace_table(const TraceFigures& trace) {
  Table table{.title = fmt::format("{}, {} requests of {:.0f} tokens in the mean", trace.name,
                                   trace.requests,
                                   static_cast<double>(trace.tokens) /
                                       static_cast<double>(std::max<int64_t>(trace.requests, 1))),
              .rows = {{"store", "memory GiB", "hit %", "work spared %"}}};
  for (const TraceStoreFigures& store : trace.stores) table.rows.push_back(row_of(store));
  table.rows.push_back(row_of(trace.unlimited));
  return table;
}

Plot trace_plot(const TraceFigures& trace, const Palette& palette) {
  const double most = gib(trace.unlimited.bytes);
  const double highest = std::max(std::ceil(trace.unlimited.hit_rate * 5), 1.0) / 5;
  Plot plot{.title = trace.name,
            .x = {"memory of the store, GiB", most, most, true},
            .y = {"tokens found", 0, highest, false, true}};
  for (const std::string& name : palette.names()) {
    PlotLine line{.colour = palette.colour(name)};
    for (const TraceStoreFigures& store : trace.stores)
      if (store.policy == name) line.points.push_back(point_of(store));
    std::sort(line.points.begin(), line.points.end(),
              [](const PlotPoint& a, const PlotPoint& b) { return a.x < b.x; });
    for (const PlotPoint& point : line.points) {
      plot.x.low = std::min(plot.x.low, point.x);
      plot.x.high = std::max(plot.x.high, point.x);
    }
    if (!line.points.empty()) plot.lines.push_back(std::move(line));
  }
  const std::string title = point_of(trace.unlimited).title;
  plot.lines.push_back({.colour = "#999",
                        .points = {{plot.x.low, trace.unlimited.hit_rate, title},
                                   {plot.x.high, trace.unlimited.hit_rate}},
                        .markers = false,
                        .dashed = true});
  return plot;
}

}  // namespace kvs
