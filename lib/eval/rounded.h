#pragma once

#include <cmath>

namespace kvs {

/// For JSON: what the measurement is good for, to so many parts of one.
inline double rounded(double value, double parts = 1e6) {
  return std::round(value * parts) / parts;
}

}  // namespace kvs
