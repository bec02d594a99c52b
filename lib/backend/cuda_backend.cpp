#include "backend/cuda_backend.h"

#include <fmt/format.h>

#include "backend/check_shape.h"
#include "base/cpu_count.h"
#include "kernels/cuda/kernels.h"

namespace kvs {
namespace {

constexpr int kLeastMajor = 8;  // of compute capabilities: bf16 products, asynchronous copies

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

cudaDeviceProp device_properties(int device) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), "query device");
  if (properties.major < kLeastMajor)
    fail(ErrorKind::device, "cuda:{}: {} has compute capability {}.{}, at least {}.0 is needed",
         device, properties.name, properties.major, properties.minor, kLeastMajor);
  check(cudaSetDevice(device), "use device");
  return properties;
}

CudaHandle<cudaStream_t> make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "create stream");
  return CudaHandle<cudaStream_t>(stream);
}

}  // namespace

CudaBackend::CudaBackend(int device)
    : device_(device),
      multiprocessors_(device_properties(device).multiProcessorCount),
      stream_(make_stream()),
      memory_(device, stream_.get()),
      staging_(stream_.get()),
      gemm_(memory_),
      pool_(usable_cpus()) {
  const cudaDeviceProp properties = device_properties(device);
  description_ = fmt::format("cuda:{}, {}, compute capability {}.{}, {:.1f} GB", device,
                             properties.name, properties.major, properties.minor,
                             static_cast<double>(properties.totalGlobalMem) / 1e9);
}

CudaBackend::~CudaBackend() {
  cudaSetDevice(device_);
  cudaStreamSynchronize(stream_.get());
}

cudaStream_t CudaBackend::use() {
  check(cudaSetDevice(device_), "use device");
  return stream_.get();
}

void CudaBackend::queued(cudaError_t status, std::string_view operation) {
  check(status, operation);
  last_queued_ = operation;
}

void* CudaBackend::allocate(size_t bytes) {
  use();
  return memory_.allocate(bytes);
}

void CudaBackend::release(void* memory) noexcept {
  cudaSetDevice(device_);
  memory_.release(memory);
}

void CudaBackend::upload(void* device, const void* host, size_t bytes) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, use()), "upload");
  synchronize();  // the caller may free `host` on return
}

void CudaBackend::download(void* host, const void* device, size_t bytes) {
  if (bytes > 0)
    check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, use()), "download");
  synchronize();
}

// Called where pools give blocks back, also while an error unwinds: a fault is left to the next
// operation, which reports it.
void CudaBackend::zero(void* device, size_t bytes) {
  if (bytes > 0) cudaMemsetAsync(device, 0, bytes, stream_.get());
}

void CudaBackend::synchronize() {
  const cudaError_t status = cudaStreamSynchronize(use());
  if (status != cudaSuccess)
    fail(ErrorKind::device, "cuda: an operation failed, the last one queued was {}: {}",
         last_queued_, cudaGetErrorString(status));
}

const int32_t* CudaBackend::upload_indices(std::span<const int32_t> indices) {
  use();
  auto* device = grown<int32_t>(indices_, memory_, static_cast<int64_t>(indices.size()));
  staging_.upload(device, indices.data(), indices.size_bytes());
  return device;
}

void CudaBackend::embed(Tensor out, const Matrix& table, std::span<const int32_t> tokens) {
  const CudaMatrix& matrix = cuda_matrix("embed", "table", table);
  const auto count = static_cast<int64_t>(tokens.size());
  expect_shape("embed", "out", out, {count, matrix.cols()});
  expect_type("embed", "out", out, DType::f32);
  for (const int32_t token : tokens)
    if (token < 0 || token >= matrix.rows())
      fail(ErrorKind::mismatch, "embed: token {} is not in a table of {} rows", token,
           matrix.rows());
  if (count == 0) return;
  queued(cuda::embed(mutable_floats(out), matrix.data(), matrix.bf16(), upload_indices(tokens),
                     count, matrix.cols(), matrix.stride(), use()),
         "embed");
}

