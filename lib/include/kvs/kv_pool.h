#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "kvs/backend.h"
#include "kvs/export.h"
#include "kvs/kv_layout.h"

namespace kvs {

class KvPool;

/// Shared ownership of one block of a pool. Copying counts, the last one to go frees the block. The
/// pool must outlive it. Not thread-safe.
class KVS_API BlockRef {
 public:
  BlockRef() = default;
  BlockRef(const BlockRef& other);
  BlockRef(BlockRef&& other) noexcept;
  BlockRef& operator=(BlockRef other) noexcept;
  ~BlockRef();

  void* data() const;  ///< start of the block, KvLayout::block_bytes() long, on the pool's backend
  bool operator==(const BlockRef&) const = default;

 private:
  friend class KvPool;
  BlockRef(KvPool* pool, int32_t id);

  KvPool* pool_ = nullptr;
  int32_t id_ = -1;
};

/// Memory for cached keys and values, in reference-counted blocks of 64 tokens over all layers.
/// Rows of a block are handed out once, in order; freed blocks are zeroed. Not thread-safe, but
/// for max_blocks().
class KVS_API KvPool {
 public:
  /// Memory is taken from the backend as it is needed, never more than `max_blocks` blocks.
  KvPool(Backend& backend, const KvLayout& layout, int64_t max_blocks);
  ~KvPool();
  KvPool(const KvPool&) = delete;
  KvPool& operator=(const KvPool&) = delete;

  /// A block without rows. Throws Error(memory) where all blocks are in use.
  BlockRef allocate();

  /// Takes memory for `blocks` free blocks, and says whether that many can be allocated. Where the
  /// backend has no more, the pool is from here on as large as what it has.
  bool reserve(int64_t blocks);

  /// Gives the memory of free blocks back to the backend, where other things need it, and asks for
  /// no more than half of it again.
  void give_back();

  /// Hands out up to `count` rows of `block`, as many as are left, and says how many.
  /// `first` is set to the first of them.
  int take_rows(const BlockRef& block, int count, int32_t& first);
  int32_t rows_taken(const BlockRef& block) const { return states_[block.id_].rows; }

  const KvLayout& layout() const { return layout_; }
  Backend& backend() const { return backend_; }
  int64_t blocks_in_use() const { return in_use_; }
  int64_t max_blocks() const { return max_blocks_; }
  int64_t blocks_left() const { return max_blocks_ - in_use_; }
  size_t bytes_held() const { return (in_use_ + free_.size()) * layout_.block_bytes(); }

 private:
  friend class BlockRef;
  struct State {
    void* data = nullptr;
    int32_t references = 0;
    int32_t rows = 0;
  };
  void add_block();
  void retain(int32_t id) { ++states_[id].references; }
  void release(int32_t id) noexcept;

  Backend& backend_;
  KvLayout layout_;
  std::atomic<int64_t> max_blocks_;  // read by whoever checks requests, too
  int64_t in_use_ = 0;
  std::vector<State> states_;
  std::vector<int32_t> free_;    // with memory
  std::vector<int32_t> vacant_;  // without
};

}  // namespace kvs
