#pragma once

#include <span>
#include <vector>

#include "kvs/edit_script.h"

namespace kvs {

/// For each span, whether it belongs to the heaviest chain of its donor: spans that follow each
/// other in the target and, without overlap, at the donor. Weight is tokens; a common prefix always
/// belongs. `spans` ascend in the target.
std::vector<bool> heaviest_chains(std::span<const SourceSpan> spans);

}  // namespace kvs
