#pragma once

#include <cstdint>
#include <vector>

#include "kvs/json.h"

namespace kvs::test {

/// Of a list in golden data.
inline std::vector<int32_t> tokens_of(const Json& list) {
  std::vector<int32_t> tokens;
  for (const Json& token : list.as_array()) tokens.push_back(static_cast<int32_t>(token.as_int()));
  return tokens;
}

}  // namespace kvs::test
