#pragma once

#include <cstdint>
#include <functional>

namespace kvs::emulated {

/// Does what was queued: at once, or with every launch of the graph that is being captured. As on a
/// device, copies, allocations and waiting break a capture.
void submit(std::function<void()> work);

/// Launches of graphs so far.
extern int64_t replays;

}  // namespace kvs::emulated
