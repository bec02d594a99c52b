#pragma once

#include <string>

namespace kvs {

/// What the figures were measured on: the CPU's name and how many threads it runs at once.
std::string machine_description();

/// The commit of the sources that this program was built from, with "-dirty" where they were
/// changed; "unknown" where they were no git checkout.
std::string source_commit();

}  // namespace kvs
