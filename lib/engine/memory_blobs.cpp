#include <map>
#include <mutex>
#include <tuple>
#include <utility>

#include "engine/blob_store.h"

namespace kvs {
namespace {

class MemoryBlobs final : public BlobStore {
 public:
  const std::string& name() const override { return name_; }
  bool exclusive() const override { return true; }

  int64_t put(const BlobName& name, std::span<const std::byte> bytes) override {
    Bytes copy(bytes.begin(), bytes.end());
    const std::lock_guard lock(mutex_);
    blobs_[key_of(name)] = std::move(copy);
    return static_cast<int64_t>(bytes.size());
  }

  std::optional<Bytes> get(const BlobName& name) override {
    const std::lock_guard lock(mutex_);
    const auto found = blobs_.find(key_of(name));
    if (found == blobs_.end()) return std::nullopt;
    return found->second;
  }

  void remove(const BlobName& name) override {
    const std::lock_guard lock(mutex_);
    blobs_.erase(key_of(name));
  }

  std::vector<Blob> news(const Complain& /*complain*/) override { return {}; }

 private:
  using Key = std::tuple<BlobName::Kind, Hash128, Hash128>;
  static Key key_of(const BlobName& name) { return {name.kind, name.group, name.id}; }

  const std::string name_ = "host memory";
  std::mutex mutex_;
  std::map<Key, Bytes> blobs_;
};

}  // namespace

std::unique_ptr<BlobStore> make_memory_blobs() {
  return std::make_unique<MemoryBlobs>();
}

}  // namespace kvs
