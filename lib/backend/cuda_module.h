#pragma once

#include <functional>
#include <string_view>

#include "kvs/backend.h"

// What libkvs_cuda.so exports. It is loaded on first use and never linked: cuBLAS alone would add
// 60 ms to the start of every tool, also of those that compute nothing.
extern "C" {
KVS_API int kvs_cuda_device_count();  ///< 0 without a driver
/// `note` is told what the device does without. Throws Error(device).
KVS_API kvs::Backend* kvs_new_cuda_backend(int device,
                                           std::function<void(std::string_view reason)> note);
}
