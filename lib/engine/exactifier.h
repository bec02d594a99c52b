#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "kvs/engine.h"
#include "kvs/layered_view.h"

namespace kvs {

/// Computes texts that were answered over approximate rows once more, in order and without any, so
/// that they become donors: from the longest exact prefix on, a few rows a step. Not thread-safe.
class Exactifier {
 public:
  /// All must outlive it.
  Exactifier(Transformer& transformer, KvPool& pool, DonorStore& donors,
             const EngineOptions& options);

  /// Queues a text. A later one of the same conversation takes the place of an earlier one.
  void add(InexactText text);

  /// One forward pass; returns whether work is left. Texts that are not worth a donor by now are
  /// passed over, and so are those that the pool has no room for.
  bool step();

  /// Gives up the room of the text being computed: what is done becomes a donor, the rest is
  /// queued again.
  void pause();

  /// Forgets the text that is being computed.
  void give_up() { running_.reset(); }

  /// Drops the queued texts that `which` takes, and the one being computed.
  void forget(const DonorFilter& which);

  const BackgroundWork& done() const { return done_; }

 private:
  struct Running {
    InexactText text;
    LayeredView view;
    int64_t next;  // row to compute
  };

  int64_t new_tokens(const InexactText& text);
  std::optional<Running> begin(InexactText text);
  void compute_some();
  void finish();

  Transformer& transformer_;
  KvPool& pool_;
  DonorStore& donors_;
  const EngineOptions& options_;
  std::deque<InexactText> waiting_;
  std::optional<Running> running_;
  BackgroundWork done_;
};

}  // namespace kvs
