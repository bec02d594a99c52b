#pragma once

#include <cstdint>
#include <string>

#include "kvs/export.h"

namespace kvs {

/// Where donors are kept beyond memory. They are written there when their rows are there to stay,
/// and brought back where a prompt has more of its tokens there than in memory.
struct TierOptions {
  int64_t host_bytes = 0;                  ///< of host memory beside the pool's; 0: none
  std::string disk;                        ///< a folder, made where it is missing; empty: none
  int64_t disk_bytes = int64_t{16} << 30;  ///< of one model's files at most
  std::string store;                       ///< redis://HOST[:PORT][/DB]; empty: none
  std::string embedder;                    ///< of the donors' embeddings; empty: they have none
  /// To learn what is there before the start; others than the disk have a third of it. What is not
  /// known by then comes to be known in the background.
  int64_t first_look_ms = 3000;
  /// That a prompt waits at most for its rows. Where a task has costs it waits no longer than
  /// computing them takes, and is computed from its start meanwhile where that delays nothing.
  int64_t load_ms = 1000;
};

/// What a tier has done since the start.
struct TierState {
  std::string name;           ///< "host", "disk" or "redis"
  bool reachable = true;      ///< it answered when it was last asked
  int64_t donors = 0;         ///< that can be found there
  int64_t bytes = 0;          ///< that they take, as far as this process knows
  int64_t hits = 0;           ///< donors brought into memory
  int64_t hit_tokens = 0;     ///< theirs
  int64_t misses = 0;         ///< look-ups that it had nothing for that memory had not
  int64_t damaged = 0;        ///< donors and pieces that were damaged and are removed
  int64_t lost = 0;           ///< donors that were gone when they were wanted
  int64_t failed_reads = 0;   ///< donors that were wanted and could not be read
  int64_t late = 0;           ///< prompts that did not wait any longer
  int64_t written = 0;        ///< donors
  int64_t failed_writes = 0;  ///< donors that could not be written, or not soon enough
  int64_t evicted = 0;        ///< donors given up for others, or expired
  int64_t read_bytes = 0;
  int64_t written_bytes = 0;
};

}  // namespace kvs
