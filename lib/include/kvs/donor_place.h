#pragma once

#include "kvs/export.h"

namespace kvs {

/// Where a donor's rows were when a prompt came that used them: in the pool, in a tier (see
/// TierOptions), or in an archive of an index.
enum class DonorPlace { memory, host, disk, redis, index };
inline constexpr DonorPlace kDonorPlaces[] = {
    DonorPlace::memory, DonorPlace::host, DonorPlace::disk, DonorPlace::redis, DonorPlace::index};

/// "memory", "host", "disk", "redis" or "index".
KVS_API const char* donor_place_name(DonorPlace place);

}  // namespace kvs
