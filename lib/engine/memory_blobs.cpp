#include <map>
#include <mutex>
#include <tuple>
#include <utility>

#include "engine/blob_store.h"
#include "engine/record_rows.h"

namespace kvs {
namespace {

using Key = std::tuple<BlobName::Kind, Hash128, Hash128>;

Key key_of(const BlobName& name) {
  return {name.kind, name.group, name.id};
}

class MemoryShelf final : public RecordShelf {
 public:
  int64_t put(const BlobName& name, std::shared_ptr<const KvRecord> rows) override {
    const int64_t bytes = bytes_of(*rows) + std::ssize(std::as_bytes(std::span(rows->tokens)));
    const std::lock_guard lock(mutex_);
    records_[key_of(name)].swap(rows);
    return bytes;
  }

  std::shared_ptr<const KvRecord> get(const BlobName& name) override {
    const std::lock_guard lock(mutex_);
    const auto found = records_.find(key_of(name));
    return found == records_.end() ? nullptr : found->second;
  }

  void remove(const BlobName& name) {
    std::map<Key, std::shared_ptr<const KvRecord>>::node_type removed;  // goes behind the lock
    const std::lock_guard lock(mutex_);
    removed = records_.extract(key_of(name));
  }

 private:
  std::mutex mutex_;
  std::map<Key, std::shared_ptr<const KvRecord>> records_;
};

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
    shelf_.remove(name);
    const std::lock_guard lock(mutex_);
    blobs_.erase(key_of(name));
  }

  RecordShelf* shelf() override { return &shelf_; }

  std::vector<Blob> news(const Complain& /*complain*/) override { return {}; }

 private:
  const std::string name_ = "host memory";
  MemoryShelf shelf_;
  std::mutex mutex_;
  std::map<Key, Bytes> blobs_;
};

}  // namespace

std::unique_ptr<BlobStore> make_memory_blobs() {
  return std::make_unique<MemoryBlobs>();
}

}  // namespace kvs
