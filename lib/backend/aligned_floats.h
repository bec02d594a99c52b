#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace kvs {

/// Uninitialised floats that begin at a cache line.
class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(size_t count)
      : data_(static_cast<float*>(::operator new(count * sizeof(float), kLine))) {}

  float* data() const { return data_.get(); }

 private:
  static constexpr std::align_val_t kLine{64};
  struct Release {
    void operator()(float* p) const { ::operator delete(p, kLine); }
  };
  std::unique_ptr<float, Release> data_;
};

}  // namespace kvs
