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

void check_make_matrix(int64_t rows, int64_t cols);
/// Of all parts.
int64_t row_count(std::span<const RandomRows> parts);
void check_embed(const Tensor& out, const Matrix& table, std::span<const int32_t> tokens);
void check_matmul(const Tensor& out, const Tensor& x, const Matrix& w, const Tensor& bias);
/// `type`: that `out` has.
void check_rms_norm(const Tensor& out, const Tensor& x, const Tensor& weight,
                    DType type = DType::f32);
void check_head_norm(const Tensor& x, int64_t first, int64_t heads, const Tensor& weight);
void check_swiglu(const Tensor& out, const Tensor& gate_up, DType type = DType::f32);
void check_gather_rows(const Tensor& out, const Tensor& x, std::span<const int32_t> rows);
void check_layer_norm(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias);
void check_gelu(const Tensor& out, const Tensor& x);

/// `batch_rows`: of the batch that `rows` are of.
void check_attention_mass(const Tensor& mass, std::span<const int32_t> rows, int64_t batch_rows);
/// `positions`: that the rows see.
void check_mass_positions(const Tensor& mass, int64_t positions);
void check_kv_deviation(const Tensor& out, std::span<const KvPair> pairs,
                        const AttentionConfig& config, int layer);

void check_move_kv(std::span<const KvMove> moves, const AttentionConfig& config);
/// What pack_kv and unpack_kv ask of their runs. Returns the rows of all of them.
int64_t check_kv_rows(std::string_view op, std::span<const KvRun> runs, const KvLayout& layout);
void check_kv_parts(std::span<const std::byte* const> parts, const KvLayout& layout);
/// Returns how many of the largest are asked for.
int check_top_logits(std::span<const TopLogit> top, const Tensor& logits,
                     std::span<const LogitPlace> apart, std::span<const float> values);

/// By how many positions a computed key is turned to stand where the kept one does.
inline int32_t turn_of(const KvPair& pair) {
  return pair.kept_home - pair.home;
}
/// The distinct turns of pairs, ascending.
std::vector<int32_t> distinct_turns(std::span<const KvPair> pairs);
/// The distinct turns of moves, ascending.
std::vector<int32_t> distinct_turns(std::span<const KvMove> moves);
/// Index of a turn among them.
int64_t turn_index(std::span<const int32_t> turns, int32_t turn);

}  // namespace kvs
