#include "tools/load_table.h"

#include <fmt/format.h>

#include "tools/table_number.h"

namespace kvs {
namespace {

std::string row(const char* name, const Json& times) {
  std::string text = fmt::format("{:<9}", name);
  for (const char* figure : {"mean", "p50", "p90", "p99", "max"})
    text += fmt::format("{:>10}", times.is_object() ? number(times.get(figure), 1) : "-");
  return text + "\n";
}

std::string errors_of(const Json& errors) {
  std::string text;
  for (const auto& [code, count] : errors.as_object())
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", code, count.as_int());
  return text.empty() ? "none" : text;
}

}  // namespace

std::string load_table_of(const Json& load) {
  std::string text = fmt::format(
      "answered {} of {} requests in {} s: {} requests/s, {} tokens/s\n"
      "errors   {}\n"
      "cached   {} % of {} prompt tokens\n"
      "goodput  {} requests/s with TTFT within {} ms ({} requests)\n",
      load.get("answered").as_int(), load.get("requests").as_int(), number(load.get("seconds"), 1),
      number(load.get("requests_per_s"), 2), number(load.get("tokens_per_s"), 1),
      errors_of(load.get("errors")), number(load.get("cached_share"), 1, 100),
      load.get("prompt_tokens").as_int(), number(load.get("goodput_per_s"), 2),
      number(load.get("ttft_limit_ms"), 0), load.get("within_limit").as_int());
  text +=
      fmt::format("{:<9}{:>10}{:>10}{:>10}{:>10}{:>10}\n", "", "mean", "p50", "p90", "p99", "max");
  return text + row("TTFT ms", load.get("ttft_ms")) + row("TPOT ms", load.get("tpot_ms")) +
         row("total ms", load.get("total_ms"));
}

}  // namespace kvs
