#include <iterator>
#include <set>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/exact_start.h"
#include "kvs/error.h"

// Where the pool is too small for all active tasks, the newest make way: their rows are dropped,
// and computed again when there is room.
namespace kvs {

// Room for what a sequence appends next; false where it made way itself.
bool Engine::Impl::make_room(std::list<Sequence>::iterator sequence) {
  if (!sequence->decoding()) return true;
  const int64_t needed = sequence->view.top().blocks_for(pool, 1);
  const int64_t repair = sequence->task.reuse.repair_rows;
  if (repair > 0 && free_blocks(3 + DecodeRepair::kBurst * repair / kBlockTokens)) return true;
  if (free_blocks(needed)) return true;
  while (std::next(sequence) != active.end()) {
    preempt(std::prev(active.end()));
    if (free_blocks(needed)) return true;
  }
  if (active.size() == 1 && measured.empty())
    return true;  // nobody has anything to give: appending says so
  preempt(sequence);
  return false;
}

void Engine::Impl::preempt(std::list<Sequence>::iterator sequence) {
  if (!sequence->done()) ++preemptions;
  sequence->drop_rows();
  preempted.splice(preempted.begin(), active, sequence);
}

// The oldest first, and before tasks that have not begun.
void Engine::Impl::resume_preempted() {
  while (!preempted.empty() && static_cast<int>(active.size()) < options.parallel) {
    Sequence& sequence = preempted.front();
    if (sequence.proceeds() && !has_room_for(std::ssize(sequence.tokens()))) return;
    active.splice(active.end(), preempted, preempted.begin());
    if (sequence.done()) continue;
    try {
      std::optional<ExactStart> again =
          start_exact(sequence.tokens(), sequence.task.tenant, donors, pool);
      if (!again && active.size() + measured.size() > 1) {  // the others hold the room
        preempted.splice(preempted.begin(), active, std::prev(active.end()));
        return;
      }
      if (!again)
        fail(ErrorKind::memory, "kv pool: {} tokens do not fit into {} blocks",
             sequence.tokens().size(), pool.max_blocks());
      sequence.start_again(*std::move(again));
    } catch (const Error& e) {
      if (e.kind() == ErrorKind::device) throw;
      sequence.fail(e.what());
    }
  }
}

// Beside the active ones and what is pinned, with a block more for each task, lest somebody makes
// way at once.
bool Engine::Impl::has_room_for(int64_t tokens) const {
  if (active.empty() && measured.empty()) return true;
  std::set<const void*> used;
  const auto add = [&](const KvView& view) {
    for (const Segment& segment : view.segments()) used.insert(segment.block.data());
  };
  for (const Sequence& sequence : active) {
    add(sequence.view.at(0));
    for (const int layer : sequence.view.bounds()) add(sequence.view.at(layer));
  }
  donors.visit_pinned(add);
  int64_t of_measured = 0;  // all that it may compute
  if (measuring) {
    for (const KvView& view : measured_start->views) add(view);
    of_measured = blocks_for(std::ssize(measured.front().task.tokens));
  }
  return blocks_for(tokens) + std::ssize(used) + of_measured + std::ssize(active) <=
         pool.max_blocks();
}

}  // namespace kvs
