#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvs {

/// The hash of every k tokens in a row: out[i] is that of [i, i + k). Empty where there are fewer
/// than k tokens. Equal k-grams have equal hashes; compare the tokens before trusting one.
std::vector<uint64_t> kgram_hashes(std::span<const int32_t> tokens, int k);

}  // namespace kvs
