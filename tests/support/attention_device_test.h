#pragma once

#include <vector>

#include "support/attention_scene.h"
#include "support/device_test.h"

namespace kvs::test {

/// Runs scenes, whose caches are in host memory, on a device.
class AttentionDeviceTest : public DeviceTest {
 protected:
  /// Writes the keys and values of the batch to its blocks on the device, and brings the blocks
  /// back to the host.
  void run_write_kv(const SceneBatch& batch);

  /// Does that, then attends; the results are written in a type. [T, H D]
  std::vector<float> run_attention(const SceneBatch& batch, DType type = DType::f32);

  /// The same in one step of a runner, all of whose steps have the same tensors.
  std::vector<float> run_step(StepRunner& steps, const SceneBatch& batch, const Buffer& qkv,
                              const Buffer& out);

  /// Does that, then weighs: the attention mass of the rows with these indices, added to 1. [P]
  std::vector<float> run_attention_mass(const SceneBatch& batch, const std::vector<int32_t>& rows);

  /// The deviations of pairs whose blocks are the scene's. [pairs, 3]
  std::vector<float> run_kv_deviation(const SceneBatch& batch, std::vector<KvPair> pairs);

  /// Moves rows between blocks in host memory, which hold the result then.
  void run_move_kv(const AttentionConfig& config, std::vector<KvMove> moves);

  /// Replaces the backend by one with so many threads, where it is a CPU.
  void use_threads(int threads);
};

}  // namespace kvs::test
