#include "eval/report_tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/svg_plot.h"

namespace kvs {
namespace {

std::string terminal_table(const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows.front().size());
  for (const Row& row : rows)
    for (size_t column = 0; column < row.size(); ++column)
      widths[column] = std::max(widths[column], row[column].size());
  std::string text;
  for (const Row& row : rows) {
    for (size_t column = 0; column < row.size(); ++column)
      text += column == 0 ? fmt::format("{:<{}}", row[0], widths[0])
                          : fmt::format("  {:>{}}", row[column], widths[column]);
    text += '\n';
  }
  return text;
}

// A name from outside must not end its cell.
std::string markdown_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '\\' || c == '*' || c == '_' || c == '`' || c == '<') out += '\\';
    out += c == '\n' || c == '\r' ? ' ' : c;
  }
  return out;
}

std::string markdown_table(const std::vector<Row>& rows) {
  std::string text;
  for (size_t at = 0; at < rows.size(); ++at) {
    for (const std::string& cell : rows[at]) text += "| " + markdown_text(cell) + " ";
    text += "|\n";
    if (at > 0) continue;
    for (size_t column = 0; column < rows[at].size(); ++column)
      text += column == 0 ? "|---" : "|---:";
    text += "|\n";
  }
  return text;
}

}  // namespace

std::string text_of_tables(std::span<const Table> tables, ReportFormat format) {
  std::string text;
  std::string origin;
  for (const Table& table : tables) {
    if (!text.empty()) text += '\n';
    if (!table.origin.empty() && table.origin != origin) text += table.origin + "\n\n";
    origin = table.origin;
    if (format == ReportFormat::markdown)
      text += "### " + markdown_text(table.title) + "\n\n" + markdown_table(table.rows);
    else
      text += table.title + "\n" + terminal_table(table.rows);
  }
  return text;
}

std::string html_table(const Table& table) {
  std::string html = "<div class=\"wide\"><table>\n";
  for (size_t at = 0; at < table.rows.size(); ++at) {
    const std::string_view tag = at == 0 ? "th" : "td";
    html += "<tr>";
    for (const std::string& cell : table.rows[at])
      html += fmt::format("<{0}>{1}</{0}>", tag, html_text(cell));
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

}  // namespace kvs
