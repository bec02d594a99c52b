#include "backend/cuda_loads.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "backend/cuda_tables.h"
#include "kernels/cuda/kernels.h"

namespace kvs {
namespace {

constexpr size_t kRecordAlignment = 16;

// Of the parts of one layer: keys, values and the scales of either.
size_t part_bytes(size_t part, const KvLayout& kv, size_t vectors) {
  const bool scales = part >= 2;
  return vectors * (scales ? sizeof(float) : kv.row_bytes());
}

// The parts of one layer, one behind the other.
void gather_parts(std::byte* to, std::span<const std::byte* const> parts, const KvLayout& kv,
                  size_t vectors) {
  for (size_t part = 0; part < parts.size(); ++part) {
    const size_t bytes = part_bytes(part, kv, vectors);
    std::memcpy(to, parts[part], bytes);
    to += bytes;
  }
}

}  // namespace

CudaLoads::CudaLoads(int device)
    : stream_(make_stream()),
      memory_(device, stream_.get()),
      staging_(stream_.get()),
      computed_(make_event()) {}

CudaLoads::~CudaLoads() {
  cudaStreamSynchronize(stream_.get());  // what is copied may come from memory of the loads
}

void CudaLoads::add(std::span<const KvRun> runs, std::span<const std::byte* const> parts,
                    const KvLayout& layout, const HostMemory& memory, cudaStream_t computing) {
  forget_arrived();
  const std::vector<cuda::KvPlace> places = cuda_places(runs);
  const auto rows = static_cast<int64_t>(places.size());
  const size_t place_bytes = places.size() * sizeof(cuda::KvPlace);
  const size_t record_at =
      (place_bytes + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
  const size_t layer_bytes = places.size() * layout.token_bytes() / layout.layers;
  const size_t bytes = record_at + layer_bytes * layout.layers;
  const size_t parts_per_layer = parts.size() / layout.layers;

  check(cudaEventRecord(computed_.get(), computing), "unpack_kv");
  check(cudaStreamWaitEvent(stream_.get(), computed_.get(), 0), "unpack_kv");
  auto* base = grown<std::byte>(record_, memory_, static_cast<int64_t>(bytes));
  auto* staged = static_cast<std::byte*>(staging_.take(memory ? place_bytes : bytes));
  std::memcpy(staged, places.data(), place_bytes);
  // What may lack memory comes before what is queued: a load is known whole, or not at all.
  Load load{.number = last_ + 1, .layers = {}, .memory = memory};
  for (int layer = 0; layer < layout.layers; ++layer) load.layers.push_back(make_event());
  const size_t vectors = places.size() * layout.kv_heads;
  const Load& own = loads_.emplace_back(std::move(load));
  try {
    if (memory) staging_.send(base, 0, place_bytes);
    for (int layer = 0; layer < layout.layers; ++layer) {
      const size_t at = record_at + layer * layer_bytes, first = layer == 0 ? 0 : at;
      const auto of_layer = parts.subspan(layer * parts_per_layer, parts_per_layer);
      if (memory) {
        send_parts(base + at, of_layer, layout, vectors);
      } else {
        gather_parts(staged + at, of_layer, layout, vectors);
        staging_.send(base, first, at + layer_bytes - first);
      }
      const cuda::KvBlocks blocks{.planes = cuda_planes(layout, layer),
                                  .layer_bytes = layout.layer_bytes(),
                                  .layers = 1,
                                  .kv_heads = layout.kv_heads,
                                  .head_dim = layout.head_dim};
      check(cuda::unpack_kv(base + at, reinterpret_cast<const cuda::KvPlace*>(base), blocks, rows,
                            stream_.get()),
            "unpack_kv");
      check(cudaEventRecord(own.layers[static_cast<size_t>(layer)].get(), stream_.get()),
            "unpack_kv");
    }
    for (const KvRun& run : runs)
      blocks_[static_cast<const std::byte*>(run.block)] = {own.number, layout.block_bytes()};
  } catch (...) {
    cudaStreamSynchronize(stream_.get());  // nobody will wait for the layers that are on their way
    std::erase_if(blocks_, [&](const auto& block) { return block.second.last == own.number; });
    loads_.pop_back();
    throw;
  }
  ++last_;
}

// The same from where they lie; those that follow one another go together.
void CudaLoads::send_parts(std::byte* to, std::span<const std::byte* const> parts,
                           const KvLayout& layout, size_t vectors) {
  for (size_t part = 0; part < parts.size();) {
    const std::byte* from = parts[part];
    size_t bytes = 0;
    for (; part < parts.size() && parts[part] == from + bytes; ++part)
      bytes += part_bytes(part, layout, vectors);
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_.get()), "unpack_kv");
    to += bytes;
  }
}

void CudaLoads::forget_arrived() {
  while (!loads_.empty() && cudaEventQuery(loads_.front().layers.back().get()) == cudaSuccess)
    loads_.pop_front();
  const Number first = loads_.empty() ? last_ + 1 : loads_.front().number;
  std::erase_if(blocks_, [&](const auto& block) { return block.second.last < first; });
}

CudaLoads::Number CudaLoads::last_into(const void* memory, size_t bytes) const {
  const auto* begin = static_cast<const std::byte*>(memory);
  auto block = blocks_.upper_bound(begin);
  if (block != blocks_.begin() && std::prev(block)->first + std::prev(block)->second.bytes > begin)
    --block;
  Number last = kNone;
  for (; block != blocks_.end() && block->first < begin + bytes; ++block)
    last = std::max(last, block->second.last);
  return last;
}

const CudaLoads::Load* CudaLoads::find(Number number) const {
  if (number == kNone || loads_.empty() || number < loads_.front().number) return nullptr;
  return &loads_[static_cast<size_t>(number - loads_.front().number)];
}

void CudaLoads::await(Number load, int layer, cudaStream_t computing) const noexcept {
  const Load* awaited = find(load);
  if (!awaited) return;
  // Its blocks may belong to a deeper cache by now.
  const auto last = std::ssize(awaited->layers) - 1;
  const CudaHandle<cudaEvent_t>& event = awaited->layers[std::min<ptrdiff_t>(layer, last)];
  cudaStreamWaitEvent(computing, event.get(), 0);
}

void CudaLoads::await(Number load, cudaStream_t computing) const noexcept {
  if (const Load* awaited = find(load))
    cudaStreamWaitEvent(computing, awaited->layers.back().get(), 0);
}

}  // namespace kvs
