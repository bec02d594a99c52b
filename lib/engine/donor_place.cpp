#include "kvs/donor_place.h"

namespace kvs {

const char* donor_place_name(DonorPlace place) {
  constexpr const char* kNames[] = {"memory", "host", "disk", "redis", "index"};
  return kNames[static_cast<int>(place)];
}

}  // namespace kvs
