#include "backend/cpu_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "backend/cpu_levels.h"
#include "backend/operation_rules.h"

namespace kvs {
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
  check_embed(out, matrix, tokens);

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
  check_rms_norm(out, x, weight);
  const int64_t rows = x.shape[0], dim = x.shape[1];

  pool_.parallel_ranges(rows, dim, [&](int64_t begin, int64_t end) {
    kernels_.rms_norm(mutable_floats(out) + begin * dim, floats(x) + begin * dim, floats(weight),
                      end - begin, dim, dim, eps);
  });
}

void CpuBackend::head_norm(Tensor x, int64_t first, int64_t heads, Tensor weight, float eps) {
  check_head_norm(x, first, heads, weight);
  const int64_t width = x.shape[1], dim = weight.shape[0];

  pool_.parallel_ranges(x.shape[0], heads * dim, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      float* head = mutable_floats(x) + row * width + first;
      kernels_.rms_norm(head, head, floats(weight), heads, dim, dim, eps);
    }
  });
}

void CpuBackend::swiglu(Tensor out, Tensor gate_up) {
  check_swiglu(out, gate_up);
  const int64_t rows = out.shape[0], dim = out.shape[1];

  pool_.parallel_ranges(rows, dim * 4, [&](int64_t begin, int64_t end) {
    kernels_.swiglu(mutable_floats(out) + begin * dim, floats(gate_up) + begin * 2 * dim,
                    end - begin, dim);
  });
}

void CpuBackend::gather_rows(Tensor out, Tensor x, std::span<const int32_t> rows) {
  check_gather_rows(out, x, rows);
  const auto count = static_cast<int64_t>(rows.size());
  const int64_t dim = x.shape[1];

  pool_.parallel_ranges(count, dim, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      std::copy_n(floats(x) + rows[row] * dim, dim, mutable_floats(out) + row * dim);
  });
}

void CpuBackend::layer_norm(Tensor out, Tensor x, Tensor weight, Tensor bias, float eps) {
  check_layer_norm(out, x, weight, bias);
  const int64_t rows = x.shape[0], dim = x.shape[1];

  const cpu::LayerNormWeights weights{floats(weight), floats(bias), eps};
  pool_.parallel_ranges(rows, 2 * dim, [&](int64_t begin, int64_t end) {
    kernels_.layer_norm(mutable_floats(out) + begin * dim, floats(x) + begin * dim, weights,
                        end - begin, dim);
  });
}

void CpuBackend::gelu(Tensor out, Tensor x) {
  check_gelu(out, x);
  const int64_t dim = x.shape[1];
  pool_.parallel_ranges(x.shape[0], dim * 4, [&](int64_t begin, int64_t end) {
    kernels_.gelu(mutable_floats(out) + begin * dim, floats(x) + begin * dim, (end - begin) * dim);
  });
}

}  // namespace kvs
