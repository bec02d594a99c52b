#pragma once

#include <optional>
#include <string>

#include "kvs/donor_store.h"
#include "kvs/tokenizer.h"

namespace kvs {

/// Which donors of the server are meant: those that all of it, where it is there, says.
struct DonorQuery {
  std::optional<std::string> tenant;
  std::optional<std::string> id;      ///< of the answer, with "TENANT/" in front or without
  std::optional<std::string> prefix;  ///< of the text, with its special tokens or without
};

/// The tokenizer must outlive the filter.
DonorFilter make_donor_filter(DonorQuery query, const Tokenizer& tokenizer);

}  // namespace kvs
