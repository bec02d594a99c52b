#include "eval/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvs {
namespace {

constexpr double kWidth = 360, kHeight = 250;
constexpr double kLeft = 56, kRight = 344, kTop = 28, kBottom = 206;

double share_along(const PlotAxis& axis, double value) {
  const auto scale = [&](double v) { return axis.logarithmic ? std::log(std::max(v, 1e-300)) : v; };
  const double span = scale(axis.high) - scale(axis.low);
  const double share = span > 0 ? (scale(value) - scale(axis.low)) / span : 0.5;
  return std::clamp(share, 0.0, 1.0);
}

double x_of(const Plot& plot, double value) {
  return kLeft + share_along(plot.x, value) * (kRight - kLeft);
}

double y_of(const Plot& plot, double value) {
  return kBottom - share_along(plot.y, value) * (kBottom - kTop);
}

std::vector<double> ticks_of(const PlotAxis& axis) {
  std::vector<double> ticks;
  const double decades = std::log10(axis.high / std::max(axis.low, 1e-300));
  if (!axis.logarithmic) {
    for (int step = 0; step <= 4; ++step)
      ticks.push_back(axis.low + step * (axis.high - axis.low) / 4);
    return ticks;
  }
  const int each = std::max(1, static_cast<int>(std::ceil(decades / 6)));
  for (int power = -18; power <= 18; ++power)
    for (const double digit : {1.0, 2.0, 5.0}) {
      const double tick = digit * std::pow(10.0, power);
      const bool wanted = digit == 1 ? power % each == 0 : decades <= 2.5;
      if (wanted && tick >= axis.low * 0.999 && tick <= axis.high * 1.001) ticks.push_back(tick);
    }
  return ticks;
}

std::string number_text(const PlotAxis& axis, double value) {
  if (axis.percent) return fmt::format("{:.0f} %", value * 100);
  return value != 0 && std::abs(value) < 1e-3 ? fmt::format("{:.0e}", value)
                                              : fmt::format("{:g}", value);
}

std::string text_at(double x, double y, std::string_view attributes, std::string_view text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>", x, y, attributes,
                     html_text(text));
}

std::string line_between(double x1, double y1, double x2, double y2, std::string_view attributes) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>", x1, y1,
                     x2, y2, attributes);
}

std::string axes(const Plot& plot) {
  std::string svg;
  for (const double tick : ticks_of(plot.x)) {
    const double x = x_of(plot, tick);
    svg += line_between(x, kTop, x, kBottom, "stroke=\"#e4e4e4\"");
    svg += text_at(x, kBottom + 14, "text-anchor=\"middle\"", number_text(plot.x, tick));
  }
  for (const double tick : ticks_of(plot.y)) {
    const double y = y_of(plot, tick);
    svg += line_between(kLeft, y, kRight, y, "stroke=\"#e4e4e4\"");
    svg += text_at(kLeft - 5, y + 4, "text-anchor=\"end\"", number_text(plot.y, tick));
  }
  svg += line_between(kLeft, kBottom, kRight, kBottom, "stroke=\"#555\"");
  svg += line_between(kLeft, kTop, kLeft, kBottom, "stroke=\"#555\"");
  svg += text_at((kLeft + kRight) / 2, kBottom + 32, "text-anchor=\"middle\"", plot.x.name);
  const double middle = (kTop + kBottom) / 2;
  svg += text_at(12, middle,
                 fmt::format("text-anchor=\"middle\" transform=\"rotate(-90 12 {})\"", middle),
                 plot.y.name);
  return svg + text_at(kLeft, 16, "font-weight=\"bold\" font-size=\"13\"", plot.title);
}

std::string draw_line(const Plot& plot, const PlotLine& line) {
  std::string path, marks;
  for (const PlotPoint& point : line.points) {
    const double x = x_of(plot, point.x);
    const double y = y_of(plot, point.y);
    path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "" : " ", x, y);
    if (point.low && point.high)
      marks += line_between(x_of(plot, *point.low), y, x_of(plot, *point.high), y,
                            fmt::format("stroke=\"{}\" stroke-opacity=\"0.5\"", line.colour));
    if (line.markers)
      marks += fmt::format(
          "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"{}\" "
          "stroke=\"#fff\"><title>{}</title></circle>",
          x, y, line.colour, html_text(point.title));
  }
  const std::string title =
      line.markers || line.points.empty() ? "" : html_text(line.points.front().title);
  return fmt::format(
             "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{}>"
             "<title>{}</title></polyline>",
             path, line.colour, line.dashed ? " stroke-dasharray=\"5 4\"" : "", title) +
         marks;
}

std::string svg_element(double width, double height, std::string_view content) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" "
      "width=\"{0}\" height=\"{1}\" font-family=\"sans-serif\" font-size=\"11\" "
      "fill=\"#333\">{2}</svg>\n",
      width, height, content);
}

}  // namespace

std::string html_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (static_cast<unsigned char>(c) < ' ')
      out += ' ';
    else
      out += c;
  }
  return out;
}

std::string draw_plot(const Plot& plot) {
  std::string svg = axes(plot);
  for (const PlotLine& line : plot.lines) svg += draw_line(plot, line);
  return svg_element(kWidth, kHeight, svg);
}

std::string draw_bars(const std::vector<BarGroup>& groups) {
  constexpr double kBar = 16, kGap = 26;
  Plot plot{.y = {.name = "hit rate", .percent = true}};
  double x = kLeft + kGap / 2;
  std::string bars;
  for (const BarGroup& group : groups) {
    const double begin = x;
    for (size_t at = 0; at < group.bars.size(); ++at, x += kBar) {
      const double y = y_of(plot, group.bars[at].y);
      bars += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
          "fill=\"{}\"><title>{}</title></rect>",
          x, std::min(y, kBottom - 1), kBar - 2, std::max(kBottom - y, 1.0), group.colours[at],
          html_text(group.bars[at].title));
    }
    bars += text_at((begin + x) / 2, kBottom + 16, "text-anchor=\"middle\"", group.name);
    x += std::max(kGap, static_cast<double>(group.name.size()) * 6.2 - (x - begin) + 8);
  }
  std::string grid;
  for (const double tick : ticks_of(plot.y)) {
    const double y = y_of(plot, tick);
    grid += line_between(kLeft, y, x, y, "stroke=\"#e4e4e4\"");
    grid += text_at(kLeft - 5, y + 4, "text-anchor=\"end\"", number_text(plot.y, tick));
  }
  return svg_element(std::ceil(x), kBottom + 26,
                     grid + bars + line_between(kLeft, kBottom, x, kBottom, "stroke=\"#555\""));
}

}  // namespace kvs
