#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "kvs/archive.h"
#include "kvs/error.h"

namespace kvs {

/// Hands records to a thread that writes them into an archive, in order.
class RecordQueue {
 public:
  explicit RecordQueue(ArchiveWriter& writer);
  ~RecordQueue();  ///< leaves out what the thread has not begun
  RecordQueue(const RecordQueue&) = delete;
  RecordQueue& operator=(const RecordQueue&) = delete;

  /// `bytes` of memory the records hold. Waits while too much waits.
  void push(std::vector<KvRecord> records, int64_t bytes);
  void push(PromptRecord prompt);

  void drain();  ///< waits until the thread is through with all
  /// Of prompts that are not in the archive. What follows an Error(io) is left out.
  std::vector<Error> take_errors();
  std::vector<Hash128> take_missing();  ///< ids of records that could not be written

 private:
  // Some records, or the prompt that refers to them.
  struct Item {
    std::vector<KvRecord> records{};
    PromptRecord prompt{};
    bool is_prompt = false;
    int64_t bytes = 0;
  };

  void push(Item item);
  void run(const std::stop_token& stop);
  void write(const Item& item);
  void note(const Item& item, const Error& error);

  static constexpr int64_t kMaxWaiting = int64_t{256} << 20;
  static constexpr size_t kMaxItems = 1024;

  ArchiveWriter& writer_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Item> waiting_;
  int64_t bytes_ = 0;  // of what waits and of what is being written
  bool busy_ = false;
  std::vector<Error> errors_;
  std::vector<Hash128> missing_;
  // Of the thread alone.
  bool prompt_failed_ = false;  // some of the next prompt's records are missing
  bool broken_ = false;         // nothing more can be written
  std::jthread thread_;         // last: it uses the others
};

}  // namespace kvs
