#include "serve/donor_filter.h"

#include <algorithm>
#include <utility>

#include "serve/tenants.h"

namespace kvs {
namespace {

// Looks at no more tokens than it takes to tell.
bool begins_with(const Tokenizer& tokenizer, std::span<const int32_t> tokens,
                 std::string_view prefix, bool skip_special) {
  Detokenizer text(tokenizer, skip_special);
  for (const int32_t token : tokens) {
    const std::string piece = text.push(token);
    const size_t common = std::min(piece.size(), prefix.size());
    if (piece.compare(0, common, prefix, 0, common) != 0) return false;
    prefix.remove_prefix(common);
    if (prefix.empty()) return true;
  }
  return text.finish().starts_with(prefix);
}

// As the server names donors (donor_id()), or as an archive does.
bool has_id(std::string_view donor, std::string_view id) {
  if (donor == id) return true;
  const size_t slash = donor.find('/');
  return slash != std::string_view::npos && donor.substr(slash + 1) == id;
}

}  // namespace

DonorFilter make_donor_filter(DonorQuery query, const Tokenizer& tokenizer) {
  return [query = std::move(query), &tokenizer](const KeptDonor& donor) {
    if (query.tenant && (donor.everyone || !is_of_tenant(*query.tenant, donor.tenant, donor.id)))
      return false;
    if (query.id && !has_id(donor.id, *query.id)) return false;
    return !query.prefix || begins_with(tokenizer, donor.tokens, *query.prefix, false) ||
           begins_with(tokenizer, donor.tokens, *query.prefix, true);
  };
}

}  // namespace kvs
