#pragma once

#include <string>

namespace kvs {

/// What the figures were measured on: the CPU's name and how many threads it runs at once.
std::string machine_description();

}  // namespace kvs
