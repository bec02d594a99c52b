#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

namespace kvs::emulated {

/// Whether a device would begin such a launch; where not, the next cudaGetLastError() says why.
bool accepts(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes);

/// Lets a kernel have more dynamic shared memory than the bytes that all may have.
cudaError_t allow_shared(const void* kernel, int bytes);

/// The next cudaGetLastError() returns this.
void refuse(cudaError_t reason);

}  // namespace kvs::emulated
