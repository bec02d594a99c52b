#include "kvs/kv_pool.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "kvs/error.h"

namespace kvs {

BlockRef::BlockRef(KvPool* pool, int32_t id) : pool_(pool), id_(id) {
  pool_->retain(id_);
}

BlockRef::BlockRef(const BlockRef& other) : pool_(other.pool_), id_(other.id_) {
  if (pool_) pool_->retain(id_);
}

BlockRef::BlockRef(BlockRef&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)), id_(std::exchange(other.id_, -1)) {}

BlockRef& BlockRef::operator=(BlockRef other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(id_, other.id_);
  return *this;
}

BlockRef::~BlockRef() {
  if (pool_) pool_->release(id_);
}

void* BlockRef::data() const {
  return pool_->states_[id_].data;
}

KvPool::KvPool(Backend& backend, const KvLayout& layout, int64_t max_blocks)
    : backend_(backend), layout_(layout), max_blocks_(max_blocks) {
  if (max_blocks < 1) fail(ErrorKind::argument, "kv pool: needs at least one block");
}

KvPool::~KvPool() {
  for (const State& state : states_) backend_.release(state.data);
}

BlockRef KvPool::allocate() {
  if (!reserve(1))
    fail(ErrorKind::memory, "kv pool: all {} blocks of {} tokens are in use", max_blocks(),
         kBlockTokens);
  const int32_t id = free_.back();
  free_.pop_back();
  states_[id].rows = 0;
  ++in_use_;
  return {this, id};
}

bool KvPool::reserve(int64_t blocks) {
  if (blocks > blocks_left()) return false;
  try {
    while (std::ssize(free_) < blocks) add_block();
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::memory) throw;
    max_blocks_ = in_use_ + std::ssize(free_);
    return false;
  }
  return true;
}

void KvPool::add_block() {
  if (vacant_.empty()) {
    vacant_.push_back(static_cast<int32_t>(states_.size()));
    states_.emplace_back();
  }
  states_[vacant_.back()].data = backend_.allocate(layout_.block_bytes());
  free_.push_back(vacant_.back());
  vacant_.pop_back();
}

void KvPool::give_back() {
  max_blocks_ = std::max<int64_t>(1, in_use_ + std::ssize(free_) / 2);
  for (const int32_t id : free_) {
    backend_.release(std::exchange(states_[id].data, nullptr));
    vacant_.push_back(id);
  }
  free_.clear();
}

int KvPool::take_rows(const BlockRef& block, int count, int32_t& first) {
  State& state = states_[block.id_];
  first = state.rows;
  const int taken = std::min(count, kBlockTokens - state.rows);
  state.rows += taken;
  return taken;
}

void KvPool::release(int32_t id) noexcept {
  State& state = states_[id];
  if (--state.references > 0) return;
  backend_.zero(state.data, layout_.block_bytes());  // the next owner may be another tenant
  free_.push_back(id);
  --in_use_;
}

}  // namespace kvs
