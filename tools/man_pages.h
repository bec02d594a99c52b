#pragma once

#include <optional>
#include <string_view>

namespace kvs {

/// The manual page man/NAME.1, as it was when the tool was built.
std::optional<std::string_view> find_man_page(std::string_view name);

}  // namespace kvs
