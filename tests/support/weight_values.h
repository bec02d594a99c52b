#pragma once

#include <vector>

#include "kvs/model_files.h"

namespace kvs::test {

inline std::vector<float> read_all(const WeightRows& weight) {
  std::vector<float> values(weight.rows * weight.cols);
  weight.read(0, weight.rows, values.data());
  return values;
}

}  // namespace kvs::test
