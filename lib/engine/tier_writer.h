#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "engine/blob_store.h"
#include "engine/complaints.h"
#include "kvs/archive.h"

namespace kvs {

/// What became of a donor that was to be written.
struct WriteEnd {
  uint64_t donor = 0;  ///< at least 1
  bool ok = false;
  std::vector<Blob> written;  ///< also where it failed later on
};

/// Encodes and writes blobs in a thread of its own, in order.
class TierWriter {
 public:
  /// All must outlive it.
  TierWriter(BlobStore& store, const ArchiveHeader& header, Complaints& complaints);
  ~TierWriter();  ///< leaves out what the thread has not begun
  TierWriter(const TierWriter&) = delete;
  TierWriter& operator=(const TierWriter&) = delete;

  /// The rows of a donor, a piece each, and last its prompt; what follows a failure is left out.
  void put(uint64_t donor, const BlobName& name, KvRecord rows);
  void put(uint64_t donor, const BlobName& name, PromptRecord prompt);
  void remove(const BlobName& name);

  /// Bytes of memory that rows hold until they are written.
  int64_t waiting_bytes() const;
  std::vector<WriteEnd> take_ends();
  /// Waits until all is written; false where the time is up before.
  bool drain(std::chrono::steady_clock::time_point deadline);

 private:
  struct Removal {};
  struct Item {
    uint64_t donor = 0;
    BlobName name;
    std::variant<Removal, KvRecord, PromptRecord> content;
    int64_t bytes = 0;
  };

  void push(Item item);
  void run(const std::stop_token& stop);
  void write(Item& item);
  int64_t put(Item& item);

  BlobStore& store_;
  const ArchiveHeader& header_;
  Complaints& complaints_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Item> waiting_;
  int64_t bytes_ = 0;  // of what waits and of what is being written
  bool busy_ = false;
  std::vector<WriteEnd> ends_;
  // Of the thread alone.
  WriteEnd current_;
  bool failed_ = false;  // some of the current donor
  std::jthread thread_;  // last: it uses the others
};

}  // namespace kvs
