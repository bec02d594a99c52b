#include <utility>

#include "kvs/backend.h"

namespace kvs {

const char* dtype_name(DType type) {
  constexpr const char* kNames[] = {"f32", "f16", "bf16", "q8"};
  return kNames[static_cast<int>(type)];
}

Buffer::Buffer(Backend& backend, DType type, const Shape& shape)
    : backend_(&backend),
      tensor_{backend.allocate(static_cast<size_t>(shape.elements()) * element_bytes(type)), type,
              shape} {}

Buffer::Buffer(Buffer&& other) noexcept
    : backend_(other.backend_), tensor_(std::exchange(other.tensor_, {})) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(backend_, other.backend_);
  std::swap(tensor_, other.tensor_);
  return *this;
}

Buffer::~Buffer() {
  if (tensor_.data) backend_->release(tensor_.data);
}

}  // namespace kvs
