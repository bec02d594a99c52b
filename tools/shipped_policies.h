#pragma once

#include <span>
#include <string_view>

namespace kvs {

/// A policy file that comes with the project.
struct ShippedPolicy {
  std::string_view name;  ///< of the model it was made for
  std::string_view text;
};

/// Those in tools/policies, as they were when the tool was built.
std::span<const ShippedPolicy> shipped_policies();

}  // namespace kvs
