#include "support/attention_device_test.h"

#include <map>

namespace kvs::test {
namespace {

/// The blocks of a layout on a device, and the layout that refers to them.
class DeviceBlocks {
 public:
  DeviceBlocks(Backend& backend, const SceneBatch& batch)
      : backend_(backend), bytes_(batch.config.kv.block_bytes()), layout_(batch.layout) {
    for (BatchSequence& sequence : layout_.sequences) {
      for (KvRun& run : sequence.runs) run.block = on_device(run.block);
    }
    for (BatchRow& row : layout_.rows) row.block = on_device(row.block);
  }
  DeviceBlocks(const DeviceBlocks&) = delete;
  DeviceBlocks& operator=(const DeviceBlocks&) = delete;
  ~DeviceBlocks() {
    for (const auto& [host, device] : blocks_) backend_.release(device);
  }

  const BatchLayout& layout() const { return layout_; }

  void place(std::vector<KvPair>& pairs) {
    for (KvPair& pair : pairs) {
      pair.block = on_device(pair.block);
      pair.kept_block = on_device(pair.kept_block);
    }
  }

  void place(std::vector<KvMove>& moves) {
    for (KvMove& move : moves) {
      move.block = on_device(move.block);
      move.target = on_device(move.target);
    }
  }

  void download() {
    for (const auto& [host, device] : blocks_) {
      backend_.download(const_cast<void*>(host), device, bytes_);
    }
  }

 private:
  void* on_device(const void* host) {
    if (!host) return nullptr;
    const auto [block, is_new] = blocks_.try_emplace(host, nullptr);
    if (is_new) {
      block->second = backend_.allocate(bytes_);
      backend_.upload(block->second, host, bytes_);
    }
    return block->second;
  }

  Backend& backend_;
  size_t bytes_;
  BatchLayout layout_;
  std::map<const void*, void*> blocks_;
};

}  // namespace

void AttentionDeviceTest::run_write_kv(const SceneBatch& batch) {
  DeviceBlocks blocks(*backend, batch);
  const auto rows = static_cast<int64_t>(batch.layout.rows.size());
  const Buffer qkv = activations(batch.qkv, {rows, static_cast<int64_t>(batch.qkv_width())});
  const auto plan = backend->plan_batch(blocks.layout(), batch.config);

  backend->write_kv(qkv.tensor(), *plan, AttentionScene::kLayer);
  blocks.download();
}

std::vector<float> AttentionDeviceTest::run_attention(const SceneBatch& batch, DType type) {
  run_write_kv(batch);
  DeviceBlocks blocks(*backend, batch);
  const auto rows = static_cast<int64_t>(batch.layout.rows.size());
  const Buffer qkv = activations(batch.qkv, {rows, static_cast<int64_t>(batch.qkv_width())});
  const Buffer out = poisoned(type, {rows, static_cast<int64_t>(batch.width())});
  const auto plan = backend->plan_batch(blocks.layout(), batch.config);

  backend->attention(out.tensor(), qkv.tensor(), *plan, AttentionScene::kLayer);
  return on_host(out);
}

std::vector<float> AttentionDeviceTest::run_step(StepRunner& steps, const SceneBatch& batch,
                                                 const Buffer& qkv, const Buffer& out) {
  DeviceBlocks blocks(*backend, batch);
  backend->upload(qkv.tensor().data, batch.qkv.data(), batch.qkv.size() * sizeof(float));
  poison(out);

  steps.run({qkv.tensor().shape[0]}, [&] {
    const auto plan = backend->plan_batch(blocks.layout(), batch.config);
    backend->write_kv(qkv.tensor(), *plan, AttentionScene::kLayer);
    backend->attention(out.tensor(), qkv.tensor(), *plan, AttentionScene::kLayer);
  });
  return on_host(out);
}

std::vector<float> AttentionDeviceTest::run_attention_mass(const SceneBatch& batch,
                                                           const std::vector<int32_t>& rows) {
  run_write_kv(batch);
  DeviceBlocks blocks(*backend, batch);
  const auto count = static_cast<int64_t>(batch.layout.rows.size());
  const Buffer qkv = activations(batch.qkv, {count, static_cast<int64_t>(batch.qkv_width())});
  const auto plan = backend->plan_batch(blocks.layout(), batch.config);
  const int64_t positions = rows.empty() ? 1 : batch.layout.rows[rows.back()].position + 1;
  const Buffer mass = floats(std::vector<float>(positions, 1.0F), {positions});

  backend->attention_mass(mass.tensor(), qkv.tensor(), *plan, AttentionScene::kLayer, rows);
  return on_host(mass);
}

std::vector<float> AttentionDeviceTest::run_kv_deviation(const SceneBatch& batch,
                                                         std::vector<KvPair> pairs) {
  DeviceBlocks blocks(*backend, batch);
  blocks.place(pairs);
  const auto count = static_cast<int64_t>(pairs.size());
  const Buffer out = poisoned(DType::f32, {count, 3});

  backend->kv_deviation(out.tensor(), pairs, batch.config, AttentionScene::kLayer);
  return on_host(out);
}

void AttentionDeviceTest::run_move_kv(const AttentionConfig& config, std::vector<KvMove> moves) {
  DeviceBlocks blocks(*backend, {config, {}, {}});
  blocks.place(moves);

  backend->move_kv(moves, config);
  blocks.download();
}

void AttentionDeviceTest::use_threads(int threads) {
  BackendOptions options = GetParam().options;
  options.threads = threads;
  backend = make_backend(options);
}

}  // namespace kvs::test
