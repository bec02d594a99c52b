#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <vector>

#include "backend/cuda_memory.h"
#include "kvs/backend.h"

namespace kvs {

/// Cached rows on their way from the host into blocks, by a stream of their own: computing goes on
/// beside it, and what reads such rows waits for them only, layer by layer.
class CudaLoads {
 public:
  using Number = int64_t;  ///< of a load; ascending
  static constexpr Number kNone = 0;

  explicit CudaLoads(int device);
  CudaLoads(const CudaLoads&) = delete;
  CudaLoads& operator=(const CudaLoads&) = delete;
  ~CudaLoads();

  /// Begins to bring a record's rows to their places, see Backend::unpack_kv(); behind all that
  /// `computing` was given so far, which may still use the blocks. `memory`, page-locked, is where
  /// all parts lie, and is kept until they are copied; where it is null, they may go on return.
  void add(std::span<const KvRun> runs, std::span<const std::byte* const> parts,
           const KvLayout& layout, const HostMemory& memory, cudaStream_t computing);

  /// The last load into a piece of memory that may not have arrived.
  Number last_into(const void* memory, size_t bytes = 1) const;
  /// Lets `computing` wait for one layer of a load and all of those before it, or for all of its
  /// layers. What fails is left to the next operation.
  void await(Number load, int layer, cudaStream_t computing) const noexcept;
  void await(Number load, cudaStream_t computing) const noexcept;

 private:
  struct Load {
    Number number;
    std::vector<CudaHandle<cudaEvent_t>> layers;  ///< that they have arrived
    HostMemory memory;                            ///< that they come from; null: the staging area
  };
  struct Block {
    Number last;
    size_t bytes;
  };

  void send_parts(std::byte* to, std::span<const std::byte* const> parts, const KvLayout& layout,
                  size_t vectors);
  void forget_arrived();
  const Load* find(Number number) const;  // null where it has arrived

  CudaHandle<cudaStream_t> stream_;
  CudaMemory memory_;
  CudaStaging staging_;
  CudaBuffer record_;
  CudaHandle<cudaEvent_t> computed_;
  std::deque<Load> loads_;
  std::map<const std::byte*, Block> blocks_;  // of these loads
  Number last_ = kNone;
};

}  // namespace kvs
