#include <algorithm>

#include "backend/cuda_backend.h"
#include "backend/operation_rules.h"
#include "kernels/cuda/kernels.h"

namespace kvs {
namespace {

constexpr int64_t kPieceBytes = int64_t{8} << 20;  // of f32 rows that are read and sent at a time

}  // namespace

const CudaMatrix& cuda_matrix(std::string_view op, std::string_view name, const Matrix& matrix) {
  const auto* own = dynamic_cast<const CudaMatrix*>(&matrix);
  if (!own) fail(ErrorKind::mismatch, "{}: {} was made by another backend", op, name);
  return *own;
}

// Rows are read straight into memory that the device copies from, while it works on earlier ones.
std::unique_ptr<Matrix> CudaBackend::make_matrix(int64_t rows, int64_t cols, const RowReader& read,
                                                 Compute compute) {
  check_make_matrix(rows, cols);
  use();
  auto matrix = std::make_unique<CudaMatrix>(memory_, rows, cols, compute);
  const int64_t piece = std::max<int64_t>(1, kPieceBytes / (cols * int64_t{sizeof(float)}));
  for (int64_t first = 0; first < rows; first += piece) {
    const int64_t count = std::min(piece, rows - first);
    const auto bytes = static_cast<size_t>(count * cols) * sizeof(float);
    auto* values = static_cast<float*>(staging_.take(bytes));
    pool_.parallel_ranges(count, cols, [&](int64_t begin, int64_t end) {
      read(first + begin, end - begin, values + begin * cols);
    });
    if (!matrix->bf16()) {
      staging_.send(matrix->row(first), 0, bytes);
      continue;
    }
    auto* wide = grown<float>(work_, memory_, count * cols);
    staging_.send(wide, 0, bytes);
    queue("make_matrix", [&](cudaStream_t stream) {
      return cuda::round_to_bf16(matrix->row(first), wide, count, cols, matrix->stride(), stream);
    });
  }
  return matrix;
}

std::unique_ptr<Matrix> CudaBackend::make_random_matrix(std::span<const RandomRows> parts,
                                                        int64_t cols, Compute compute) {
  const int64_t rows = row_count(parts);
  check_make_matrix(rows, cols);
  use();
  auto matrix = std::make_unique<CudaMatrix>(memory_, rows, cols, compute);
  int64_t first = 0;
  for (const RandomRows& part : parts) {
    const cuda::NoiseRows noise{.key = part.key,
                                .rows = part.rows,
                                .cols = cols,
                                .stride = matrix->stride(),
                                .scale = part.limit * 0x1p-31F};
    queue("make_random_matrix", [&](cudaStream_t stream) {
      return cuda::random_rows(matrix->row(first), matrix->bf16(), noise, stream);
    });
    first += part.rows;
  }
  return matrix;
}

const void* CudaBackend::factors(const Tensor& x, const CudaMatrix& matrix) {
  if (!matrix.bf16() || x.type == DType::bf16) return x.data;
  const int64_t rows = x.shape[0], cols = matrix.cols(), stride = matrix.stride();
  std::byte* rounded = room(rounded_, static_cast<size_t>(rows * stride) * sizeof(uint16_t));
  queue("matmul", [&](cudaStream_t stream) {
    return cuda::round_to_bf16(rounded, floats(x), rows, cols, stride, stream);
  });
  return rounded;
}

void CudaBackend::matmul(Tensor out, Tensor x, const Matrix& w, const MatmulOptions& options) {
  const CudaMatrix& matrix = cuda_matrix("matmul", "w", w);
  check_matmul(out, x, matrix, options.bias);
  const int64_t rows = x.shape[0];
  if (rows == 0 || matrix.rows() == 0) return;

  const CudaProduct product{.out = mutable_floats(out),
                            .x = factors(x, matrix),
                            .w = matrix.data(),
                            .bias = floats(options.bias),
                            .rows = rows,
                            .n = matrix.rows(),
                            .stride = matrix.stride(),
                            .bf16 = matrix.bf16(),
                            .accumulate = options.accumulate};
  queue("matmul", [&](cudaStream_t) {
    gemm_.multiply(product);
    return cudaSuccess;
  });
}

}  // namespace kvs
