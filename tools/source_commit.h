#pragma once

#include <string>

namespace kvs {

/// The commit of the sources that this program was built from, with "-dirty" where they were
/// changed; "unknown" where they were no git checkout.
std::string source_commit();

}  // namespace kvs
