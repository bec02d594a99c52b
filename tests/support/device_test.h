#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <iostream>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/half.h"
#include "kvs/backend.h"
#include "kvs/error.h"
#include "support/noise.h"

namespace kvs::test {

struct TestDevice {
  const char* name;
  BackendOptions options;

  friend std::ostream& operator<<(std::ostream& out, const TestDevice& device) {
    return out << device.name;
  }
};

/// The devices of this test program: every CPU level and CUDA, or AVX-512 emulated by SIMDe.
const std::vector<TestDevice>& test_devices();

inline std::string device_name(const testing::TestParamInfo<TestDevice>& info) {
  return info.param.name;
}

/// A test that runs once per device, and says so where a device is missing:
///   INSTANTIATE_TEST_SUITE_P(On, Suite, testing::ValuesIn(test_devices()), device_name);
class DeviceTest : public testing::TestWithParam<TestDevice> {
 protected:
  void SetUp() override {
    try {
      backend = make_backend(GetParam().options);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::device) throw;
      GTEST_SKIP() << e.what();
    }
  }

  void TearDown() override {
    if (HasFailure()) std::cerr << "repeat this with KVS_TEST_SEED=" << run_seed() << "\n";
  }

  bool on_cpu() const { return backend->name() == "cpu"; }

  /// Relative error of one rounding of an activation, at least that of f32.
  double rounding() const {
    switch (backend->activation_type()) {
      case DType::bf16:
        return 0x1p-8;
      case DType::f16:
        return 0x1p-11;
      default:
        return 0x1p-24;
    }
  }

  /// f32 values on the device: weights and biases.
  Buffer floats(const std::vector<float>& values, const Shape& shape) {
    Buffer buffer(*backend, DType::f32, shape);
    backend->upload(buffer.tensor().data, values.data(), values.size() * sizeof(float));
    return buffer;
  }

  /// Values as activations, rounded to the device's type.
  Buffer activations(const std::vector<float>& values, const Shape& shape) {
    const DType type = backend->activation_type();
    if (type == DType::f32) return floats(values, shape);
    std::vector<uint16_t> narrow(values.size());
    for (size_t i = 0; i < values.size(); ++i) narrow[i] = narrowed(values[i], type);
    Buffer buffer(*backend, type, shape);
    backend->upload(buffer.tensor().data, narrow.data(), narrow.size() * sizeof(uint16_t));
    return buffer;
  }

  /// Room for results, full of NaN: what is not written shows.
  Buffer poisoned(DType type, const Shape& shape) {
    Buffer buffer(*backend, type, shape);
    poison(buffer);
    return buffer;
  }
  Buffer poisoned(const Shape& shape) { return poisoned(backend->activation_type(), shape); }

  /// All bits set: NaN in every type.
  void poison(const Buffer& buffer) {
    const Tensor& tensor = buffer.tensor();
    const auto count = static_cast<size_t>(tensor.shape.elements());
    const std::vector<uint8_t> bits(count * element_bytes(tensor.type), 0xFF);
    backend->upload(tensor.data, bits.data(), bits.size());
  }

  std::vector<float> on_host(const Tensor& tensor) {
    const auto count = static_cast<size_t>(tensor.shape.elements());
    std::vector<float> values(count);
    if (tensor.type == DType::f32) {
      backend->download(values.data(), tensor.data, count * sizeof(float));
      return values;
    }
    std::vector<uint16_t> narrow(count);
    backend->download(narrow.data(), tensor.data, count * sizeof(uint16_t));
    for (size_t i = 0; i < count; ++i)
      values[i] = tensor.type == DType::f16 ? f16_to_f32(narrow[i]) : bf16_to_f32(narrow[i]);
    return values;
  }
  std::vector<float> on_host(const Buffer& buffer) { return on_host(buffer.tensor()); }

  std::unique_ptr<Matrix> matrix(const std::vector<float>& values, int64_t rows, int64_t cols,
                                 Compute compute) {
    const RowReader read = [&](int64_t first, int64_t count, float* out) {
      std::memcpy(out, values.data() + first * cols, static_cast<size_t>(count * cols) * 4);
    };
    return backend->make_matrix(rows, cols, read, compute);
  }

  /// The type that a matrix of bf16 with so many columns takes.
  DType input_type(int64_t cols) {
    return matrix(std::vector<float>(cols), 1, cols, Compute::bf16)->input_type();
  }

  /// What is left of results that are written in a type.
  static std::vector<float> narrowed_to(DType type, std::vector<float> values) {
    if (type == DType::bf16)
      for (float& value : values) value = rounded_to_bf16(value);
    return values;
  }

  std::unique_ptr<Backend> backend;

 private:
  static uint16_t narrowed(float x, DType type) {
    if (x != x) return 0x7FFF;  // NaN in both types
    return type == DType::f16
               ? f16_bits(x)
               : static_cast<uint16_t>(std::bit_cast<uint32_t>(rounded_to_bf16(x)) >> 16);
  }
};

}  // namespace kvs::test
