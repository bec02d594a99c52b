#include "engine/load_donors.h"

#include <cstddef>
#include <optional>

namespace kvs {

bool load_donors(const ReusePlan& plan, std::vector<ReuseDonor>& donors, DonorStore& store,
                 std::vector<DonorPlace>& places) {
  places.assign(donors.size(), {});
  for (size_t donor = 0; donor < donors.size(); ++donor) {
    const int64_t rows = plan.tokens_of(static_cast<int32_t>(donor));
    if (rows == 0) continue;
    const std::optional<DonorPlace> place = store.load(donors[donor], rows);
    if (!place) {
      donors.erase(donors.begin() + static_cast<std::ptrdiff_t>(donor));
      return false;
    }
    places[donor] = *place;
  }
  return true;
}

}  // namespace kvs