void CudaBackend::rms_norm(Tensor out, Tensor x, Tensor weight, float eps) {
  expect_floats("rms_norm", "x", x, 2);
  expect_floats("rms_norm", "weight", weight, 1);
  const int64_t rows = x.shape[0], dim = x.shape[1];
  expect_shape("rms_norm", "out", out, x.shape);
  expect_type("rms_norm", "out", out, DType::f32);
  expect_shape("rms_norm", "weight", weight, {dim});
  queued(
      cuda::rms_norm(mutable_floats(out), floats(x), floats(weight), rows, 1, dim, dim, eps, use()),
      "rms_norm");
}

void CudaBackend::head_norm(Tensor x, int64_t first, int64_t heads, Tensor weight, float eps) {
  expect_floats("head_norm", "x", x, 2);
  expect_floats("head_norm", "weight", weight, 1);
  const int64_t width = x.shape[1], dim = weight.shape[0];
  if (first < 0 || heads < 0 || first > width || (dim > 0 && heads > (width - first) / dim))
    fail(ErrorKind::mismatch, "head_norm: {} heads of {} from element {} exceed rows of {}", heads,
         dim, first, width);
  float* start = mutable_floats(x) + first;
  queued(cuda::rms_norm(start, start, floats(weight), x.shape[0], heads, dim, width, eps, use()),
         "head_norm");
}

void CudaBackend::layer_norm(Tensor out, Tensor x, Tensor weight, Tensor bias, float eps) {
  expect_floats("layer_norm", "x", x, 2);
  expect_floats("layer_norm", "weight", weight, 1);
  expect_floats("layer_norm", "bias", bias, 1);
  const int64_t rows = x.shape[0], dim = x.shape[1];
  expect_shape("layer_norm", "out", out, x.shape);
  expect_type("layer_norm", "out", out, DType::f32);
  expect_shape("layer_norm", "weight", weight, {dim});
  expect_shape("layer_norm", "bias", bias, {dim});
  queued(cuda::layer_norm(mutable_floats(out), floats(x), floats(weight), floats(bias), rows, dim,
                          eps, use()),
         "layer_norm");
}

void CudaBackend::gelu(Tensor out, Tensor x) {
  expect_floats("gelu", "x", x, 2);
  expect_shape("gelu", "out", out, x.shape);
  expect_type("gelu", "out", out, DType::f32);
  queued(cuda::gelu(mutable_floats(out), floats(x), x.shape[0] * x.shape[1], use()), "gelu");
}

void CudaBackend::swiglu(Tensor out, Tensor gate_up) {
  expect_floats("swiglu", "out", out, 2);
  const int64_t rows = out.shape[0], dim = out.shape[1];
  expect_shape("swiglu", "gate_up", gate_up, {rows, 2 * dim});
  expect_type("swiglu", "gate_up", gate_up, DType::f32);
  queued(cuda::swiglu(mutable_floats(out), floats(gate_up), rows, dim, use()), "swiglu");
}

void CudaBackend::gather_rows(Tensor out, Tensor x, std::span<const int32_t> rows) {
  expect_floats("gather_rows", "x", x, 2);
  const auto count = static_cast<int64_t>(rows.size());
  const int64_t dim = x.shape[1];
  expect_shape("gather_rows", "out", out, {count, dim});
  expect_type("gather_rows", "out", out, DType::f32);
  for (const int32_t row : rows)
    if (row < 0 || row >= x.shape[0])
      fail(ErrorKind::mismatch, "gather_rows: row {} is not in a tensor of {} rows", row,
           x.shape[0]);
  if (count == 0) return;
  queued(cuda::gather_rows(mutable_floats(out), floats(x), upload_indices(rows), count, dim, use()),
         "gather_rows");
}

}  // namespace kvs
