#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "engine/exactifier.h"
#include "kvs/engine.h"

namespace kvs {

/// Looks for text that several owners hold, and has it computed with nothing in front of it, so
/// that its rows tell of nothing else: they become donors of DonorStore::kPublished. Not
/// thread-safe.
class Publisher {
 public:
  /// All must outlive it. `bos`: the token that prompts begin with, where there is one.
  Publisher(DonorStore& donors, Exactifier& exactifier, std::optional<int32_t> bos)
      : donors_(donors), exactifier_(exactifier), bos_(bos) {}

  /// Queues the prompt of a task that is done, where its tenant takes part.
  void add(const Task& task);

  /// Drops the queued prompts that `which` takes.
  void forget(const DonorFilter& which);

  /// Looks at one prompt; false where none is left.
  bool step();

 private:
  struct Text {
    std::string id;
    std::string tenant;
    std::string owner;
    std::vector<int32_t> tokens;
  };

  DonorStore& donors_;
  Exactifier& exactifier_;
  std::optional<int32_t> bos_;
  std::deque<Text> waiting_;
};

}  // namespace kvs
