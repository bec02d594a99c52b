#include "backend/cuda_backend.h"

#include <fmt/format.h>

#include <utility>

#include "backend/operation_rules.h"
#include "base/cpu_count.h"
#include "kernels/cuda/kernels.h"

namespace kvs {
namespace {

constexpr int kLeastMajor = 8;  // of compute capabilities: bf16 products, asynchronous copies

cudaDeviceProp device_properties(int device) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), "query device");
  if (properties.major < kLeastMajor)
    fail(ErrorKind::device, "cuda:{}: {} has compute capability {}.{}, at least {}.0 is needed",
         device, properties.name, properties.major, properties.minor, kLeastMajor);
  check(cudaSetDevice(device), "use device");
  return properties;
}

}  // namespace

CudaBackend::CudaBackend(int device, Note note)
    : device_(device),
      multiprocessors_(device_properties(device).multiProcessorCount),
      stream_(make_stream()),
      memory_(device, stream_.get()),
      staging_(stream_.get()),
      host_memory_(device),
      loads_(device),
      gemm_(memory_),
      pool_(usable_cpus()),
      note_(std::move(note)) {
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

// What fails here may be an earlier kernel; that one was the last queued, or came before it.
void CudaBackend::queued(cudaError_t status, std::string_view operation) {
  if (status == cudaErrorMemoryAllocation) {
    // A kernel's code comes with its first launch.
    cudaGetLastError();  // or the next one fails for it, too
    memory_.trim();      // what was released may be enough when this is tried again
    fail(ErrorKind::memory, "cuda: out of memory for {}", operation);
  }
  if (status != cudaSuccess)
    fail(ErrorKind::device, "cuda: {} failed, or {} queued before it: {}", operation, last_queued_,
         cudaGetErrorString(status));
  last_queued_ = operation;
}

void* CudaBackend::allocate(size_t bytes) {
  use();
  return memory_.allocate(bytes);
}

void CudaBackend::release(void* memory) noexcept {
  cudaSetDevice(device_);
  await_rows(memory, 1);
  memory_.release(memory);
}

void CudaBackend::await_rows(const void* memory, size_t bytes) noexcept {
  loads_.await(loads_.last_into(memory, bytes), stream_.get());
}

void CudaBackend::upload(void* device, const void* host, size_t bytes) {
  if (bytes == 0) return;
  await_rows(device, bytes);
  check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, use()), "upload");
  synchronize();  // the caller may free `host` on return
}

void CudaBackend::download(void* host, const void* device, size_t bytes) {
  await_rows(device, bytes);
  if (bytes > 0)
    check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, use()), "download");
  synchronize();
}

// Called where pools give blocks back, also while an error unwinds: a fault is left to the next
// operation, which reports it.
void CudaBackend::zero(void* device, size_t bytes) {
  if (bytes == 0) return;
  cudaSetDevice(device_);
  await_rows(device, bytes);
  cudaMemsetAsync(device, 0, bytes, stream_.get());
}

void CudaBackend::synchronize() {
  const cudaError_t status = cudaStreamSynchronize(use());
  if (status != cudaSuccess)
    fail(ErrorKind::device, "cuda: an operation failed, {} or one queued before it: {}",
         last_queued_, cudaGetErrorString(status));
}

DeviceMemory CudaBackend::device_memory() {
  use();
  return memory_.use();
}

std::byte* CudaBackend::room(CudaBuffer& own, size_t bytes) {
  use();
  if (step_) return step_->next_piece(bytes);
  return grown<std::byte>(own, memory_, static_cast<int64_t>(bytes));
}

void CudaBackend::send(std::byte* device, const void* host, size_t bytes) {
  if (phase_ != Phase::launches) staging_.upload(device, host, bytes);
}

const int32_t* CudaBackend::upload_indices(std::span<const int32_t> indices) {
  std::byte* device = room(indices_, indices.size_bytes());
  send(device, indices.data(), indices.size_bytes());
  return reinterpret_cast<const int32_t*>(device);
}

void CudaBackend::embed(Tensor out, const Matrix& table, std::span<const int32_t> tokens) {
  const CudaMatrix& matrix = cuda_matrix("embed", "table", table);
  const auto count = static_cast<int64_t>(tokens.size());
  check_embed(out, matrix, tokens);
  if (count == 0) return;
  const int32_t* device_tokens = upload_indices(tokens);
  queue("embed", [&](cudaStream_t stream) {
    return cuda::embed(mutable_floats(out), matrix.data(), matrix.bf16(), device_tokens, count,
                       matrix.cols(), matrix.stride(), stream);
  });
}

void CudaBackend::rms_norm(Tensor out, Tensor x, Tensor weight, float eps) {
  check_rms_norm(out, x, weight, result_type(out));
  const int64_t rows = x.shape[0], dim = x.shape[1];
  queue("rms_norm", [&](cudaStream_t stream) {
    return cuda::rms_norm(result(out), floats(x), floats(weight), rows, 1, dim, dim, eps, stream);
  });
}

void CudaBackend::head_norm(Tensor x, int64_t first, int64_t heads, Tensor weight, float eps) {
  check_head_norm(x, first, heads, weight);
  const int64_t width = x.shape[1], dim = weight.shape[0];
  float* start = mutable_floats(x) + first;
  queue("head_norm", [&](cudaStream_t stream) {
    return cuda::rms_norm({start, false}, start, floats(weight), x.shape[0], heads, dim, width, eps,
                          stream);
  });
}

void CudaBackend::layer_norm(Tensor out, Tensor x, Tensor weight, Tensor bias, float eps) {
  check_layer_norm(out, x, weight, bias);
  const int64_t rows = x.shape[0], dim = x.shape[1];
  queue("layer_norm", [&](cudaStream_t stream) {
    return cuda::layer_norm(mutable_floats(out), floats(x), floats(weight), floats(bias), rows, dim,
                            eps, stream);
  });
}

void CudaBackend::gelu(Tensor out, Tensor x) {
  check_gelu(out, x);
  queue("gelu", [&](cudaStream_t stream) {
    return cuda::gelu(mutable_floats(out), floats(x), x.shape[0] * x.shape[1], stream);
  });
}

void CudaBackend::swiglu(Tensor out, Tensor gate_up) {
  check_swiglu(out, gate_up, result_type(out));
  const int64_t rows = out.shape[0], dim = out.shape[1];
  queue("swiglu", [&](cudaStream_t stream) {
    return cuda::swiglu(result(out), floats(gate_up), rows, dim, stream);
  });
}

void CudaBackend::gather_rows(Tensor out, Tensor x, std::span<const int32_t> rows) {
  check_gather_rows(out, x, rows);
  const auto count = static_cast<int64_t>(rows.size());
  const int64_t dim = x.shape[1];
  if (count == 0) return;
  const int32_t* device_rows = upload_indices(rows);
  queue("gather_rows", [&](cudaStream_t stream) {
    return cuda::gather_rows(mutable_floats(out), floats(x), device_rows, count, dim, stream);
  });
}

}  // namespace kvs
