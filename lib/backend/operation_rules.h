#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kvs/backend.h"

// What the operations of every backend ask of their operands, as kvs/backend.h states it. Each
// throws Error(mismatch) that names the operation and the operand.
namespace kvs {

inline const float* floats(const Tensor& tensor) {
  return static_cast<const float*>(tensor.data);
}
inline float* mutable_floats(const Tensor& tensor) {
  return static_cast<float*>(tensor.data);
}

void check_embed(const Tensor& out, const Matrix& table, std::span<const int32_t> tokens);
void check_matmul(const Tensor& out, const Tensor& x, const Matrix& w, const Tensor& bias);
void check_rms_norm(const Tensor& out, const Tensor& x, const Tensor& weight);
void check_head_norm(const Tensor& x, int64_t first, int64_t heads, const Tensor& weight);
void check_swiglu(const Tensor& out, const Tensor& gate_up);
void check_gather_rows(const Tensor& out, const Tensor& x, std::span<const int32_t> rows);
void check_layer_norm(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias);
void check_gelu(const Tensor& out, const Tensor& x);

/// `batch_rows`: of the batch that `rows` are of.
void check_attention_mass(const Tensor& mass, std::span<const int32_t> rows, int64_t batch_rows);
/// `positions`: that the rows see.
void check_mass_positions(const Tensor& mass, int64_t positions);
void check_kv_deviation(const Tensor& out, std::span<const KvPair> pairs,
                        const AttentionConfig& config, int layer);

/// By how many positions kept keys are turned to stand where the computed ones do: the distinct
/// differences of homes, ascending.
std::vector<int32_t> distinct_turns(std::span<const KvPair> pairs);
/// Index of a pair's turn among them.
int64_t turn_index(std::span<const int32_t> turns, const KvPair& pair);

}  // namespace kvs
