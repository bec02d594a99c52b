#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/blob_store.h"
#include "engine/complaints.h"
#include "kvs/archive.h"

namespace kvs {

/// The rows of a donor that are to be read.
struct ReadJob {
  uint64_t fetch = 0;
  Hash128 group;
  std::vector<Hash128> pieces;
  std::vector<int32_t> tokens;
};

enum class ReadOutcome { done, lost, damaged, unreachable };

/// A piece that has been read, or why there are no more of a fetch.
struct ReadResult {
  uint64_t fetch = 0;
  std::shared_ptr<const KvRecord> rows{};  ///< null: the end
  int64_t bytes = 0;                       ///< read for it
  double ms = 0;                           ///< that it took
  ReadOutcome outcome = ReadOutcome::done;
  Hash128 piece{};  ///< that is lost or damaged
};

/// A prompt that is in the store.
struct FoundPrompt {
  Blob blob;
  PromptRecord prompt;
};

/// What a look at the store brought.
struct TierNews {
  std::vector<FoundPrompt> prompts;
  std::vector<Blob> pieces;  ///< see BlobStore::news()
  int64_t damaged = 0;       ///< prompts, removed by now
  int64_t whole_look = 0;    ///< the last look of which all is here or came before; 0: none yet
};

/// Reads and decodes blobs in a thread of its own, and looks for what is new: some of that at a
/// time, so that rows that are wanted do not wait for it.
class TierReader {
 public:
  static constexpr size_t kReadAhead = 2;  ///< pieces; taken at once, more would delay others

  /// All but `memory`, which is for rows, must outlive it.
  TierReader(BlobStore& store, const ArchiveHeader& header, HostAllocator memory,
             Complaints& complaints);
  ~TierReader();  ///< leaves out what the thread has not begun
  TierReader(const TierReader&) = delete;
  TierReader& operator=(const TierReader&) = delete;

  /// The last pieces come first: whoever waits may compute the first ones meanwhile.
  void read(ReadJob job);
  /// Reads no more of a fetch; what was read before may still be among the results.
  void drop(uint64_t fetch);
  /// At most kReadAhead pieces are read ahead of those taken.
  std::vector<ReadResult> take_results();
  TierNews take_news();

  /// Looks at the store that have begun so far: news names them by number, from 1 on.
  int64_t looks() const { return looks_; }

  /// Whether the store answered when it was last asked.
  bool reachable() const { return reachable_; }

  /// Waits until there is news to take, the first look is over, or the time is up; whether it is
  /// over.
  bool wait_for_news(std::chrono::steady_clock::time_point deadline);
  /// Waits until there are results to take, or the time is up.
  void wait_for_results(std::chrono::steady_clock::time_point deadline);

 private:
  void run(const std::stop_token& stop);
  void look();
  void read_some();
  void publish(TierNews news);
  bool wait_for_job(std::chrono::steady_clock::time_point end, const std::stop_token& stop);
  void serve_next(const std::stop_token& stop);
  void find_prompt(const Blob& blob, TierNews& news);
  void serve(const ReadJob& job, const std::stop_token& stop);
  bool goes_on(const std::stop_token& stop);
  ReadResult read_piece(const ReadJob& job, size_t piece);
  std::shared_ptr<const KvRecord> get(const BlobName& name, int64_t& bytes);
  void check(const KvRecord& rows, const ReadJob& job, size_t piece) const;
  void failed(const Error& error);
  void remove(const BlobName& name, const Error& why);
  void push(ReadResult result, const std::stop_token& stop);

  BlobStore& store_;
  const ArchiveHeader& header_;
  const HostAllocator memory_;
  Complaints& complaints_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<ReadJob> jobs_;
  std::optional<uint64_t> reading_;  // the fetch that the thread is at
  std::vector<ReadResult> results_;
  TierNews news_;
  bool fresh_ = false;   // there is some
  bool looked_ = false;  // for the first time, at all that was there
  // Of the thread alone.
  int64_t seen_ = 0;        // the last look that did not fail
  std::deque<Blob> named_;  // prompts it has not read yet
  std::atomic<int64_t> looks_ = 0;
  std::atomic<bool> reachable_ = true;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace kvs
