#include <algorithm>

#include "reuse/rules.h"

namespace kvs {
namespace {

/// LegoLink: the first tokens of every span but the first take the part of attention sinks that
/// they had where they were computed; computed anew, they learn that they are none.
/// Source: Hu et al. 2025 (EPIC, arXiv 2410.15332), section 4. Different here: spans are what the
/// alignment found, not chunks cut beforehand, and a span that only follows an edit counts too.
class EpicSelector final : public Selector {
 public:
  std::vector<int64_t> select(const SelectionContext& context) const override {
    std::vector<int64_t> positions;
    for (const PlanSpan& span : context.spans) {
      if (span.kind != PlanSpan::Kind::shifted) continue;
      const int64_t count = std::min(span.count, context.options.sinks);
      for (int64_t row = 0; row < count; ++row) positions.push_back(span.first + row);
    }
    return positions;
  }
};

}  // namespace

std::unique_ptr<Selector> make_epic() {
  return std::make_unique<EpicSelector>();
}

}  // namespace kvs
