#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvs {

struct PlotPoint {
  double x = 0;
  double y = 0;
  std::string title = {};          ///< shown where the mouse rests
  std::optional<double> low = {};  ///< ends of a bar through the point, along x
  std::optional<double> high = {};
};

struct PlotLine {
  std::string colour;
  std::vector<PlotPoint> points;  ///< joined in this order
  bool markers = true;
  bool dashed = false;
};

struct PlotAxis {
  std::string name;
  double low = 0;
  double high = 1;
  bool logarithmic = false;  ///< needs low above 0
  bool percent = false;      ///< 0.5 is written 50 %
};

struct Plot {
  std::string title;
  PlotAxis x, y;
  std::vector<PlotLine> lines;
};

/// `text` with what HTML and SVG would take for markup replaced.
std::string html_text(std::string_view text);

/// An <svg> element of 360 x 250 units that needs nothing else. Points outside an axis are drawn at
/// its end.
std::string draw_plot(const Plot& plot);

struct BarGroup {
  std::string name;
  std::vector<PlotPoint> bars;       ///< y and title; from 0 to 1
  std::vector<std::string> colours;  ///< of each bar
};

/// Groups of bars side by side, in percent.
std::string draw_bars(const std::vector<BarGroup>& groups);

}  // namespace kvs
