#pragma once

#include <vector>

#include "kvs/donor_store.h"
#include "kvs/reuse.h"

namespace kvs {

/// Brings the rows that a plan over `donors` uses into memory, and says where they were. False
/// where some cannot be had: their donor is taken out, and the rest is to be planned anew.
bool load_donors(const ReusePlan& plan, std::vector<ReuseDonor>& donors, DonorStore& store,
                 std::vector<DonorPlace>& places);

}  // namespace kvs
