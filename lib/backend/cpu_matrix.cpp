#include "backend/cpu_matrix.h"

#include <algorithm>
#include <vector>

#include "backend/check_shape.h"
#include "backend/cpu_backend.h"
#include "backend/operation_rules.h"

namespace kvs {
namespace {

// Rows that are read at a time: whole panels, about this much memory.
constexpr int64_t kBytesAtATime = 1 << 20;

}  // namespace

CpuMatrix::CpuMatrix(int64_t rows, int64_t cols, Compute compute)
    : rows_(rows), cols_(cols), compute_(compute), memory_(make_cpu_memory(bytes())) {}

const CpuMatrix& cpu_matrix(std::string_view op, std::string_view name, const Matrix& matrix) {
  const auto* packed = dynamic_cast<const CpuMatrix*>(&matrix);
  if (!packed) fail(ErrorKind::mismatch, "{}: {} was made by another backend", op, name);
  return *packed;
}

std::unique_ptr<Matrix> CpuBackend::make_matrix(int64_t rows, int64_t cols, const RowReader& read,
                                                Compute compute) {
  check_make_matrix(rows, cols);
  auto matrix = std::make_unique<CpuMatrix>(rows, cols, compute);
  const int64_t panel_bytes = std::max<int64_t>(cols, 1) * cpu::kPanelWidth * 4;
  const int64_t panels = std::max<int64_t>(1, kBytesAtATime / panel_bytes);

  const int64_t parts = (matrix->panels() + panels - 1) / panels;
  std::vector<std::vector<float>> values(static_cast<size_t>(pool_.size()));
  pool_.parallel_for(parts, [&](int64_t part, int thread) {
    const int64_t first = part * panels * cpu::kPanelWidth;
    const int64_t count = std::min(panels * cpu::kPanelWidth, rows - first);
    auto& buffer = values[thread];
    buffer.resize(static_cast<size_t>(count * cols));
    read(first, count, buffer.data());
    for (int64_t done = 0; done < count; done += cpu::kPanelWidth) {
      const int64_t in_panel = std::min<int64_t>(cpu::kPanelWidth, count - done);
      void* panel = matrix->panel((first + done) / cpu::kPanelWidth);
      if (compute == Compute::bf16)
        kernels_.pack_bf16(static_cast<uint32_t*>(panel), buffer.data() + done * cols, in_panel,
                           cols);
      else
        kernels_.pack_f32(static_cast<float*>(panel), buffer.data() + done * cols, in_panel, cols);
    }
  });
  return matrix;
}

// Reads across the parts' bounds.
std::unique_ptr<Matrix> CpuBackend::make_random_matrix(std::span<const RandomRows> parts,
                                                       int64_t cols, Compute compute) {
  const RowReader read = [&](int64_t first, int64_t count, float* out) {
    for (const RandomRows& part : parts) {
      const int64_t here = std::clamp<int64_t>(part.rows - first, 0, count);
      generate_rows(part, first, here, cols, out);
      out += here * cols;
      count -= here;
      first = std::max<int64_t>(0, first - part.rows);
    }
  };
  return make_matrix(row_count(parts), cols, read, compute);
}

}  // namespace kvs
