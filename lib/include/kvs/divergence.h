#pragma once

#include <cstdint>
#include <span>

#include "kvs/export.h"

namespace kvs {

/// KL(full || other) of the next token's distributions, in nats: sum of p (log p - log q) with
/// p = softmax(full), q = softmax(other), in double with the maximum subtracted; at least 0. A
/// logit of -infinity is a probability of 0: infinite where `other` rules out what `full` allows.
/// Throws Error(argument) where the rows are empty, differ in length, hold NaN or +infinity, or
/// allow no token. logits: [vocab].
KVS_API double kl_divergence(std::span<const float> full_logits,
                             std::span<const float> other_logits);

/// The token with the largest logit, the first of equal ones. Throws Error(argument) where the row
/// is empty.
KVS_API int32_t top_token(std::span<const float> logits);

/// Whether both rows have the same top token.
KVS_API bool top1_agrees(std::span<const float> full_logits, std::span<const float> other_logits);

/// log softmax(logits)[token] in nats. Throws as kl_divergence does, and where there is no such
/// token.
KVS_API double log_probability(std::span<const float> logits, int32_t token);

}  // namespace kvs
