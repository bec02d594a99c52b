#include "base/least_squares.h"

#include <cmath>
#include <utility>

namespace kvs {
namespace {

using Matrix = std::vector<std::vector<double>>;

// Gauss-Jordan with pivots from the rows below. The last column is the right-hand side.
std::vector<double> solve(Matrix m) {
  const size_t size = m.size();
  std::vector<double> solution(size);
  for (size_t pivot = 0; pivot < size; ++pivot) {
    for (size_t row = pivot + 1; row < size; ++row)
      if (std::abs(m[row][pivot]) > std::abs(m[pivot][pivot])) std::swap(m[row], m[pivot]);
    if (std::abs(m[pivot][pivot]) < 1e-300) {
      for (size_t row = 0; row < size; ++row) m[row][pivot] = 0;
      m[pivot][pivot] = 1;
      m[pivot][size] = 0;
      continue;
    }
    for (size_t row = 0; row < size; ++row) {
      if (row == pivot) continue;
      const double factor = m[row][pivot] / m[pivot][pivot];
      for (size_t column = pivot; column <= size; ++column)
        m[row][column] -= factor * m[pivot][column];
    }
  }
  for (size_t row = 0; row < size; ++row) solution[row] = m[row][size] / m[row][row];
  return solution;
}

}  // namespace

std::vector<double> least_squares(std::span<const std::vector<double>> rows,
                                  std::span<const double> targets, double ridge) {
  if (rows.empty()) return {};
  const size_t size = rows.front().size();
  Matrix normal(size, std::vector<double>(size + 1));
  for (size_t i = 0; i < rows.size(); ++i)
    for (size_t row = 0; row < size; ++row) {
      for (size_t column = 0; column < size; ++column)
        normal[row][column] += rows[i][row] * rows[i][column];
      normal[row][size] += rows[i][row] * targets[i];
    }
  for (size_t row = 0; row < size; ++row) normal[row][row] += ridge;
  return solve(std::move(normal));
}

}  // namespace kvs
