#include "backend/operation_rules.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "backend/batch_rules.h"
#include "backend/check_shape.h"

namespace kvs {
namespace {

void expect_floats(std::string_view op, std::string_view name, const Tensor& tensor, int rank) {
  expect_rank(op, name, tensor, rank);
  expect_type(op, name, tensor, DType::f32);
}

void expect_result(std::string_view op, const Tensor& out, const Shape& shape,
                   DType type = DType::f32) {
  expect_shape(op, "out", out, shape);
  expect_type(op, "out", out, type);
}

std::vector<int32_t> distinct(std::vector<int32_t> numbers) {
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

}  // namespace

void check_make_matrix(int64_t rows, int64_t cols) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / 64;
  if (rows < 0 || cols < 1 || rows > kMost / cols)
    fail(ErrorKind::mismatch, "make_matrix: a matrix cannot have {} rows and {} columns", rows,
         cols);
}

int64_t row_count(std::span<const RandomRows> parts) {
  int64_t rows = 0;
  for (const RandomRows& part : parts) rows += part.rows;
  return rows;
}

void check_embed(const Tensor& out, const Matrix& table, std::span<const int32_t> tokens) {
  expect_result("embed", out, {static_cast<int64_t>(tokens.size()), table.cols()});
  for (const int32_t token : tokens)
    if (token < 0 || token >= table.rows())
      fail(ErrorKind::mismatch, "embed: token {} is not in a table of {} rows", token,
           table.rows());
}

void check_matmul(const Tensor& out, const Tensor& x, const Matrix& w, const Tensor& bias) {
  expect_rank("matmul", "x", x, 2);
  if (x.type != w.input_type()) expect_type("matmul", "x", x, DType::f32);
  expect_type("matmul", "out", out, DType::f32);
  expect_shape("matmul", "x", x, {x.shape[0], w.cols()});
  expect_shape("matmul", "out", out, {x.shape[0], w.rows()});
  if (!bias.data) return;
  expect_shape("matmul", "bias", bias, {w.rows()});
  expect_type("matmul", "bias", bias, DType::f32);
}

void check_rms_norm(const Tensor& out, const Tensor& x, const Tensor& weight, DType type) {
  expect_floats("rms_norm", "x", x, 2);
  expect_floats("rms_norm", "weight", weight, 1);
  expect_result("rms_norm", out, x.shape, type);
  expect_shape("rms_norm", "weight", weight, {x.shape[1]});
}

void check_head_norm(const Tensor& x, int64_t first, int64_t heads, const Tensor& weight) {
  expect_floats("head_norm", "x", x, 2);
  expect_floats("head_norm", "weight", weight, 1);
  const int64_t width = x.shape[1], dim = weight.shape[0];
  if (first < 0 || heads < 0 || first > width || (dim > 0 && heads > (width - first) / dim))
    fail(ErrorKind::mismatch, "head_norm: {} heads of {} from element {} exceed rows of {}", heads,
         dim, first, width);
}

void check_swiglu(const Tensor& out, const Tensor& gate_up, DType type) {
  expect_rank("swiglu", "out", out, 2);
  expect_type("swiglu", "out", out, type);
  expect_shape("swiglu", "gate_up", gate_up, {out.shape[0], 2 * out.shape[1]});
  expect_type("swiglu", "gate_up", gate_up, DType::f32);
}

void check_gather_rows(const Tensor& out, const Tensor& x, std::span<const int32_t> rows) {
  expect_floats("gather_rows", "x", x, 2);
  expect_result("gather_rows", out, {static_cast<int64_t>(rows.size()), x.shape[1]});
  for (const int32_t row : rows)
    if (row < 0 || row >= x.shape[0])
      fail(ErrorKind::mismatch, "gather_rows: row {} is not in a tensor of {} rows", row,
           x.shape[0]);
}

void check_layer_norm(const Tensor& out, const Tensor& x, const Tensor& weight,
                      const Tensor& bias) {
  expect_floats("layer_norm", "x", x, 2);
  expect_floats("layer_norm", "weight", weight, 1);
  expect_floats("layer_norm", "bias", bias, 1);
  expect_result("layer_norm", out, x.shape);
  expect_shape("layer_norm", "weight", weight, {x.shape[1]});
  expect_shape("layer_norm", "bias", bias, {x.shape[1]});
}

void check_gelu(const Tensor& out, const Tensor& x) {
  expect_floats("gelu", "x", x, 2);
  expect_result("gelu", out, x.shape);
}

void check_attention_mass(const Tensor& mass, std::span<const int32_t> rows, int64_t batch_rows) {
  expect_floats("attention_mass", "mass", mass, 1);
  for (size_t i = 0; i < rows.size(); ++i)
    if (rows[i] < 0 || rows[i] >= batch_rows || (i > 0 && rows[i] <= rows[i - 1]))
      fail(ErrorKind::mismatch, "attention_mass: row {} of a batch of {} does not ascend", rows[i],
           batch_rows);
}

void check_mass_positions(const Tensor& mass, int64_t positions) {
  if (mass.shape[0] < positions)
    fail(ErrorKind::mismatch, "attention_mass: mass has {} elements, its rows see {} positions",
         mass.shape[0], positions);
}

void check_kv_deviation(const Tensor& out, std::span<const KvPair> pairs,
                        const AttentionConfig& config, int layer) {
  check_batch({}, config);
  if (layer < 0 || layer >= config.kv.layers)
    fail(ErrorKind::mismatch, "kv_deviation: layer {} is not in a cache of {}", layer,
         config.kv.layers);
  expect_result("kv_deviation", out, {static_cast<int64_t>(pairs.size()), 3});
  for (const KvPair& pair : pairs)
    for (const int32_t row : {pair.row, pair.kept_row})
      if (row < 0 || row >= kBlockTokens || !pair.block || !pair.kept_block)
        fail(ErrorKind::mismatch, "kv_deviation: row {} of a block of {}", row, kBlockTokens);
}

void check_move_kv(std::span<const KvMove> moves, const AttentionConfig& config) {
  check_batch({}, config);
  const auto fits = [](int32_t first, int32_t count) {
    return count >= 1 && first >= 0 && first <= kBlockTokens - count;
  };
  for (const KvMove& move : moves)
    if (!move.block || !move.target || !fits(move.first, move.count) ||
        !fits(move.target_first, move.count))
      fail(ErrorKind::mismatch, "move_kv: {} rows from {} to {} in blocks of {}", move.count,
           move.first, move.target_first, kBlockTokens);
}

int64_t check_kv_rows(std::string_view op, std::span<const KvRun> runs, const KvLayout& layout) {
  if (layout.layers < 1 || layout.kv_heads < 1 || layout.head_dim < 8 || layout.head_dim % 8 != 0)
    fail(ErrorKind::mismatch, "{}: a cache of {} layers, {} heads and head_dim {}", op,
         layout.layers, layout.kv_heads, layout.head_dim);
  int64_t rows = 0;
  for (const KvRun& run : runs) {
    if (!run.block || run.count < 1 || run.first < 0 || run.first > kBlockTokens - run.count)
      fail(ErrorKind::mismatch, "{}: rows [{}, {} + {}) of a block of {}", op, run.first, run.first,
           run.count, kBlockTokens);
    rows += run.count;
  }
  return rows;
}

void check_kv_parts(std::span<const std::byte* const> parts, const KvLayout& layout) {
  const size_t expected = static_cast<size_t>(layout.layers) * (layout.type == DType::q8 ? 4 : 2);
  if (parts.size() != expected)
    fail(ErrorKind::mismatch, "unpack_kv: expected {} parts, found {}", expected, parts.size());
}

int check_top_logits(std::span<const TopLogit> top, const Tensor& logits,
                     std::span<const LogitPlace> apart, std::span<const float> values) {
  expect_floats("top_logits", "logits", logits, 2);
  const int64_t rows = logits.shape[0], vocab = logits.shape[1];
  const auto size = static_cast<int64_t>(top.size());
  const int64_t count = rows == 0 ? 1 : size / rows;
  if (count * rows != size || count < 1 || count > Backend::kMostTopLogits || count > vocab)
    fail(ErrorKind::mismatch, "top_logits: room for {} of {} rows of {} logits", size, rows, vocab);
  if (values.size() != apart.size())
    fail(ErrorKind::mismatch, "top_logits: room for {} values of {} logits", values.size(),
         apart.size());
  for (const LogitPlace& place : apart)
    if (place.row < 0 || place.row >= rows || place.token < 0 || place.token >= vocab)
      fail(ErrorKind::mismatch, "top_logits: token {} of row {} is not in {} rows of {}",
           place.token, place.row, rows, vocab);
  return static_cast<int>(count);
}

std::vector<int32_t> distinct_turns(std::span<const KvPair> pairs) {
  std::vector<int32_t> turns(pairs.size());
  std::transform(pairs.begin(), pairs.end(), turns.begin(), turn_of);
  return distinct(std::move(turns));
}

std::vector<int32_t> distinct_turns(std::span<const KvMove> moves) {
  std::vector<int32_t> turns(moves.size());
  std::transform(moves.begin(), moves.end(), turns.begin(),
                 [](const KvMove& move) { return move.turn; });
  return distinct(std::move(turns));
}

int64_t turn_index(std::span<const int32_t> turns, int32_t turn) {
  return std::lower_bound(turns.begin(), turns.end(), turn) - turns.begin();
}

}  // namespace kvs
