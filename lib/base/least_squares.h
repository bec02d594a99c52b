#pragma once

#include <span>
#include <vector>

namespace kvs {

/// The weights w that minimise the sum of (row . w - target)^2, plus `ridge` times the sum of w^2,
/// which keeps them bounded where rows say little about one; weights that nothing determines are 0.
/// rows: all of one length; one target each.
std::vector<double> least_squares(std::span<const std::vector<double>> rows,
                                  std::span<const double> targets, double ridge = 0);

}  // namespace kvs
