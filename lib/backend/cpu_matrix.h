#pragma once

#include "backend/cpu_memory.h"
#include "kernels/cpu/kernels.h"
#include "kvs/backend.h"

namespace kvs {

/// A weight matrix packed for the CPU kernels (layout: kernels/cpu/kernels.h).
class CpuMatrix final : public Matrix {
 public:
  CpuMatrix(int64_t rows, int64_t cols, Compute compute);

  int64_t rows() const override { return rows_; }
  int64_t cols() const override { return cols_; }
  size_t bytes() const override { return static_cast<size_t>(panels() * panel_words()) * 4; }

  Compute compute() const { return compute_; }
  int64_t panels() const { return (rows_ + cpu::kPanelWidth - 1) / cpu::kPanelWidth; }

  /// Words of four bytes in one panel: elements in f32, pairs in bf16.
  int64_t panel_words() const {
    return (compute_ == Compute::bf16 ? (cols_ + 1) / 2 : cols_) * cpu::kPanelWidth;
  }
  void* panel(int64_t index) { return memory_.get() + index * panel_words() * 4; }
  const void* data() const { return memory_.get(); }

 private:
  int64_t rows_, cols_;
  Compute compute_;
  CpuMemory memory_;
};

/// `matrix` as the CPU's own. Throws Error(mismatch) where another backend made it.
const CpuMatrix& cpu_matrix(std::string_view op, std::string_view name, const Matrix& matrix);

}  // namespace kvs
