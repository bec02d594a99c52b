#include "backend/cpu_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "backend/check_shape.h"
#include "backend/cpu_levels.h"

namespace kvs {
namespace {

const float* floats(const Tensor& tensor) {
  return static_cast<const float*>(tensor.data);
}
float* mutable_floats(const Tensor& tensor) {
  return static_cast<float*>(tensor.data);
}

void expect_floats(std::string_view op, std::string_view name, const Tensor& tensor, int rank) {
  expect_rank(op, name, tensor, rank);
  expect_type(op, name, tensor, DType::f32);
}

}  // namespace

std::string CpuBackend::description() const {
  return fmt::format("CPU, {}, {} thread{}", cpu_level_name(kernels_.level), pool_.size(),
                     pool_.size() == 1 ? "" : "s");
}

void CpuBackend::upload(void* device, const void* host, size_t bytes) {
  if (bytes > 0) std::memcpy(device, host, bytes);
}

void CpuBackend::download(void* host, const void* device, size_t bytes) {
  if (bytes > 0) std::memcpy(host, device, bytes);
}

void CpuBackend::zero(void* device, size_t bytes) {
  if (bytes > 0) std::memset(device, 0, bytes);
}

void CpuBackend::embed(Tensor out, const Matrix& table, std::span<const int32_t> tokens) {
  const CpuMatrix& matrix = cpu_matrix("embed", "table", table);
  const auto count = static_cast<int64_t>(tokens.size());
  expect_shape("embed", "out", out, {count, matrix.cols()});
  expect_type("embed", "out", out, DType::f32);
  for (const int32_t token : tokens)
    if (token < 0 || token >= matrix.rows())
      fail(ErrorKind::mismatch, "embed: token {} is not in a table of {} rows", token,
           matrix.rows());

  const int64_t cols = matrix.cols();
  pool_.parallel_ranges(count, cols, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      float* to = mutable_floats(out) + row * cols;
      if (matrix.compute() == Compute::bf16)
        kernels_.unpack_bf16(to, static_cast<const uint32_t*>(matrix.data()), tokens[row], cols);
      else
        kernels_.unpack_f32(to, static_cast<const float*>(matrix.data()), tokens[row], cols);
    }
  });
}

void CpuBackend::rms_norm(Tensor out, Tensor x, Tensor weight, float eps) {
  expect_floats("rms_norm", "x", x, 2);
  expect_floats("rms_norm", "weight", weight, 1);
  const int64_t rows = x.shape[0], dim = x.shape[1];
  expect_shape("rms_norm", "out", out, x.shape);
  expect_type("rms_norm", "out", out, DType::f32);
  expect_shape("rms_norm", "weight", weight, {dim});

  pool_.parallel_ranges(rows, dim, [&](int64_t begin, int64_t end) {
    kernels_.rms_norm(mutable_floats(out) + begin * dim, floats(x) + begin * dim, floats(weight),
                      end - begin, dim, dim, eps);
  });
}

void CpuBackend::head_norm(Tensor x, int64_t first, int64_t heads, Tensor weight, float eps) {
  expect_floats("head_norm", "x", x, 2);
  expect_floats("head_norm", "weight", weight, 1);
  const int64_t width = x.shape[1], dim = weight.shape[0];
  if (first < 0 || heads < 0 || first > width || (dim > 0 && heads > (width - first) / dim))
    fail(ErrorKind::mismatch, "head_norm: {} heads of {} from element {} exceed rows of {}", heads,
         dim, first, width);

  pool_.parallel_ranges(x.shape[0], heads * dim, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      float* head = mutable_floats(x) + row * width + first;
      kernels_.rms_norm(head, head, floats(weight), heads, dim, dim, eps);
    }
  });
}

void CpuBackend::swiglu(Tensor out, Tensor gate_up) {
  expect_floats("swiglu", "out", out, 2);
  const int64_t rows = out.shape[0], dim = out.shape[1];
  expect_shape("swiglu", "gate_up", gate_up, {rows, 2 * dim});
  expect_type("swiglu", "gate_up", gate_up, DType::f32);

  pool_.parallel_ranges(rows, dim * 4, [&](int64_t begin, int64_t end) {
    kernels_.swiglu(mutable_floats(out) + begin * dim, floats(gate_up) + begin * 2 * dim,
                    end - begin, dim);
  });
}

void CpuBackend::gather_rows(Tensor out, Tensor x, std::span<const int32_t> rows) {
  expect_floats("gather_rows", "x", x, 2);
  const auto count = static_cast<int64_t>(rows.size());
  const int64_t dim = x.shape[1];
  expect_shape("gather_rows", "out", out, {count, dim});
  expect_type("gather_rows", "out", out, DType::f32);
  for (const int32_t row : rows)
    if (row < 0 || row >= x.shape[0])
      fail(ErrorKind::mismatch, "gather_rows: row {} is not in a tensor of {} rows", row,
           x.shape[0]);

  pool_.parallel_ranges(count, dim, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      std::copy_n(floats(x) + rows[row] * dim, dim, mutable_floats(out) + row * dim);
  });
}

void CpuBackend::layer_norm(Tensor out, Tensor x, Tensor weight, Tensor bias, float eps) {
  expect_floats("layer_norm", "x", x, 2);
  expect_floats("layer_norm", "weight", weight, 1);
  expect_floats("layer_norm", "bias", bias, 1);
  const int64_t rows = x.shape[0], dim = x.shape[1];
  expect_shape("layer_norm", "out", out, x.shape);
  expect_type("layer_norm", "out", out, DType::f32);
  expect_shape("layer_norm", "weight", weight, {dim});
  expect_shape("layer_norm", "bias", bias, {dim});

  const cpu::LayerNormWeights weights{floats(weight), floats(bias), eps};
  pool_.parallel_ranges(rows, 2 * dim, [&](int64_t begin, int64_t end) {
    kernels_.layer_norm(mutable_floats(out) + begin * dim, floats(x) + begin * dim, weights,
                        end - begin, dim);
  });
}

void CpuBackend::gelu(Tensor out, Tensor x) {
  expect_floats("gelu", "x", x, 2);
  expect_shape("gelu", "out", out, x.shape);
  expect_type("gelu", "out", out, DType::f32);
  const int64_t dim = x.shape[1];
  pool_.parallel_ranges(x.shape[0], dim * 4, [&](int64_t begin, int64_t end) {
    kernels_.gelu(mutable_floats(out) + begin * dim, floats(x) + begin * dim, (end - begin) * dim);
  });
}

}  // namespace kvs
