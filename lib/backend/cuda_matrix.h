#pragma once

#include <string_view>

#include "backend/cuda_memory.h"
#include "kvs/backend.h"

namespace kvs {

/// A weight matrix on the device, row-major. In bf16 its rows are padded by zeros to a multiple of
/// eight elements, which tensor cores ask for.
class CudaMatrix final : public Matrix {
 public:
  CudaMatrix(CudaMemory& memory, int64_t rows, int64_t cols, Compute compute)
      : rows_(rows),
        cols_(cols),
        stride_(compute == Compute::bf16 ? (cols + 7) / 8 * 8 : cols),
        compute_(compute),
        memory_(memory, bytes()) {}

  int64_t rows() const override { return rows_; }
  int64_t cols() const override { return cols_; }
  size_t bytes() const override {
    return static_cast<size_t>(rows_ * stride_) * element_bytes(type());
  }

  /// Rows that are padded are rounded where they are padded.
  DType input_type() const override {
    return bf16() && stride_ == cols_ ? DType::bf16 : DType::f32;
  }

  int64_t stride() const { return stride_; }  ///< elements from row to row
  bool bf16() const { return compute_ == Compute::bf16; }
  const void* data() const { return memory_.data(); }
  std::byte* row(int64_t index) const {
    return memory_.data() + static_cast<size_t>(index * stride_) * element_bytes(type());
  }

 private:
  DType type() const { return bf16() ? DType::bf16 : DType::f32; }

  int64_t rows_, cols_, stride_;
  Compute compute_;
  CudaBuffer memory_;
};

/// `matrix` as CUDA's own. Throws Error(mismatch) where another backend made it.
const CudaMatrix& cuda_matrix(std::string_view op, std::string_view name, const Matrix& matrix);

}  // namespace kvs
