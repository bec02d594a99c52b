#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>

namespace kvs::emulated {

/// Does what was queued on a stream: on the first one that there is at once, or with every launch
/// of the graph that is being captured; on others as late as CUDA may, once something waits for it.
/// As on a device, copies, allocations and waiting break a capture.
void submit(cudaStream_t stream, std::function<void()> work);

/// Work that was queued on streams and is not done yet.
int64_t waiting();

/// Launches of graphs so far.
extern int64_t replays;

}  // namespace kvs::emulated
